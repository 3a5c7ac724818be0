//! The value of `Date`, formatted once a second for all connections of a worker.

use std::cell::Cell;

use crate::base::{Clock, UnixSeconds};

/// Bytes of an IMF-fixdate (RFC 9110 §5.6.7).
const LENGTH: usize = 29;

/// One worker's `Date`.
pub struct DateCache {
    clock: Clock,
    at: Cell<(UnixSeconds, [u8; LENGTH])>,
}

impl DateCache {
    /// A cache over a clock.
    pub fn new(clock: Clock) -> Self {
        let at = Cell::new((UnixSeconds::EPOCH, format(UnixSeconds::EPOCH)));
        Self { clock, at }
    }

    /// The value for this second.
    pub(super) fn now(&self) -> [u8; LENGTH] {
        let (at, text) = self.at.get();
        let now = self.clock.now();
        if at == now {
            return text;
        }
        let text = format(now);
        self.at.set((now, text));
        text
    }
}

fn format(time: UnixSeconds) -> [u8; LENGTH] {
    let text = httpdate::fmt_http_date(time.to_system());
    text.into_bytes().try_into().unwrap_or(*b"Thu, 01 Jan 1970 00:00:00 GMT")
}

#[cfg(test)]
mod tests {
    use super::format;
    use crate::base::UnixSeconds;

    #[test]
    fn dates_have_the_form_of_rfc_9110() {
        assert_eq!(&format(UnixSeconds(784_111_777)), b"Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(format(UnixSeconds::NEVER).len(), 29);
    }
}
