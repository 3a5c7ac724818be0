//! The names of the registry in Redis, under a prefix.
//!
//! All of a registry's own keys carry one hash tag, so that in a Cluster they live on one node
//! and a change with its feed entry is one transaction there too. Last uses are spread: they are
//! many, and nothing is decided by them.

use crate::base::KeyId;

/// Hashes that last uses are spread over.
pub(super) const USED_HASHES: u32 = 256;

/// The names under one prefix.
#[derive(Clone, Debug)]
pub(super) struct Names {
    prefix: String,
    /// Hash: key id → record.
    pub(super) keys: String,
    /// Stream of changes.
    pub(super) feed: String,
    /// Nonce of the feed's last entry.
    pub(super) head: String,
    /// Which registry this is, and which it took the place of.
    pub(super) epoch: String,
    /// Stream of what replicas know and the registry has lost.
    pub(super) claims: String,
    /// Hash: replica → what it has applied.
    pub(super) replicas: String,
    /// Hash: number → sealing key, encrypted.
    pub(super) sealing: String,
}

impl Names {
    pub(super) fn new(prefix: &str) -> Self {
        let own = |name: &str| format!("{{{prefix}}}:{name}");
        Self {
            keys: own("keys"),
            feed: own("feed"),
            head: own("head"),
            epoch: own("epoch"),
            claims: own("claims"),
            replicas: own("replicas"),
            sealing: own("sealing"),
            prefix: prefix.to_owned(),
        }
    }

    /// The hash with the last uses of a key.
    pub(super) fn used(&self, id: KeyId) -> String {
        self.used_hash(crc32fast::hash(&id.to_text()) % USED_HASHES)
    }

    /// The hash of this number.
    pub(super) fn used_hash(&self, number: u32) -> String {
        format!("{}:used:{number}", self.prefix)
    }
}
