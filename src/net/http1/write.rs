//! An answer on its way out: head and what is ready of the body in one write, then each piece
//! as it comes.
//!
//! A client that does not read is given up after a limit. A body that breaks off ends the
//! connection without its last chunk: nobody may take the beginning of an answer for a whole.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::Method;
use http_body::Body;

use super::link::Link;
use crate::base::bounds::{TURN_BYTES, WRITE_BYTES};
use crate::base::{Deadline, Tick};
use crate::net::params::ConnectionParams;
use crate::wire::head::Reply;
use crate::wire::http1::{AnswerLength, LAST_CHUNK, ReceivedHead, write_answer, write_chunk};

/// Bytes that the head of a usual answer has at most.
const USUAL_HEAD: usize = 384;

/// How an answer is written.
#[derive(Clone, Copy)]
pub(super) struct Manner {
    /// The connection ends with it.
    pub(super) last: bool,
    /// It has no body, whatever its head says: an answer to HEAD.
    head_only: bool,
}

impl Manner {
    /// An answer with which the connection ends.
    pub(super) const LAST: Self = Self { last: true, head_only: false };

    pub(super) fn of(head: &ReceivedHead) -> Self {
        Self { last: !head.keep_alive, head_only: head.head.method == Method::HEAD }
    }

    pub(super) fn last_if(self, last: bool) -> Self {
        Self { last: self.last || last, ..self }
    }
}

/// The answer could not be written whole: the connection must end.
pub(super) struct Unfinished;

/// Writes one answer. `out` is the connection's write buffer, empty before and after.
pub(super) async fn answer<B>(
    link: &RefCell<Link>,
    out: &mut Vec<u8>,
    deadline: &mut Deadline,
    params: &ConnectionParams,
    reply: Reply<B>,
    manner: Manner,
) -> Result<(), Unfinished>
where
    B: Body<Data = Bytes> + Unpin,
{
    let length = reply.body.size_hint().exact().map_or(AnswerLength::Chunked, AnswerLength::Known);
    // One buffer for a usual head and a short body, instead of one that grows.
    let room = if let AnswerLength::Known(length) = length { WRITE_BYTES.min(length as usize) } else { 0 };
    out.reserve(USUAL_HEAD + room);
    write_answer(out, &reply, length, &params.date.now(), manner.last);
    let mut writing = Writing {
        over: manner.head_only || reply.body.is_end_stream(),
        body: reply.body,
        chunked: length == AnswerLength::Chunked && !manner.head_only,
        promised: match length {
            AnswerLength::Known(length) if !manner.head_only => Some(length),
            AnswerLength::Known(_) | AnswerLength::Chunked => None,
        },
        sent: 0,
        stalled: false,
        turn: 0,
    };
    if writing.over && writing.chunked {
        out.extend_from_slice(LAST_CHUNK);
    }
    let written = loop {
        match poll_fn(|cx| writing.poll(cx, link, out, deadline, params)).await {
            Ok(Progress::TurnOver) => tokio::task::yield_now().await,
            Ok(Progress::Whole) => break Ok(()),
            Err(unfinished) => break Err(unfinished),
        }
    };
    // The buffer of an idle connection is given back.
    *out = Vec::new();
    written
}

/// How far an answer has come.
enum Progress {
    /// All of it is written.
    Whole,
    /// There is more, after the other connections had their turn.
    TurnOver,
}

struct Writing<B> {
    body: B,
    chunked: bool,
    /// Bytes of the length that was told and that have not come yet.
    promised: Option<u64>,
    /// Whether the body has ended.
    over: bool,
    /// Bytes of the buffer that have left.
    sent: usize,
    /// Whether the client is being waited for.
    stalled: bool,
    /// Bytes that were sent in this turn.
    turn: usize,
}

impl<B: Body<Data = Bytes> + Unpin> Writing<B> {
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        link: &RefCell<Link>,
        out: &mut Vec<u8>,
        deadline: &mut Deadline,
        params: &ConnectionParams,
    ) -> Poll<Result<Progress, Unfinished>> {
        loop {
            if self.turn >= TURN_BYTES {
                self.turn = 0;
                return Poll::Ready(Ok(Progress::TurnOver));
            }
            let waits_for_body = self.gather(cx, out)?;
            if !out.is_empty() {
                let (sent, length) = (self.sent, out.len());
                match link.borrow_mut().poll_send(cx, out, &mut self.sent) {
                    Poll::Ready(Ok(())) => {
                        self.stalled = false;
                        self.turn += length;
                    }
                    Poll::Ready(Err(_)) => return Poll::Ready(Err(Unfinished)),
                    Poll::Pending => {
                        if !self.stalled || self.sent > sent {
                            self.stalled = true;
                            deadline.set(Tick::now() + params.write_idle);
                        }
                        return deadline.poll(cx).map(|()| Err(Unfinished));
                    }
                }
            } else if self.over {
                return Poll::Ready(Ok(Progress::Whole));
            }
            if waits_for_body {
                ready!(link.borrow_mut().poll_gone(cx));
                return Poll::Ready(Err(Unfinished));
            }
        }
    }

    /// Takes what the body has ready, up to a bound; whether it has to be waited for.
    fn gather(&mut self, cx: &mut Context<'_>, out: &mut Vec<u8>) -> Result<bool, Unfinished> {
        while !self.over && out.len() < WRITE_BYTES {
            match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Pending => return Ok(true),
                Poll::Ready(Some(Err(_))) => return Err(Unfinished),
                Poll::Ready(None) => self.over = true,
                Poll::Ready(Some(Ok(frame))) => {
                    if let Some(data) = frame.data_ref() {
                        if self.chunked {
                            write_chunk(out, data);
                        } else if let Some(left) = &mut self.promised {
                            // More than was told would be taken for the next answer.
                            *left = left.checked_sub(data.len() as u64).ok_or(Unfinished)?;
                            out.extend_from_slice(data);
                        }
                    }
                    self.over = self.body.is_end_stream();
                }
            }
            if self.over && self.chunked {
                out.extend_from_slice(LAST_CHUNK);
            }
            if self.over && self.promised.is_some_and(|left| left > 0) {
                return Err(Unfinished);
            }
        }
        Ok(false)
    }
}
