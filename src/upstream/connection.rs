//! One connection and the exchange on it, driven by the task of the request that it serves.
//!
//! No task of its own: an exchange needs no channel and no wake-up between two tasks. In the
//! pool nobody reads from it, so it is asked whether it is still open when it is taken out.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker, ready};

use bytes::BytesMut;
use tokio::io::{AsyncRead as _, AsyncReadExt as _, AsyncWrite as _, ReadBuf};

use super::connect::Stream;
use super::idle::Open;
use super::outgoing::Outgoing;
use crate::base::bounds::READ_BYTES;
use crate::base::{Deadline, Tick};
use crate::wire::http1::{Malformed, ResponseHead, take_head};

/// A connection to an upstream.
pub(super) struct Connection {
    stream: Stream,
    /// What was read and not yet taken.
    read: BytesMut,
    deadline: Deadline,
    _open: Open,
}

/// Why an exchange brought no answer.
#[derive(Debug)]
pub(super) enum Broken {
    /// The connection could not be used before a byte was sent.
    Unsent,
    /// It ended or failed.
    Closed,
    /// The answer is faulty.
    Malformed(Malformed),
    /// The deadline passed.
    TimedOut,
}

impl Connection {
    pub(super) fn new(stream: Stream, by: Tick, open: Open) -> Self {
        Self { stream, read: BytesMut::new(), deadline: Deadline::new(by), _open: open }
    }

    /// Whether it may serve an exchange: neither closed nor holding bytes that no request
    /// asked for.
    pub(super) fn is_open(&mut self) -> bool {
        let mut byte = [0];
        let mut cx = Context::from_waker(Waker::noop());
        self.read.is_empty()
            && Pin::new(&mut self.stream).poll_read(&mut cx, &mut ReadBuf::new(&mut byte)).is_pending()
    }

    /// Sends a request and waits for the head of its answer until the deadline. An answer may
    /// begin before the request was sent whole; then the connection serves no other.
    pub(super) async fn exchange(&mut self, request: &Outgoing, by: Tick) -> Result<ResponseHead, Broken> {
        self.deadline.set(by);
        let mut sent = Sent { bytes: 0, over: false };
        let mut interim = 0;
        let head = poll_fn(|cx| {
            if let Poll::Ready(Err(_)) = self.poll_send(cx, request, &mut sent) {
                if sent.bytes == 0 {
                    return Poll::Ready(Err(Broken::Unsent));
                }
                // The server may have answered before it closed.
                sent.over = true;
            }
            match self.poll_head(cx, &mut interim) {
                Poll::Pending => self.deadline.poll(cx).map(|()| Err(Broken::TimedOut)),
                head @ Poll::Ready(_) => head,
            }
        });
        let mut head = head.await?;
        head.reusable &= sent.bytes == request.joined.len() + request.apart.len();
        Ok(head)
    }

    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        request: &Outgoing,
        sent: &mut Sent,
    ) -> Poll<io::Result<()>> {
        while !sent.over {
            let joined = request.joined.get(sent.bytes..).unwrap_or_default();
            let rest = if joined.is_empty() {
                request.apart.get(sent.bytes - request.joined.len()..).unwrap_or_default()
            } else {
                joined
            };
            let mut stream = Pin::new(&mut self.stream);
            if rest.is_empty() {
                ready!(stream.as_mut().poll_flush(cx))?;
                sent.over = true;
                break;
            }
            match ready!(stream.as_mut().poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => sent.bytes += count,
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_head(&mut self, cx: &mut Context<'_>, interim: &mut usize) -> Poll<Result<ResponseHead, Broken>> {
        loop {
            match take_head(&mut self.read, interim) {
                Ok(Some(head)) => return Poll::Ready(Ok(head)),
                Ok(None) => {}
                Err(fault) => return Poll::Ready(Err(Broken::Malformed(fault))),
            }
            if !matches!(ready!(self.poll_more(cx)), Ok(1..)) {
                return Poll::Ready(Err(Broken::Closed));
            }
        }
    }

    /// Reads what there is; 0 bytes are the end of the connection.
    pub(super) fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.read.reserve(READ_BYTES);
        pin!(self.stream.read_buf(&mut self.read)).poll(cx)
    }

    /// What was read and not yet taken.
    pub(super) fn read(&mut self) -> &mut BytesMut {
        &mut self.read
    }
}

/// How far a request went out.
struct Sent {
    bytes: usize,
    over: bool,
}
