//! Which of two records of one key is in force, where a replica's and the registry's differ.
//!
//! The higher version; of two with one version, which only a registry that lost writes and went
//! on makes, what both allow. So nothing that was taken away comes back: not a revoked key, not
//! a secret that was rotated out, not a scope. Pure: no time, no disk, no Redis.

use super::limits::OwnLimits;
use super::record::{KeyRecord, State};

/// What the meeting of two records of one key comes to.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Outcome {
    /// They say the same.
    Same,
    /// The registry's is newer.
    Theirs,
    /// The replica's is newer: the registry has lost it.
    Ours,
    /// One version, two contents: what both allow.
    Both(Box<KeyRecord>),
}

/// Compares what a replica holds with what the registry shows. Where the registry has `lost` what
/// the replica holds, a newer version may stand on what came instead of it: then what both allow
/// counts too, until the registry has that. A revoked key stays revoked.
pub(super) fn meet(ours: &KeyRecord, theirs: &KeyRecord, lost: bool) -> Outcome {
    if theirs.version > ours.version {
        let comes_back = ours.status == State::Revoked && theirs.status == State::Active;
        let both = stricter(ours, theirs);
        if (lost || comes_back) && both != *theirs { Outcome::Both(Box::new(both)) } else { Outcome::Theirs }
    } else if theirs.version < ours.version {
        if theirs.status == State::Revoked && ours.status == State::Active {
            // Taken away in a history that the replica did not follow.
            let both = KeyRecord { version: ours.version, ..stricter(ours, theirs) };
            return Outcome::Both(Box::new(both));
        }
        Outcome::Ours
    } else if ours == theirs {
        Outcome::Same
    } else {
        let both = stricter(ours, theirs);
        if both == *ours { Outcome::Ours } else { Outcome::Both(Box::new(both)) }
    }
}

/// What several claims of one key come to: the newest, or what all of that version allow.
pub(super) fn together(known: KeyRecord, other: KeyRecord) -> KeyRecord {
    match meet(&known, &other, false) {
        Outcome::Same | Outcome::Ours => known,
        Outcome::Theirs => other,
        Outcome::Both(both) => *both,
    }
}

/// What a registry that lost a record has to write so that all take it again; nothing where it has
/// that or something newer.
pub(super) fn restored(before: Option<&KeyRecord>, claim: &KeyRecord) -> Option<KeyRecord> {
    let record = match before.map(|before| meet(claim, before, false)) {
        None | Some(Outcome::Ours) => claim.clone(),
        Some(Outcome::Both(both)) => *both,
        Some(Outcome::Same | Outcome::Theirs) => return None,
    };
    // A version that nobody has: of two under one version nobody would know which is right.
    Some(KeyRecord { version: record.version + 1, ..record })
}

/// What both records allow; their words for people are the registry's.
fn stricter(ours: &KeyRecord, theirs: &KeyRecord) -> KeyRecord {
    let mut both = theirs.clone();
    // Two secrets under one version: neither side knows which of them the other took away.
    if ours.key_hash != theirs.key_hash || ours.status == State::Revoked {
        both.status = State::Revoked;
        both.revoked_at = theirs.revoked_at.or(ours.revoked_at);
    }
    both.scopes.retain(|scope| ours.scopes.contains(scope));
    both.limits = OwnLimits::stricter(ours.limits.as_ref(), theirs.limits.as_ref());
    both.purposes.retain(|purpose| ours.purposes.contains(purpose));
    if ours.previous_hash != theirs.previous_hash || both.status == State::Revoked {
        both.previous_hash = None;
    }
    both.previous_until = match (&both.previous_hash, ours.previous_until, theirs.previous_until) {
        (Some(_), Some(ours), Some(theirs)) => Some(ours.min(theirs)),
        _ => None,
    };
    both.expires_at = match (ours.expires_at, theirs.expires_at) {
        (Some(ours), Some(theirs)) => Some(ours.min(theirs)),
        (ours, theirs) => ours.or(theirs),
    };
    both
}

#[cfg(test)]
mod tests {
    use super::{Outcome, meet};
    use crate::base::digest::{KeyHash, Scheme};
    use crate::base::{Limit, UnderWay, UnixSeconds};
    use crate::registry::limits::{LimitName, OwnLimit, OwnLimits};
    use crate::registry::record::{KeyRecord, State, Timestamp};
    use proptest::prelude::{Just, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};

    fn hash(mark: u8) -> KeyHash {
        KeyHash { scheme: Scheme::Sha256, digest: [mark; 32] }
    }

    fn limits() -> impl Strategy<Value = Option<OwnLimits>> {
        let rate = prop_oneof![Just("1/s"), Just("60/m"), Just("61/m"), Just("5/h"), Just("2/s")];
        let limit =
            (rate, 1_u32..4, any::<bool>(), any::<bool>()).prop_map(|(rate, burst, warn_only, newer)| {
                let unknown = newer.then(|| ("shared".to_owned(), burst.into())).into_iter().collect();
                OwnLimit { rate: rate.into(), burst, warn_only, unknown }
            });
        let limit = proptest::option::of(limit);
        let most = || proptest::option::of(1_u32..4);
        let unknown = proptest::option::of(0_u32..3)
            .prop_map(|most| most.map(|most| ("daily".to_owned(), most.into())).into_iter().collect());
        let own = (limit.clone(), limit, most(), most(), unknown);
        proptest::option::of(own.prop_map(|(calls, other, concurrent, streams, unknown)| OwnLimits {
            calls,
            other,
            concurrent,
            streams,
            unknown,
        }))
    }

