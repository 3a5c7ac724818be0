//! Whether the overlap of a rotation can be ended: whether whoever has the key has taken the new
//! secret over.
//!
//! It says what was seen and never ends anything. Uses are noted within seconds, by the gateways'
//! clocks, so it is about minutes and hours.

use std::time::Duration;

use serde_json::{Value, json};

use crate::base::UnixSeconds;
use crate::registry::{KeyRecord, Timestamp, Used};

/// How long the old secret has to be unused. A client that still holds it in memory has called
/// within the hour, or the person who ends the overlap knows of one that seldom calls.
const QUIET: Duration = Duration::from_secs(3_600);

/// A use so soon after the rotation may be by the old secret, at a gateway that did not know of it yet
/// or whose clock is ahead.
const KNOWN: Duration = Duration::from_secs(60);

/// What the uses of both secrets since the rotation say.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Overlap {
    /// The new secret is in use, and the old one was not for a while: since a time.
    CanEnd(UnixSeconds),
    /// Nobody has used the new secret.
    NewUnused,
    /// The old secret was used a short time ago.
    OldUsed(UnixSeconds),
    /// The rotation was a short time ago, at this one.
    TooSoon(UnixSeconds),
    /// The record does not say when the rotation was.
    Unknown,
}

/// What can be said; nothing where the key is in no overlap.
pub(super) fn look(record: &KeyRecord, used: Option<&Used>, now: UnixSeconds) -> Option<Overlap> {
    record.previous_until.filter(|until| until.0 > now)?;
    let Some(Timestamp(rotated)) = record.rotated_at else { return Some(Overlap::Unknown) };
    let last = used.and_then(|used| used.at).filter(|at| *at > rotated.plus(KNOWN));
    // An earlier one is of the secret before the old one.
    let old = used.and_then(|used| used.previous_at).filter(|at| *at >= rotated);
    // The last use of any secret, where it is not the old one's, is the new one's.
    let new_is_used = last.is_some_and(|last| old.is_none_or(|old| last > old));
    let since = old.unwrap_or(rotated);
    Some(match old {
        Some(old) if old.plus(QUIET) > now => Overlap::OldUsed(old),
        _ if !new_is_used => Overlap::NewUnused,
        _ if rotated.plus(QUIET) > now => Overlap::TooSoon(rotated),
        _ => Overlap::CanEnd(since),
    })
}

impl Overlap {
    pub(super) fn text(&self) -> String {
        match self {
            Self::CanEnd(since) => format!(
                "can be ended: the new secret is in use, and no use of the old one was noted since {}",
                Timestamp(*since)
            ),
            Self::NewUnused => "not yet to be ended: no use of the new secret was noted".into(),
            Self::OldUsed(at) => {
                format!("not yet to be ended: the old secret was used at {}", Timestamp(*at))
            }
            Self::TooSoon(at) => format!(
                "not yet to be ended: the key was rotated at {}, and not everybody who has it may have called since",
                Timestamp(*at)
            ),
            Self::Unknown => {
                "when the key was rotated is not known, nor whether the old secret is still needed".into()
            }
        }
    }

    pub(super) fn json(&self) -> Value {
        json!({ "can_end": matches!(self, Self::CanEnd(_)), "reason": self.text() })
    }
}

#[cfg(test)]
mod tests {
    use super::{Overlap, look};
    use crate::base::UnixSeconds;
    use crate::registry::{KeyRecord, Timestamp, Used};

    const ROTATED: u32 = 1_800_000_000;

    fn record(rotated_at: &str, until: &str) -> KeyRecord {
        let text = format!(
            r#"{{"key_id":"mcp_live_0123456789abcdef","key_hash":"sha256:{0}","previous_hash":"sha256:{0}","previous_until":{until},{rotated_at}"scopes":[],"status":"active","created_at":"2026-11-23T08:00:00Z","version":2}}"#,
            "ab".repeat(32)
        );
        KeyRecord::parse(&text).unwrap()
    }

    #[test]
    fn it_can_end_once_the_new_secret_is_used_and_the_old_one_is_not() {
        let rotated = format!(r#""rotated_at":"{}","#, Timestamp(UnixSeconds(ROTATED)));
        let record = record(&rotated, r#""2100-01-01T00:00:00Z""#);
        let used = |at: u32, previous: u32| Used {
            id: record.key_id,
            at: (at > 0).then_some(UnixSeconds(at)),
            previous_at: (previous > 0).then_some(UnixSeconds(previous)),
        };
        let now = UnixSeconds(ROTATED + 10_000);
        for (used, expected) in [
            (None, Overlap::NewUnused),
            // Used before the rotation only, and by the secret before the old one.
            (Some(used(ROTATED - 5, 0)), Overlap::NewUnused),
            (Some(used(ROTATED - 5, ROTATED - 50)), Overlap::NewUnused),
            // By whom, a gateway that did not know of the rotation cannot tell.
            (Some(used(ROTATED + 30, 0)), Overlap::NewUnused),
            (Some(used(ROTATED + 9_000, ROTATED + 9_000)), Overlap::OldUsed(UnixSeconds(ROTATED + 9_000))),
            // The old secret alone is in use, seldom.
            (Some(used(ROTATED + 100, ROTATED + 100)), Overlap::NewUnused),
            (Some(used(ROTATED + 9_999, ROTATED + 9_000)), Overlap::OldUsed(UnixSeconds(ROTATED + 9_000))),
            (Some(used(ROTATED + 9_999, ROTATED + 100)), Overlap::CanEnd(UnixSeconds(ROTATED + 100))),
            (Some(used(ROTATED + 9_999, ROTATED - 50)), Overlap::CanEnd(UnixSeconds(ROTATED))),
        ] {
            assert_eq!(look(&record, used.as_ref(), now), Some(expected), "{used:?}");
        }
    }

    #[test]
    fn who_seldom_calls_is_given_an_hour() {
        let rotated = format!(r#""rotated_at":"{}","#, Timestamp(UnixSeconds(ROTATED)));
        let record = record(&rotated, r#""2100-01-01T00:00:00Z""#);
        let used = Used { id: record.key_id, at: Some(UnixSeconds(ROTATED + 65)), previous_at: None };
        let at = |second| look(&record, Some(&used), UnixSeconds(second));
        assert_eq!(at(ROTATED + 3_599), Some(Overlap::TooSoon(UnixSeconds(ROTATED))));
        assert_eq!(at(ROTATED + 3_600), Some(Overlap::CanEnd(UnixSeconds(ROTATED))));
    }

    #[test]
    fn without_an_overlap_or_a_time_it_says_so() {
        let now = UnixSeconds(ROTATED);
        assert_eq!(look(&record("", r#""2001-01-01T00:00:00Z""#), None, now), None);
        assert_eq!(look(&record("", r#""2100-01-01T00:00:00Z""#), None, now), Some(Overlap::Unknown));
    }
}
