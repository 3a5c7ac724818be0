//! An upstream's answer as it arrives, and its connection, which goes back to the pool once
//! the answer is complete.
//!
//! Dropped before its end, it closes the connection: an answer half read can never be taken
//! for the beginning of another client's. So does anything that follows the answer.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::connection::Connection;
use super::idle::Pool;
use crate::wire::http1::{Chunked, Framing, Piece};

/// The answer broke off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the upstream's answer broke off")]
pub struct BodyFault;

/// An answer's body.
pub struct UpstreamBody {
    left: Left,
    /// `None` once the body has ended, or broke off.
    connection: Option<Box<Connection>>,
    /// Where the connection goes afterwards, if it may serve another exchange.
    back: Option<Rc<Pool>>,
    /// Whether a fault is to be told at the next poll.
    broken_off: bool,
}

/// What is still to come.
enum Left {
    Length(u64),
    Chunked(Chunked),
    UntilClose,
}

impl UpstreamBody {
    pub(super) fn new(framing: Framing, connection: Box<Connection>, back: Option<Rc<Pool>>) -> Self {
        let left = match framing {
            Framing::Empty => Left::Length(0),
            Framing::Length(length) => Left::Length(length),
            Framing::Chunked => Left::Chunked(Chunked::default()),
            Framing::UntilClose => Left::UntilClose,
        };
        let mut body = Self { left, connection: Some(connection), back, broken_off: false };
        if framing == Framing::Empty {
            body.end();
        }
        body
    }

    /// The body has ended: the connection is given back, if nothing follows.
    fn end(&mut self) {
        if let (Some(mut connection), Some(pool)) = (self.connection.take(), self.back.take())
            && connection.read().is_empty()
        {
            pool.put(connection);
        }
    }

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyFault>>> {
        loop {
            let Some(connection) = &mut self.connection else { return Poll::Ready(None) };
            match self.left.take(connection) {
                Taken::Data { data, last } => {
                    if last {
                        self.end();
                    }
                    return Poll::Ready(Some(Ok(data)));
                }
                Taken::End => {
                    self.end();
                    return Poll::Ready(None);
                }
                Taken::Faulty => return Poll::Ready(Some(Err(BodyFault))),
                Taken::Nothing => {}
            }
            match ready!(connection.poll_more(cx)) {
                Ok(1..) => {}
                Ok(0) if matches!(self.left, Left::UntilClose) => {
                    self.connection = None;
                    return Poll::Ready(None);
                }
                _ => return Poll::Ready(Some(Err(BodyFault))),
            }
        }
    }
}

/// What could be taken of what was read.
enum Taken {
    Data { data: Bytes, last: bool },
    End,
    Faulty,
    Nothing,
}

impl Left {
    fn take(&mut self, connection: &mut Connection) -> Taken {
        let read = connection.read();
        match self {
            Self::Chunked(chunked) => match chunked.next(read) {
                Ok(Some(Piece::Data(data))) => match chunked.is_over(read) {
                    Ok(last) => Taken::Data { data, last },
                    Err(_) => Taken::Faulty,
                },
                Ok(Some(Piece::End)) => Taken::End,
                Ok(None) => Taken::Nothing,
                Err(_) => Taken::Faulty,
            },
            _ if read.is_empty() => Taken::Nothing,
            Self::Length(left) => {
                let count = usize::try_from(*left).unwrap_or(usize::MAX).min(read.len());
                *left -= count as u64;
                Taken::Data { data: read.split_to(count).freeze(), last: *left == 0 }
            }
            Self::UntilClose => Taken::Data { data: read.split().freeze(), last: false },
        }
    }
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = BodyFault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        if self.broken_off {
            return Poll::Ready(Some(Err(BodyFault)));
        }
        let polled = ready!(self.poll_data(cx));
        if matches!(polled, Some(Err(_))) {
            // Whoever writes the answer drops what it holds when it is told of a fault. Waiting
            // a moment, it first writes what had arrived.
            self.connection = None;
            self.broken_off = true;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(polled.map(|data| data.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.connection.is_none() && !self.broken_off
    }

    fn size_hint(&self) -> SizeHint {
        match &self.left {
            Left::Length(left) => SizeHint::with_exact(*left),
            _ if self.is_end_stream() => SizeHint::with_exact(0),
            _ => SizeHint::default(),
        }
    }
}
