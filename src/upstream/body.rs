//! An upstream's answer as it arrives, and its connection, which goes back to the pool once
//! the answer is complete.
//!
//! Dropped before its end, it closes the connection: an answer half read can never be taken
//! for the beginning of another client's.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::connect::Lent;
use super::idle::Pool;

/// The answer broke off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the upstream's answer broke off")]
pub struct BodyFault;

/// An answer's body.
pub struct UpstreamBody {
    incoming: Incoming,
    back: Option<(Rc<Pool>, Lent)>,
}

impl UpstreamBody {
    pub(super) fn new(incoming: Incoming, pool: Rc<Pool>, lent: Lent) -> Self {
        let mut body = Self { incoming, back: Some((pool, lent)) };
        body.give_back_at_end();
        body
    }

    fn give_back_at_end(&mut self) {
        if self.incoming.is_end_stream()
            && let Some((pool, lent)) = self.back.take()
        {
            pool.put(lent);
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
        let frame = std::task::ready!(Pin::new(&mut self.incoming).poll_frame(cx));
        match frame {
            Some(Ok(frame)) => {
                self.give_back_at_end();
                Poll::Ready(Some(Ok(frame)))
            }
            Some(Err(_)) => {
                self.back = None;
                Poll::Ready(Some(Err(BodyFault)))
            }
            None => {
                self.give_back_at_end();
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
