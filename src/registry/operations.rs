//! What can be done to a key: issue, change, rotate, end an overlap, revoke.
//!
//! Each is one edit of one record in one transaction, over any registry. A raw key leaves
//! here once, in [`Issued`], on its way to the screen.

use std::time::Duration;

use super::contract::{Edit, Fault, Registry};
use super::limits::{LimitsChange, OwnLimits};
use super::record::{KeyRecord, State, Timestamp};
use crate::base::digest::Hasher;
use crate::base::key::{Env, NewKey, NoRandomness};
use crate::base::{KeyId, UnixSeconds};

/// What a new key is to be.
#[derive(Debug, Clone)]
pub struct Wish {
    /// Live or test.
    pub env: Env,
    /// What it is called.
    pub name: String,
    /// Whose it is.
    pub owner: Option<String>,
    /// What it may do.
    pub scopes: Vec<String>,
    /// Its plan.
    pub plan: Option<String>,
    /// Limits of its own, over those of its plan.
    pub limits: Option<OwnLimits>,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
}

/// A record with the raw key that was made for it.
pub struct Issued {
    /// The record as written.
    pub record: KeyRecord,
    /// The raw key.
    pub key: NewKey,
}

/// What `set` changes; `None` leaves a member as it is.
#[derive(Debug, Clone, Default)]
pub struct Amendment {
    /// A new name.
    pub name: Option<String>,
    /// A new owner; an empty text takes it away.
    pub owner: Option<String>,
    /// New scopes, instead of the old.
    pub scopes: Option<Vec<String>>,
    /// A new plan; an empty text takes it away.
    pub plan: Option<String>,
    /// New limits of its own.
    pub limits: Option<LimitsChange>,
    /// A new end; `Some(None)` takes it away.
    pub expires_at: Option<Option<Timestamp>>,
}

impl Amendment {
    /// Changes a record, but for its version.
    pub fn apply(&self, record: &mut KeyRecord) {
        let Self { name, owner, scopes, plan, limits, expires_at } = self.clone();
        let emptied = |text: String| (!text.is_empty()).then_some(text);
        record.name = name.unwrap_or_else(|| record.name.clone());
        record.owner = owner.map_or_else(|| record.owner.clone(), emptied);
        record.scopes = scopes.unwrap_or_else(|| record.scopes.clone());
        record.plan = plan.map_or_else(|| record.plan.clone(), emptied);
        if let Some(limits) = limits {
            limits.apply(&mut record.limits);
        }
        record.expires_at = expires_at.unwrap_or(record.expires_at);
    }
}

impl From<NoRandomness> for Fault {
    fn from(error: NoRandomness) -> Self {
        Self::Refused(error.to_string())
    }
}

/// Issues a key.
pub fn issue(
    registry: &mut dyn Registry,
    hasher: &Hasher,
    wish: Wish,
    now: UnixSeconds,
) -> Result<Issued, Fault> {
    let key = NewKey::generate(wish.env)?;
    let record = KeyRecord {
        key_id: key.id(),
        key_hash: hasher.hash_new(key.secret()),
        previous_hash: None,
        previous_until: None,
        scopes: wish.scopes,
        status: State::Active,
        name: wish.name,
        owner: wish.owner,
        plan: wish.plan,
        limits: wish.limits,
        purposes: Vec::new(),
        created_at: Timestamp(now),
        expires_at: wish.expires_at,
        rotated_at: None,
        revoked_at: None,
        version: 1,
        other: serde_json::Map::new(),
    };
    check(&record)?;
    let id = record.key_id;
    one(registry, id, &mut |before| match before {
        Some(_) => Err(Fault::Refused(format!("a key {id} exists already; try again"))),
        None => Ok(Some(record.clone())),
    })?;
    Ok(Issued { record, key })
}

/// Changes what a key may do and how often, whose it is, when it ends.
pub fn set(registry: &mut dyn Registry, id: KeyId, amendment: &Amendment) -> Result<KeyRecord, Fault> {
    amend(registry, id, &mut |record| {
        amendment.apply(record);
        Ok(())
    })
}

/// Gives a key a new secret; the old one works on for `overlap`.
pub fn rotate(
    registry: &mut dyn Registry,
    hasher: &Hasher,
    id: KeyId,
    overlap: Duration,
    now: UnixSeconds,
) -> Result<Issued, Fault> {
    let key = NewKey::generate_for(id)?;
    let record = amend(registry, id, &mut |record| {
        if record.status == State::Revoked {
            return Err(Fault::Refused(format!(
                "{id} is revoked; a revoked key is not rotated, issue a new one"
            )));
        }
        if let Some(until) = record.previous_until.filter(|until| now < until.0) {
            return Err(Fault::Refused(format!(
                "{id} is still in the overlap of its last rotation, until {until}; end it first with 'tollgate key end-overlap {id}'"
            )));
        }
        let old = std::mem::replace(&mut record.key_hash, hasher.hash_new(key.secret()));
        let overlaps = !overlap.is_zero();
        record.previous_hash = overlaps.then_some(old);
        record.previous_until = overlaps.then(|| Timestamp(now.plus(overlap)));
        record.rotated_at = Some(Timestamp(now));
        Ok(())
    })?;
    Ok(Issued { record, key })
}

/// Ends the overlap of the last rotation: the old secret works no more.
pub fn end_overlap(registry: &mut dyn Registry, id: KeyId) -> Result<KeyRecord, Fault> {
    amend(registry, id, &mut |record| {
        if record.previous_hash.take().is_none() {
            return Err(Fault::Refused(format!("{id} is in no overlap, so there is none to end")));
        }
        record.previous_until = None;
        Ok(())
    })
}

/// Takes a key away. Doing it twice changes nothing and succeeds.
pub fn revoke(registry: &mut dyn Registry, id: KeyId, now: UnixSeconds) -> Result<KeyRecord, Fault> {
    amend(registry, id, &mut |record| {
        if record.status == State::Active {
            record.status = State::Revoked;
            record.revoked_at = Some(Timestamp(now));
            // Neither secret will be needed again.
            record.previous_hash = None;
            record.previous_until = None;
        }
        Ok(())
    })
}

/// Keys revoked before a time.
pub fn revoked_before(registry: &mut dyn Registry, time: UnixSeconds) -> Result<Vec<KeyId>, Fault> {
    let mut found = Vec::new();
    registry.load(&mut |stored| {
        let revoked_at = stored.record.ok().filter(|r| r.status == State::Revoked).and_then(|r| r.revoked_at);
        if revoked_at.is_some_and(|at| at.0 < time) {
            found.push(stored.id);
        }
    })?;
    Ok(found)
}

fn check(record: &KeyRecord) -> Result<(), Fault> {
    record.check().map_err(|fault| Fault::Refused(fault.to_string()))
}

fn one(registry: &mut dyn Registry, id: KeyId, edit: Edit<'_>) -> Result<(), Fault> {
    registry.change(&mut std::iter::once((id, edit)))
}

fn amend(
    registry: &mut dyn Registry,
    id: KeyId,
    edit: &mut dyn FnMut(&mut KeyRecord) -> Result<(), Fault>,
) -> Result<KeyRecord, Fault> {
    let mut written = None;
    one(registry, id, &mut |before| {
        let before = before.ok_or(Fault::NoSuchKey(id))?;
        let mut after = before.clone();
        edit(&mut after)?;
        if after == before {
            written = Some(before);
            return Ok(None);
        }
        after.version += 1;
        check(&after)?;
        written = Some(after.clone());
        Ok(Some(after))
    })?;
    written.ok_or(Fault::NoSuchKey(id))
}