    /// Whether a limit refuses at least what another does. None is the plan's, which may refuse.
    fn within(limit: Option<&OwnLimit>, other: Option<&OwnLimit>) -> bool {
        let (limit, other) = match (limit, other) {
            (Some(limit), Some(other)) => (limit, other),
            (Some(limit), None) => return !limit.warn_only,
            (None, Some(other)) => return other.warn_only,
            (None, None) => return true,
        };
        let [own, others] = [limit, other].map(|limit| Limit::parse(&limit.rate, 1).unwrap());
        !others.is_slower_than(own) && limit.burst <= other.burst && (!limit.warn_only || other.warn_only)
    }

    fn record() -> impl Strategy<Value = KeyRecord> {
        let times = proptest::option::of(1_u32..4);
        let scopes = proptest::collection::vec(0_u8..4, 0..4);
        let previous = proptest::option::of((0_u8..2, 1_u32..4));
        (1_u64..3, 0_u8..2, previous, scopes, any::<bool>(), times, limits()).prop_map(
            |(version, secret, previous, scopes, revoked, expires, limits)| KeyRecord {
                key_id: "mcp_live_0123456789abcdef".parse().unwrap(),
                key_hash: hash(secret),
                previous_hash: previous.map(|(mark, _)| hash(10 + mark)),
                previous_until: previous.map(|(_, until)| Timestamp(UnixSeconds(until))),
                scopes: scopes.iter().map(|scope| format!("s{scope}")).collect(),
                status: if revoked { State::Revoked } else { State::Active },
                name: String::new(),
                owner: None,
                plan: None,
                limits,
                purposes: Vec::new(),
                created_at: Timestamp(UnixSeconds(1)),
                expires_at: expires.map(|time| Timestamp(UnixSeconds(time))),
                rotated_at: None,
                revoked_at: None,
                version,
                other: serde_json::Map::new(),
            },
        )
    }

    /// Whether a secret may use a scope at a time.
    fn allows(record: &KeyRecord, secret: &KeyHash, scope: &str, at: u32) -> bool {
        let previous = record.previous_hash.as_ref() == Some(secret)
            && record.previous_until.is_some_and(|until| at < until.0.0);
        record.status == State::Active
            && (record.key_hash == *secret || previous)
            && record.scopes.iter().any(|own| own == scope)
            && record.expires_at.is_none_or(|end| at < end.0.0)
    }

    proptest! {
        #[test]
        fn a_meeting_allows_nothing_that_the_newer_or_either_of_equals_does_not(
            ours in record(),
            theirs in record(),
            lost in any::<bool>(),
        ) {
            let after = match meet(&ours, &theirs, lost) {
                Outcome::Same | Outcome::Ours => ours.clone(),
                Outcome::Theirs => theirs.clone(),
                Outcome::Both(both) => *both,
            };
            prop_assert_eq!(after.version, ours.version.max(theirs.version));
            prop_assert!(after.check().is_ok());
            for secret in [hash(0), hash(1), hash(10), hash(11)] {
                for scope in ["s0", "s1", "s2", "s3"] {
                    for at in 0..5 {
                        let ours_too = (ours.version < after.version && !lost) || allows(&ours, &secret, scope, at);
                        let theirs_too = theirs.version < after.version || allows(&theirs, &secret, scope, at);
                        prop_assert!(!allows(&after, &secret, scope, at) || (ours_too && theirs_too));
                    }
                }
            }
            for (source, decides) in [(&ours, ours.version == after.version || lost), (&theirs, theirs.version == after.version)] {
                for name in LimitName::ALL.into_iter().filter(|_| decides) {
                    let limit = |record: &KeyRecord| record.limits.as_ref().and_then(|own| own.get(name).cloned());
                    prop_assert!(within(limit(&after).as_ref(), limit(source).as_ref()));
                }
                for what in UnderWay::ALL.into_iter().filter(|_| decides) {
                    let most = |record: &KeyRecord| record.limits.as_ref().and_then(|own| own.most(what));
                    prop_assert!(most(source).is_none_or(|own| most(&after).is_some_and(|most| most <= own)));
                }
                let kept = |name: &str| after.limits.as_ref().is_some_and(|own| own.unknown.contains_key(name));
                let newer = source.limits.iter().flat_map(|own| own.unknown.keys()).all(|name| kept(name));
                prop_assert!(!decides || newer, "what a newer version wrote is kept");
            }
            // Meeting again changes nothing, whichever side it is seen from.
            prop_assert!(after == theirs || matches!(meet(&after, &theirs, lost), Outcome::Ours));
        }
    }
}
