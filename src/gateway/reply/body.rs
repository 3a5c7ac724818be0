//! The body of a reply: bytes at hand, or the upstream's stream with the books of its request.
//!
//! A stream passes frame by frame, unbuffered and unchanged. It closes the books when it
//! ends; dropped before, it records that the client left, and the upstream's connection is
//! closed with it. A key that is revoked or expires ends it too.

use std::pin::Pin;
use std::task::{Context as Task, Poll, ready};

use bytes::{Buf as _, Bytes};
use http_body::{Body, Frame, SizeHint};

use super::pace::{COMMENT, Form, Pace, Paused};
use super::standing::Standing;
use crate::gateway::context::Context;
use crate::state::load::StreamPlace;
use crate::upstream::BodyFault;

/// A reply's body.
pub struct ReplyBody<B>(Kind<B>);

enum Kind<B> {
    Whole(Bytes),
    Streamed(Box<Streamed<B>>),
}

/// An answer that is still arriving, and what it is watched by.
pub(in crate::gateway) struct Watched<B> {
    pub(super) body: B,
    pub(super) form: Form,
    pub(super) pace: Pace,
    pub(super) standing: Standing,
    pub(super) _place: StreamPlace,
}

struct Streamed<B> {
    watched: Watched<B>,
    context: Context<'static>,
}

impl<B> ReplyBody<B> {
    /// Bytes at hand.
    pub(in crate::gateway) fn whole(bytes: impl Into<Bytes>) -> Self {
        Self(Kind::Whole(bytes.into()))
    }

    /// How many bytes are at hand.
    pub(in crate::gateway) fn size(&self) -> usize {
        match &self.0 {
            Kind::Whole(bytes) => bytes.len(),
            Kind::Streamed(_) => 0,
        }
    }

    /// The upstream's stream.
    pub(super) fn streamed(watched: Watched<B>, context: Context<'static>) -> Self {
        Self(Kind::Streamed(Box::new(Streamed { watched, context })))
    }
}

impl<B> Streamed<B>
where
    B: Body<Data = Bytes, Error = BodyFault> + Unpin,
{
    fn poll(&mut self, task: &mut Task<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        let Watched { body, pace, standing, .. } = &mut self.watched;
        let mut stands = standing.check_changed();
        while stands.is_ok() {
            match Pin::new(&mut *body).poll_frame(task) {
                Poll::Ready(Some(Ok(frame))) => {
                    let data = frame.data_ref().map_or(&[][..], |data| data);
                    let marked = pace.went_on(data);
                    self.context.passed(data.len());
                    // Whoever writes the reply need not ask again after the last frame.
                    if body.is_end_stream() {
                        self.context.answered();
                    }
                    return Poll::Ready(Some(Ok(if marked { without_mark(frame) } else { frame })));
                }
                Poll::Ready(None) => {
                    self.context.answered();
                    return Poll::Ready(None);
                }
                Poll::Ready(Some(Err(fault))) => return Poll::Ready(Some(Err(self.broke_off(fault)))),
                Poll::Pending => {}
            }
            let paused = ready!(pace.poll(task));
            stands = standing.check();
            match paused {
                Paused::TooLong => return Poll::Ready(Some(Err(self.broke_off(BodyFault)))),
                Paused::Comment if stands.is_ok() => {
                    return Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(COMMENT)))));
                }
                Paused::Comment | Paused::Silent => {}
            }
        }
        if let Err(denial) = stands {
            self.context.denied(denial);
        }
        Poll::Ready(Some(Err(BodyFault)))
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
            Kind::Streamed(streamed) => streamed.watched.body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            // Comments may come into a stream of events, so that no length of it can be told.
            Kind::Streamed(streamed) => match streamed.watched.form {
                Form::Events => SizeHint::default(),
                Form::EncodedEvents | Form::Whole => streamed.watched.body.size_hint(),
            },
        }
    }
}

/// A piece without the byte order mark at its front.
fn without_mark(frame: Frame<Bytes>) -> Frame<Bytes> {
    frame.map_data(|mut data| {
        if data.starts_with(b"\xef\xbb\xbf") {
            data.advance(3);
        }
        data
    })
}
