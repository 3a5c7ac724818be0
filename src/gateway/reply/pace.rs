//! How long an answer may pause, and what keeps a silent stream alive.
//!
//! A stream of events may be silent for minutes; comment lines, which no reader tells from
//! nothing, show proxies that it lives, and show the gateway that its client does. They are
//! put only where a line has ended. Any other answer that pauses is given up.

use std::task::{Context, Poll};
use std::time::Duration;

use crate::base::{Deadline, Tick};

/// A comment (WHATWG HTML, server-sent events): a line, and no end of an event.
pub(super) const COMMENT: &[u8] = b":\n";

/// The limits.
#[derive(Clone, Copy, Debug)]
pub struct Pauses {
    /// Longest pause of an answer that is no stream of events.
    pub answer: Duration,
    /// Longest pause of a stream of events.
    pub stream: Duration,
    /// After how long a pause of a stream a comment is sent.
    pub comment: Duration,
}

/// What an answer is, as far as its pace goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::gateway) enum Form {
    /// A stream of events as text, which comments may be put into.
    Events,
    /// A stream of events that is encoded: a byte put into it would spoil it.
    EncodedEvents,
    /// Anything else.
    Whole,
}

/// The pace of one answer. No timer is armed while it does not pause.
pub(in crate::gateway) struct Pace {
    form: Form,
    pauses: Pauses,
    /// Since when nothing came.
    since: Option<Tick>,
    deadline: Option<Deadline>,
    /// Whether the last byte ended a line, as far as a comment may follow.
    at_line_end: bool,
    /// Whether anything of the upstream's came.
    begun: bool,
    /// Whether a comment came before everything else.
    opened_by_comment: bool,
}

/// What a pause has come to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Paused {
    /// A comment is due.
    Comment,
    /// As long as to a comment, where none may be put.
    Silent,
    /// It is over with the answer.
    TooLong,
}

impl Pace {
    pub(super) fn new(form: Form, pauses: Pauses) -> Self {
        Self {
            form,
            pauses,
            since: None,
            deadline: None,
            at_line_end: true,
            begun: false,
            opened_by_comment: false,
        }
    }

    /// Something came. True when a byte order mark at its front has to go: it would count at the
    /// beginning of the stream only, where a comment stands now.
    pub(super) fn went_on(&mut self, data: &[u8]) -> bool {
        self.since = None;
        let Some(last) = data.last() else { return false };
        self.at_line_end = *last == b'\n';
        let first = !std::mem::replace(&mut self.begun, true);
        first && self.opened_by_comment
    }

    /// Nothing came; ready when something has to be done about it.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Paused> {
        let Pauses { answer, stream, comment } = self.pauses;
        let (whole, step) = match self.form {
            Form::Events | Form::EncodedEvents => (stream, comment),
            Form::Whole => (answer, answer),
        };
        let now = Tick::now();
        let since = *self.since.get_or_insert(now);
        let over = since + whole;
        let deadline = self.deadline.get_or_insert_with(|| Deadline::new(over));
        if since == now {
            deadline.set(over.min(now + step));
        }
        std::task::ready!(deadline.poll(cx));
        // The tick from which it counts may be behind, and the deadline that passed that of a comment.
        if since.left(whole).is_zero() {
            return Poll::Ready(Paused::TooLong);
        }
        let now = Tick::now();
        deadline.set(over.min(now + step));
        if self.form == Form::Events && self.at_line_end {
            self.opened_by_comment |= !self.begun;
            return Poll::Ready(Paused::Comment);
        }
        Poll::Ready(Paused::Silent)
    }
}

#[cfg(test)]
mod tests {
    use super::{Form, Pace, Paused, Pauses};
    use std::future::poll_fn;
    use std::time::Duration;
    use tokio::time::Instant;

    const PAUSES: Pauses = Pauses {
        answer: Duration::from_millis(300),
        stream: Duration::from_secs(1),
        comment: Duration::from_millis(20),
    };

    /// What comes of a pause after `data`, and after how long.
    async fn pause(pace: &mut Pace) -> (Paused, Duration) {
        let begun = Instant::now();
        loop {
            let came = poll_fn(|cx| pace.poll(cx)).await;
            if came != Paused::Silent {
                return (came, begun.elapsed());
            }
        }
    }

    #[test]
    fn streams_get_comments_until_they_are_given_up_and_answers_none() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let mut pace = Pace::new(Form::Events, PAUSES);
            assert_eq!(pause(&mut pace).await.0, Paused::Comment);
            assert!(pace.went_on(b"\xef\xbb\xbfdata: x\n\n"), "a mark behind a comment is none");
            assert!(!pace.went_on(b"data: x\n\n"));
            for _ in 0..3 {
                let (came, after) = pause(&mut pace).await;
                assert_eq!(came, Paused::Comment);
                assert!(after >= Duration::from_millis(15), "{after:?}");
            }
            pace.went_on(b"data: half a line");
            let (came, after) = pause(&mut pace).await;
            assert_eq!(came, Paused::TooLong, "no comment inside a line");
            assert!(after >= Duration::from_secs(1), "{after:?}");
            let (came, after) = pause(&mut Pace::new(Form::EncodedEvents, PAUSES)).await;
            assert_eq!(came, Paused::TooLong, "no comment in what is encoded");
            assert!(after >= Duration::from_secs(1), "{after:?}");
            let (came, after) = pause(&mut Pace::new(Form::Whole, PAUSES)).await;
            assert_eq!(came, Paused::TooLong);
            assert!((300..900).contains(&after.as_millis()), "{after:?}");
        });
    }
}
