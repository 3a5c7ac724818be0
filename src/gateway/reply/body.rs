//! The body of a reply: bytes at hand, or the upstream's stream with the books of its request.
//!
//! A stream passes frame by frame, unbuffered and unchanged. It closes the books when it
//! ends; dropped before, it records that the client left, and the upstream's connection is
//! closed with it.

use std::pin::Pin;
use std::task::{Context as Task, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::pace::{COMMENT, Pace, Paused};
use crate::gateway::context::Context;
use crate::state::load::StreamPlace;
use crate::upstream::BodyFault;

/// A reply's body.
pub struct ReplyBody<B>(Kind<B>);

enum Kind<B> {
    Whole(Bytes),
    Streamed(Box<Streamed<B>>),
}

struct Streamed<B> {
    body: B,
    context: Context,
    pace: Pace,
    _place: StreamPlace,
}

impl<B> ReplyBody<B> {
    /// Bytes at hand.
    pub(in crate::gateway) fn whole(bytes: impl Into<Bytes>) -> Self {
        Self(Kind::Whole(bytes.into()))
    }

    /// The upstream's stream.
    pub(super) fn streamed(body: B, context: Context, pace: Pace, place: StreamPlace) -> Self {
        Self(Kind::Streamed(Box::new(Streamed { body, context, pace, _place: place })))
    }
}

impl<B> Streamed<B>
where
    B: Body<Data = Bytes, Error = BodyFault> + Unpin,
{
    fn poll(&mut self, task: &mut Task<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        match Pin::new(&mut self.body).poll_frame(task) {
            Poll::Ready(Some(Ok(frame))) => {
                self.pace.went_on(frame.data_ref().map_or(&[], |data| data));
                // Whoever writes the reply need not ask again after the last frame.
                if self.body.is_end_stream() {
                    self.context.answered();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(None) => {
                self.context.answered();
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(fault))) => Poll::Ready(Some(Err(self.broke_off(fault)))),
            Poll::Pending => self.pace.poll(task).map(|paused| match paused {
                Paused::Comment => Some(Ok(Frame::data(Bytes::from_static(COMMENT)))),
                Paused::TooLong => Some(Err(self.broke_off(BodyFault))),
            }),
        }
    }

    fn broke_off(&mut self, fault: BodyFault) -> BodyFault {
        self.context.broke_off();
        fault
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
            Kind::Streamed(streamed) => streamed.poll(task),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Whole(bytes) => bytes.is_empty(),
            Kind::Streamed(streamed) => streamed.body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Kind::Streamed(streamed) => streamed.body.size_hint(),
        }
    }
}
