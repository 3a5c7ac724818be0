//! The body of a reply: bytes at hand, or the upstream's stream with the books of its request.
//!
//! A stream passes frame by frame, unbuffered and unchanged. It closes the books when it
//! ends; dropped before, it records that the client left, and the upstream's connection is
//! closed with it.

use std::pin::Pin;
use std::task::{Context as Task, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::gateway::context::Context;
use crate::upstream::BodyFault;

/// A reply's body.
pub struct ReplyBody<B>(Kind<B>);

enum Kind<B> {
    Whole(Bytes),
    Streamed(B, Context),
}

impl<B> ReplyBody<B> {
    /// Bytes at hand.
    pub(in crate::gateway) fn whole(bytes: impl Into<Bytes>) -> Self {
        Self(Kind::Whole(bytes.into()))
    }

    /// The upstream's stream.
    pub(in crate::gateway) fn streamed(body: B, context: Context) -> Self {
        Self(Kind::Streamed(body, context))
    }
}

impl<B> Body for ReplyBody<B>
where
    B: Body<Data = Bytes, Error = BodyFault> + Unpin,
{
    type Data = Bytes;
    type Error = BodyFault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        task: &mut Task<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        match &mut self.0 {
            Kind::Whole(bytes) => {
                let bytes = std::mem::take(bytes);
                Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
            }
            Kind::Streamed(body, context) => {
                let frame = std::task::ready!(Pin::new(&mut *body).poll_frame(task));
                match &frame {
                    // Whoever writes the reply need not ask again after the last frame.
                    Some(Ok(_)) if body.is_end_stream() => context.answered(),
                    Some(Ok(_)) => {}
                    Some(Err(_)) => context.broke_off(),
                    None => context.answered(),
                }
                Poll::Ready(frame)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Whole(bytes) => bytes.is_empty(),
            Kind::Streamed(body, _) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Kind::Streamed(body, _) => body.size_hint(),
        }
    }
}
