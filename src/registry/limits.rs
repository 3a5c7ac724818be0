//! Limits of a key's own, as its record holds them: each that is there takes the place of its plan's.
//!
//! Members that this version does not know are kept and ignored, so that an older gateway does not
//! lose what a newer one wrote. A limit that cannot be read must never be none: it makes the record
//! unreadable, which denies its key.

use std::ops::RangeInclusive;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::record::RecordFault;
use crate::base::{Limit, UnderWay};
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
    /// How much with an end may be under way at once; 1 to 1,000,000.
    #[serde(default, deserialize_with = "most", skip_serializing_if = "Option::is_none")]
    pub concurrent: Option<u32>,
    /// How many streams may be open at once; 1 to 1,000,000.
    #[serde(default, deserialize_with = "most", skip_serializing_if = "Option::is_none")]
    pub streams: Option<u32>,
    /// Members that this version does not know.
    #[serde(flatten)]
    pub unknown: Map<String, Value>,
}

/// One limit of a key's own, of how often.
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

/// How much a limit of what is under way can be, the same as in a plan.
pub const MOST: RangeInclusive<u32> = 1..=1_000_000;

/// Which of a key's limits of how often.
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

/// What one limit becomes; nothing where it is taken away.
#[derive(Clone, Debug, PartialEq)]
pub enum LimitChange {
    /// Of how often.
    Rate(LimitName, Option<OwnLimit>),
    /// Of how much at once.
    Most(UnderWay, Option<u32>),
}

impl LimitChange {
    /// The member of a record that it changes.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Rate(name, _) => name.word(),
            Self::Most(what, _) => what.setting(),
        }
    }
}

/// What `set` does to a key's limits.
#[derive(Clone, Debug, PartialEq)]
pub enum LimitsChange {
    /// Takes all of them away, those of newer versions too.
    None,
    /// Gives these in the place of those of their names, or takes those away, and leaves the others.
    Some(Vec<LimitChange>),
}

impl LimitsChange {
    /// Changes the limits of a record.
    pub fn apply(&self, limits: &mut Option<OwnLimits>) {
        let Self::Some(changes) = self else {
            *limits = None;
            return;
        };
        let mut own = limits.take().unwrap_or_default();
        for change in changes {
            match change {
                LimitChange::Rate(name, limit) => {
                    let place = own.get_mut(*name);
                    // What a newer version says of a limit stays with it.
                    let unknown = place.take().map(|before| before.unknown).unwrap_or_default();
                    *place = limit.clone().map(|limit| OwnLimit { unknown, ..limit });
                }
                LimitChange::Most(what, most) => *own.most_mut(*what) = *most,
            }
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

    /// How much may be under way at once.
    pub fn most(&self, what: UnderWay) -> Option<u32> {
        match what {
            UnderWay::Call => self.concurrent,
            UnderWay::Stream => self.streams,
        }
    }

    fn most_mut(&mut self, what: UnderWay) -> &mut Option<u32> {
        match what {
            UnderWay::Call => &mut self.concurrent,
            UnderWay::Stream => &mut self.streams,
        }
    }

    /// As a gateway decides by them; nothing where none is there.
    pub(super) fn in_force(&self) -> Result<Option<Box<KeyLimits>>, RecordFault> {
        let applied = |name: LimitName| {
            let Some(own) = self.get(name) else { return Ok(None) };
            Ok(Some(Applied::of_key(name.word(), own.limit(name)?, !own.warn_only)))
        };
        let most = |what: UnderWay| match self.most(what) {
            Some(most) if !MOST.contains(&most) => Err(RecordFault::Most(what.setting())),
            most => Ok(most),
        };
        let limits = KeyLimits {
            calls: applied(LimitName::Calls)?,
            other: applied(LimitName::Other)?,
            // Whether they only warn is the plan's affair.
            concurrent: Concurrent {
                calls: most(UnderWay::Call)?,
                streams: most(UnderWay::Stream)?,
                warn_only: false,
            },
        };
        Ok((limits != KeyLimits::default()).then(|| Box::new(limits)))
    }

    /// What both allow of two records under one version: of each limit the lower rate, burst or number;
    /// where one has none, that of the other if it refuses anything, as `concurrent` and `streams` do
    /// wherever the plan's would.
    pub(super) fn stricter(ours: Option<&Self>, theirs: Option<&Self>) -> Option<Self> {
        let none = Self::default();
        let (ours, theirs) = (ours.unwrap_or(&none), theirs.unwrap_or(&none));
        let mut both = theirs.clone();
        for name in LimitName::ALL {
            *both.get_mut(name) = OwnLimit::stricter(ours.get(name), theirs.get(name));
        }
        for what in UnderWay::ALL {
            let least = [ours.most(what), theirs.most(what)].into_iter().flatten().min();
            *both.most_mut(what) = least;
        }
        both.unknown = with(theirs.unknown.clone(), &ours.unknown);
        (both != none).then_some(both)
    }
}

impl OwnLimit {
    /// The limit, if it can be kept.
    pub fn limit(&self, name: LimitName) -> Result<Limit, RecordFault> {
        Limit::parse(&self.rate, self.burst).map_err(|fault| RecordFault::Limit(name.word(), fault))
    }

    fn stricter(ours: Option<&Self>, theirs: Option<&Self>) -> Option<Self> {
        let (Some(ours), Some(theirs)) = (ours, theirs) else {
            // None is the plan's, or nothing: neither is laxer than a limit that only warns.
            return ours.or(theirs).filter(|own| !own.warn_only).cloned();
        };
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

fn most<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    expected(deserializer, "concurrent and streams to be numbers from 1 to 1000000, or null")
}

fn warn_only<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    expected(deserializer, "warn_only to be true or false")
}
