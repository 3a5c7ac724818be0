//! The body of the request in hand, read off its connection as the request path asks for it.
//!
//! Dropped early it leaves the rest on the connection, which then decides whether to read on.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::link::{Link, RequestBroken};
use crate::wire::http1::BodyLength;

/// A request's body.
pub struct RequestBody {
    link: Rc<RefCell<Link>>,
    length: BodyLength,
    taken: u64,
    over: bool,
}

impl RequestBody {
    pub(super) fn new(link: &Rc<RefCell<Link>>, length: BodyLength) -> Self {
        Self { link: Rc::clone(link), length, taken: 0, over: length == BodyLength::Empty }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = RequestBroken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, RequestBroken>>> {
        if self.over {
            return Poll::Ready(None);
        }
        let polled = self.link.borrow_mut().poll_body(cx);
        polled.map(|piece| match piece {
            Some(Ok(data)) => {
                self.taken += data.len() as u64;
                self.over = self.length == BodyLength::Known(self.taken);
                Some(Ok(Frame::data(data)))
            }
            Some(Err(broken)) => Some(Err(broken)),
            None => {
                self.over = true;
                None
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.over
    }

    fn size_hint(&self) -> SizeHint {
        match self.length {
            BodyLength::Empty => SizeHint::with_exact(0),
            BodyLength::Known(length) => SizeHint::with_exact(length.saturating_sub(self.taken)),
            BodyLength::Chunked => SizeHint::default(),
        }
    }
}
