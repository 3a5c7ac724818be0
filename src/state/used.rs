//! When keys were last used, noted without a write on the request path.
//!
//! Each worker keeps a small map and hands it over about once a second; the registry's thread
//! writes it. The map is bounded: beyond it, uses are counted as dropped until the next
//! handover.

use std::cell::{Cell, RefCell};

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use crate::base::bounds::USED_PER_FLUSH;
use crate::base::{KeyId, UnixSeconds};

/// Last use of a key's current secret, and of its previous one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastUse {
    /// Of any secret.
    pub at: UnixSeconds,
    /// Of the previous secret, where it was used.
    pub previous_at: Option<UnixSeconds>,
}

/// One worker's notes since the last handover.
#[derive(Default)]
pub struct UsedLog {
    notes: RefCell<HashMap<KeyId, LastUse, RandomState>>,
    dropped: Cell<u64>,
}

impl UsedLog {
    /// Notes a use.
    #[inline]
    pub fn note(&self, id: KeyId, now: UnixSeconds, by_previous: bool) {
        let mut notes = self.notes.borrow_mut();
        let previous_at = by_previous.then_some(now);
        if let Some(last) = notes.get_mut(&id) {
            last.at = now;
            last.previous_at = previous_at.or(last.previous_at);
        } else if notes.len() < USED_PER_FLUSH {
            notes.insert(id, LastUse { at: now, previous_at });
        } else {
            self.dropped.set(self.dropped.get() + 1);
        }
    }

    /// Hands the notes over, with the number of uses that found no room.
    pub fn take(&self) -> (Vec<(KeyId, LastUse)>, u64) {
        (self.notes.borrow_mut().drain().collect(), self.dropped.take())
    }
}

#[cfg(test)]
mod tests {
    use super::UsedLog;
    use crate::base::bounds::USED_PER_FLUSH;
    use crate::base::{KeyId, UnixSeconds};

    fn id(number: usize) -> KeyId {
        format!("mcp_live_{number:016}").parse().unwrap()
    }

    #[test]
    fn the_latest_use_of_each_secret_is_kept() {
        let log = UsedLog::default();
        log.note(id(1), UnixSeconds(10), true);
        log.note(id(1), UnixSeconds(20), false);
        let (notes, dropped) = log.take();
        assert_eq!((notes.len(), dropped), (1, 0));
        assert_eq!(notes[0].1.at, UnixSeconds(20));
        assert_eq!(notes[0].1.previous_at, Some(UnixSeconds(10)));
        assert!(log.take().0.is_empty());
    }

    #[test]
    fn the_map_has_a_bound_and_counts_what_it_drops() {
        let log = UsedLog::default();
        for number in 0..USED_PER_FLUSH + 5 {
            log.note(id(number), UnixSeconds(1), false);
        }
        let (notes, dropped) = log.take();
        assert_eq!((notes.len(), dropped), (USED_PER_FLUSH, 5));
    }
}
