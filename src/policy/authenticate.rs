//! Who a presented key is.
//!
//! An unknown id costs what a wrong secret costs: a dummy record is compared instead, and
//! nothing branches on a record before both comparisons have ended. Expired and revoked are
//! told only to who proved the secret.

use http::HeaderValue;

use super::keys::{Keys, ScopeSetId, Status};
use crate::base::digest::Digests;
use crate::base::{Denial, KeyId, UnixSeconds};

/// A caller who proved a key.
#[derive(Clone, Debug)]
pub struct Verified {
    /// The key.
    pub id: KeyId,
    /// Its scopes.
    pub scopes: ScopeSetId,
    /// Its owner, as the upstream is told; `None` where the record has none.
    pub owner: Option<HeaderValue>,
    /// Whether it was the previous secret, still in its overlap.
    pub by_previous: bool,
}

/// Finds the key and compares the digests of its presented secret.
#[inline]
pub fn authenticate(keys: &Keys, id: KeyId, digests: &Digests, now: UnixSeconds) -> Result<Verified, Denial> {
    let found = keys.find(id);
    let (record, rotation) = (found.record, found.rotation);
    // Both comparisons always, and no branch between them.
    let current = digests.matches(record.kind, &record.digest);
    let previous = digests.matches(rotation.kind, &rotation.digest) & (now < rotation.until);
    if !(found.known & (current | previous)) {
        return Err(Denial::InvalidKey);
    }
    if record.status == Status::Revoked {
        return Err(Denial::RevokedKey);
    }
    if record.expires <= now {
        return Err(Denial::ExpiredKey);
    }
    Ok(Verified { id, scopes: record.scopes, owner: found.owner(), by_previous: !current })
}
