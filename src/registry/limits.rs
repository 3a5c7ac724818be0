//! Limits of a key's own, as its record holds them: each that is there takes the place of its plan's.
//!
//! Members that this version does not know are kept and ignored, so that an older gateway does not
//! lose what a newer one wrote. A limit that cannot be read must never be none: it makes the record
//! unreadable, which denies its key.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::record::RecordFault;
use crate::base::Limit;
use crate::policy::{Applied, Concurrent, KeyLimits};

/// The member `limits` of a record.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(expecting = r#"limits: limits by name, such as {"calls":{"rate":"50/s","burst":100}}, or null"#)]
pub struct OwnLimits {
    /// Of calls: tools, prompts and resources together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls: Option<OwnLimit>,
    /// Of what is no call: lists, discover, ping, notifications.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other: Option<OwnLimit>,
    /// Members that this version does not know.
    #[serde(flatten)]
    pub unknown: Map<String, Value>,
}

/// One limit of a key's own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(expecting = r#"a limit such as {"rate":"50/s","burst":100,"warn_only":false}"#)]
pub struct OwnLimit {
    /// How many in a second, minute, hour or day, e.g. `50/s`.
    #[serde(deserialize_with = "rate")]
    pub rate: String,
    /// How many at once.
    #[serde(deserialize_with = "burst")]
    pub burst: u32,
    /// Whether what exceeds it is counted only.
    #[serde(default, deserialize_with = "warn_only")]
    pub warn_only: bool,
    /// Members that this version does not know.
    #[serde(flatten)]
    pub unknown: Map<String, Value>,
}

/// Which of a key's limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitName {
    /// Of calls.
    Calls,
    /// Of what is no call.
    Other,
}

impl LimitName {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Calls, Self::Other];

    /// The member of a record, and of a plan, that holds it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Calls => "calls",
            Self::Other => "other",
        }
    }
}

/// What `set` does to a key's limits.
#[derive(Clone, Debug, PartialEq)]
pub enum LimitsChange {
    /// Takes all of them away, those of newer versions too.
    None,
    /// Gives these in the place of those of their names, or takes those away, and leaves the others.
    Some(Vec<(LimitName, Option<OwnLimit>)>),
}

impl LimitsChange {
    /// Changes the limits of a record.
    pub fn apply(&self, limits: &mut Option<OwnLimits>) {
        let Self::Some(changes) = self else {
            *limits = None;
            return;
        };
        let mut own = limits.take().unwrap_or_default();
        for (name, limit) in changes {
            let place = own.get_mut(*name);
            // What a newer version says of a limit stays with it.
            let unknown = place.take().map(|before| before.unknown).unwrap_or_default();
            *place = limit.clone().map(|limit| OwnLimit { unknown, ..limit });
        }
        *limits = (own != OwnLimits::default()).then_some(own);
    }
}

impl OwnLimits {
    /// The limit of a name.
    pub fn get(&self, name: LimitName) -> Option<&OwnLimit> {
        match name {
            LimitName::Calls => self.calls.as_ref(),
            LimitName::Other => self.other.as_ref(),
        }
    }

    fn get_mut(&mut self, name: LimitName) -> &mut Option<OwnLimit> {
        match name {
            LimitName::Calls => &mut self.calls,
            LimitName::Other => &mut self.other,
        }
    }

    /// As a gateway decides by them; nothing where none is there.
    pub(super) fn in_force(&self) -> Result<Option<Box<KeyLimits>>, RecordFault> {
        let applied = |name: LimitName| {
            let Some(own) = self.get(name) else { return Ok(None) };
            Ok(Some(Applied::of_key(name.word(), own.limit(name)?, !own.warn_only)))
        };
        let limits = KeyLimits {
            calls: applied(LimitName::Calls)?,
            other: applied(LimitName::Other)?,
            concurrent: Concurrent::default(),
        };
        Ok((limits != KeyLimits::default()).then(|| Box::new(limits)))
    }

    /// What both allow of two records under one version: of each limit the lower rate and burst, and
    /// one that is there instead of none.
    pub(super) fn stricter(ours: Option<&Self>, theirs: Option<&Self>) -> Option<Self> {
        let (Some(ours), Some(theirs)) = (ours, theirs) else { return ours.or(theirs).cloned() };
        let mut both = theirs.clone();
        for name in LimitName::ALL {
            *both.get_mut(name) = OwnLimit::stricter(ours.get(name), theirs.get(name));
        }
        both.unknown = with(theirs.unknown.clone(), &ours.unknown);
        Some(both)
    }
}

impl OwnLimit {
    /// The limit, if it can be kept.
    pub fn limit(&self, name: LimitName) -> Result<Limit, RecordFault> {
        Limit::parse(&self.rate, self.burst).map_err(|fault| RecordFault::Limit(name.word(), fault))
    }

    fn stricter(ours: Option<&Self>, theirs: Option<&Self>) -> Option<Self> {
        let (Some(ours), Some(theirs)) = (ours, theirs) else { return ours.or(theirs).cloned() };
        let rate_of = |own: &Self| Limit::parse(&own.rate, 1).ok();
        let slower = match (rate_of(ours), rate_of(theirs)) {
            (Some(our), Some(their)) if !our.is_slower_than(their) => theirs,
            _ => ours,
        };
        Some(Self {
            rate: slower.rate.clone(),
            burst: ours.burst.min(theirs.burst),
            warn_only: ours.warn_only && theirs.warn_only,
            unknown: with(theirs.unknown.clone(), &ours.unknown),
        })
    }
}

/// Members, and those of others that are not among them.
fn with(mut members: Map<String, Value>, others: &Map<String, Value>) -> Map<String, Value> {
    for (name, value) in others {
        members.entry(name.as_str()).or_insert_with(|| value.clone());
    }
    members
}

/// Reads a member, or says what it is to be; what stands there is not repeated.
fn expected<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
    what: &str,
) -> Result<T, D::Error> {
    T::deserialize(deserializer).map_err(|_| serde::de::Error::custom(format!("expected {what}")))
}

fn rate<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    expected(deserializer, "a rate such as \"50/s\"")
}

fn burst<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    expected(deserializer, "a burst, a number from 1 to 1000000")
}

fn warn_only<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    expected(deserializer, "warn_only to be true or false")
}
