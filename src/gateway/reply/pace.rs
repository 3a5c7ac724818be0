//! How long an answer may pause, and what keeps a silent stream alive.
//!
//! A stream of events may be silent for minutes; comment lines, which no reader tells from
//! nothing, show proxies that it lives, and show the gateway that its client does. They are
//! put only where a line has ended. Any other answer that pauses is given up.

use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;

use crate::base::Deadline;

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

/// The pace of one answer. No timer is armed while it does not pause.
pub(in crate::gateway) struct Pace {
    events: bool,
    pauses: Pauses,
    /// Since when nothing came.
    since: Option<Instant>,
    deadline: Option<Deadline>,
    /// Whether the last byte ended a line, as far as a comment may follow.
    at_line_end: bool,
}

/// What a pause has come to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Paused {
    /// A comment is due.
    Comment,
    /// It is over with the answer.
    TooLong,
}

impl Pace {
    pub(super) fn new(events: bool, pauses: Pauses) -> Self {
        Self { events, pauses, since: None, deadline: None, at_line_end: true }
    }

    /// Something came.
    pub(super) fn went_on(&mut self, data: &[u8]) {
        self.since = None;
        if let Some(last) = data.last() {
            self.at_line_end = *last == b'\n';
        }
    }

    /// Nothing came; ready when something has to be done about it.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Paused> {
        let Self { events, pauses, .. } = *self;
        let now = Instant::now();
        let since = *self.since.get_or_insert(now);
        let over = since + if events { pauses.stream } else { pauses.answer };
        let comments = events && self.at_line_end;
        let step = if comments { pauses.comment } else { pauses.stream.max(pauses.answer) };
        let deadline = self.deadline.get_or_insert_with(|| Deadline::new(over));
        if since == now {
            deadline.set(over.min(now + step));
        }
        std::task::ready!(deadline.poll(cx));
        let now = Instant::now();
        if now >= over {
            return Poll::Ready(Paused::TooLong);
        }
        deadline.set(over.min(now + step));
        if comments {
            return Poll::Ready(Paused::Comment);
        }
        let _ = deadline.poll(cx);
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::{Pace, Paused, Pauses};
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
        (poll_fn(|cx| pace.poll(cx)).await, begun.elapsed())
    }

    #[test]
    fn streams_get_comments_until_they_are_given_up_and_answers_none() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let mut pace = Pace::new(true, PAUSES);
            pace.went_on(b"data: x\n\n");
            for _ in 0..3 {
                let (came, after) = pause(&mut pace).await;
                assert_eq!(came, Paused::Comment);
                assert!(after >= Duration::from_millis(15), "{after:?}");
            }
            pace.went_on(b"data: half a line");
            let (came, after) = pause(&mut pace).await;
            assert_eq!(came, Paused::TooLong, "no comment inside a line");
            assert!(after >= Duration::from_secs(1), "{after:?}");
            let (came, after) = pause(&mut Pace::new(false, PAUSES)).await;
            assert_eq!(came, Paused::TooLong);
            assert!((300..900).contains(&after.as_millis()), "{after:?}");
        });
    }
}
