//! One key, as it comes from the registry and as it is kept.
//!
//! A kept record is 64 bytes, one cache line: what authentication needs and nothing else.

use super::sets::ScopeSetId;
use crate::base::digest::{Digest, Hasher, KeyHash, Kind};
use crate::base::{KeyId, UnixSeconds};
use crate::policy::limits::KeyLimits;
use crate::policy::scope::ScopeSet;

/// Whether a key is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// In force.
    Active,
    /// Taken away.
    Revoked,
}

/// A key as the control side hands it over.
#[derive(Clone, Debug)]
pub struct KeyEntry {
    /// Which key.
    pub id: KeyId,
    /// The hash of its secret.
    pub hash: KeyHash,
    /// The hash of the secret before the last rotation, and when its overlap ends.
    pub previous: Option<(KeyHash, UnixSeconds)>,
    /// What it may do.
    pub scopes: ScopeSet,
    /// The plan that says how often; `None` for no limits.
    pub plan: Option<Box<str>>,
    /// Limits of its own, over those of its plan; `None` where it has none.
    pub limits: Option<Box<KeyLimits>>,
    /// Whether it is in force.
    pub status: Status,
    /// When it ends; [`UnixSeconds::NEVER`] for no end.
    pub expires: UnixSeconds,
    /// Its owner as told to upstreams; `None` for none.
    pub owner: Option<http::HeaderValue>,
}

/// A key as it is kept.
#[derive(Clone, Copy, Debug)]
pub struct Record {
    /// Which key.
    pub id: KeyId,
    /// The digest of its secret.
    pub digest: Digest,
    /// When it ends.
    pub expires: UnixSeconds,
    /// What it may do.
    pub scopes: ScopeSetId,
    /// Its owner's place in the shard plus one; 0 for none.
    pub(super) owner: u16,
    /// Its rotation's place in the shard; 0 is the dummy.
    pub(super) rotation: u16,
    /// How the digest was made.
    pub kind: Kind,
    /// Whether it is in force.
    pub status: Status,
}

// A record is one cache line; a field more would make it two.
const _: () = assert!(size_of::<Record>() <= 64);

/// The secret before the last rotation.
#[derive(Clone, Copy, Debug)]
pub struct Rotation {
    /// Its digest.
    pub digest: Digest,
    /// When its overlap ends.
    pub until: UnixSeconds,
    /// How the digest was made.
    pub kind: Kind,
}

impl Rotation {
    /// What keys without a rotation are compared with: its overlap ended in 1970.
    pub const NONE: Self = Self { digest: [0; 32], until: UnixSeconds::EPOCH, kind: Kind::SHA256 };

    pub(super) fn of(entry: &KeyEntry, hasher: &Hasher) -> Option<Self> {
        let (hash, until) = entry.previous.as_ref()?;
        Some(Self { digest: hash.digest, until: *until, kind: hasher.kind(&hash.scheme) })
    }
}

impl Record {
    /// What an unknown id is compared with.
    pub const DUMMY: Self = Self {
        id: KeyId::NONE,
        digest: [0; 32],
        expires: UnixSeconds::EPOCH,
        scopes: ScopeSetId(0),
        owner: 0,
        rotation: 0,
        kind: Kind::SHA256,
        status: Status::Revoked,
    };
}
