//! Which versions each server speaks, as far as its own answers told.
//!
//! Learned from `server/discover`, so that a refusal can name what gateway and server both
//! speak. One entry for each server's name, bounded like the servers.

use std::cell::RefCell;

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use crate::base::bounds::SERVERS;
use crate::wire::mcp::ProtocolVersion;

/// One worker's knowledge.
#[derive(Default)]
pub struct Spoken(RefCell<HashMap<Box<str>, Vec<ProtocolVersion>, RandomState>>);

impl Spoken {
    /// Notes what a server said, versions that the gateway does not speak left out.
    pub fn note(&self, server: &str, versions: Vec<ProtocolVersion>) {
        let mut known = self.0.borrow_mut();
        if let Some(before) = known.get_mut(server) {
            *before = versions;
        } else if known.len() < SERVERS {
            known.insert(server.into(), versions);
        }
    }

    /// What both speak; all that the gateway speaks while the server has told nothing.
    pub fn by(&self, server: &str) -> Vec<ProtocolVersion> {
        self.0.borrow().get(server).cloned().unwrap_or_else(|| ProtocolVersion::SPOKEN.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::Spoken;
    use crate::base::bounds::SERVERS;
    use crate::wire::mcp::ProtocolVersion;

    #[test]
    fn the_last_word_counts_and_the_table_is_bounded() {
        let spoken = Spoken::default();
        assert_eq!(spoken.by("a").len(), 4);
        spoken.note("a", vec![ProtocolVersion::V2025_11_25]);
        spoken.note("a", vec![ProtocolVersion::V2026_07_28]);
        assert_eq!(spoken.by("a"), [ProtocolVersion::V2026_07_28]);
        for number in 0..SERVERS + 5 {
            spoken.note(&number.to_string(), Vec::new());
        }
        assert_eq!(spoken.0.borrow().len(), SERVERS);
    }
}
