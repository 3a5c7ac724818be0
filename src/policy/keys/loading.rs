//! All keys being loaded at once, as at every start.
//!
//! Laid out batch by batch, a table of a million would be copied over and over and grown in
//! steps, and hold twice its memory afterwards. Here records are gathered in stages of a fixed
//! size, and the table is laid out once, when it is known how many there are.

use std::sync::Arc;

use super::record::KeyEntry;
use super::sets::ScopeSets;
use super::shard::{Edit, Shard};
use super::spine::Keys;
use crate::base::KeyId;
use crate::base::digest::Hasher;
use crate::policy::compiled::Policy;

/// Records of one stage: a megabyte, which the allocator gives back whole.
const STAGE: usize = 16_384;

/// Keys that are being loaded. An id that occurs twice is taken by its last record.
pub struct Loading {
    full: Vec<Shard>,
    open: Edit,
    denied: Vec<KeyId>,
    sets: Arc<ScopeSets>,
    hasher: Arc<Hasher>,
}

impl Loading {
    /// No keys yet.
    pub fn new(hasher: Arc<Hasher>) -> Self {
        let open = Edit::with_room(0);
        Self { full: Vec::new(), open, denied: Vec::new(), sets: Arc::default(), hasher }
    }

    /// Adds a key.
    pub fn put(&mut self, entry: &KeyEntry, policy: &Policy) {
        if self.open.len() == STAGE {
            let full = std::mem::replace(&mut self.open, Edit::with_room(STAGE));
            self.full.push(full.unfinished());
        }
        let scopes = self.sets.intern(entry, policy);
        self.open.append(entry, scopes, &self.hasher);
    }

    /// Notes a key that is denied, whatever else is said of it.
    pub fn deny(&mut self, id: KeyId) {
        self.denied.push(id);
    }

    /// The table of all of them.
    pub fn finish(mut self, policy: &Policy) -> Keys {
        self.full.push(self.open.unfinished());
        let count = self.full.iter().map(Shard::len).sum();
        let keys = Keys::laid_out(self.full.iter(), count, self.sets, self.hasher, |same| same);
        if self.denied.is_empty() {
            return keys;
        }
        let denied: Vec<_> = self.denied.into_iter().map(|id| (id, None)).collect();
        keys.with(&denied, policy)
    }
}
