//! A key's record as JSON: in the registry, in import and in export.
//!
//! Unknown members are kept and ignored, so that an older gateway does not lose what a newer
//! one wrote. A record that cannot be read denies its key.

use std::fmt;
use std::time::SystemTime;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::limits::OwnLimits;
use crate::base::digest::KeyHash;
use crate::base::{KeyId, LimitFault, UnixSeconds, bounds};
use crate::policy::scope::NotAScope;
use crate::policy::{KeyLimits, ScopePattern, ScopeSet};

/// A point in time, written as RFC 3339 in UTC with whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(pub UnixSeconds);

impl Timestamp {
    /// Reads RFC 3339 in UTC, e.g. `2026-11-23T08:00:00Z`.
    pub fn parse(text: &str) -> Option<Self> {
        let time: SystemTime = humantime::parse_rfc3339(text).ok()?;
        Some(Self(UnixSeconds::from_system(time)))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_rfc3339_seconds(self.0.to_system()).fmt(f)
    }
}

/// Whether a key is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// In force.
    Active,
    /// Taken away.
    Revoked,
}

/// A key's record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeyRecord {
    /// `mcp_<env>_<id>`.
    #[serde(with = "as_text")]
    pub key_id: KeyId,
    /// Hash of the secret.
    #[serde(with = "as_text")]
    pub key_hash: KeyHash,
    /// Hash of the secret before the last rotation.
    #[serde(default, with = "as_optional_text")]
    pub previous_hash: Option<KeyHash>,
    /// When the overlap of the last rotation ends.
    #[serde(default, with = "as_optional_text")]
    pub previous_until: Option<Timestamp>,
    /// When the secret before was replaced; older records do not say it.
    #[serde(default, with = "as_optional_text", skip_serializing_if = "Option::is_none")]
    pub rotated_at: Option<Timestamp>,
    /// What the key may do; patterns are allowed.
    pub scopes: Vec<String>,
    /// Whether it is in force.
    pub status: State,
    /// What it is called.
    #[serde(default)]
    pub name: String,
    /// Whose it is.
    #[serde(default)]
    pub owner: Option<String>,
    /// The plan whose limits it has.
    #[serde(default)]
    pub plan: Option<String>,
    /// Limits of its own, over those of its plan.
    #[serde(default)]
    pub limits: Option<OwnLimits>,
    /// Purposes that its owner agreed to.
    #[serde(default)]
    pub purposes: Vec<String>,
    /// When it was issued.
    #[serde(with = "as_text")]
    pub created_at: Timestamp,
    /// When it ends.
    #[serde(default, with = "as_optional_text")]
    pub expires_at: Option<Timestamp>,
    /// When it was taken away.
    #[serde(default, with = "as_optional_text")]
    pub revoked_at: Option<Timestamp>,
    /// How many changes it has seen.
    pub version: u64,
    /// Members that this version does not know.
    #[serde(flatten)]
    pub other: serde_json::Map<String, Value>,
}

/// Why a text is no record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordFault {
    /// Larger than is read.
    #[error("a record is at most {most} bytes of JSON", most = bounds::RECORD_BYTES)]
    TooLarge,
    /// Not the JSON of a record.
    #[error("{0}")]
    Json(String),
    /// A scope is none; which of them.
    #[error("scopes[{0}]: {1}")]
    Scope(usize, NotAScope),
    /// Too many scopes.
    #[error("{0} scopes; a key has at most {most}", most = bounds::SCOPES)]
    Scopes(usize),
    /// A limit of its own that nobody can keep.
    #[error("limits.{0}: {1}")]
    Limit(&'static str, LimitFault),
    /// A limit of what is under way that is out of range.
    #[error("limits.{0} is a number from 1 to 1000000")]
    Most(&'static str),
    /// Half a rotation.
    #[error("previous_hash and previous_until come together or not at all")]
    Rotation,
    /// Version 0 means "never written".
    #[error("version counts from 1")]
    Version,
}

impl KeyRecord {
    /// Reads and checks a record. Errors do not repeat the text, which holds a hash, and perhaps a raw key
    /// where something else belongs.
    pub fn parse(text: &str) -> Result<Self, RecordFault> {
        if text.len() > bounds::RECORD_BYTES {
            return Err(RecordFault::TooLarge);
        }
        let record: Self = serde_json::from_str(text).map_err(|error| RecordFault::Json(accepted(&error)))?;
        record.check()?;
        Ok(record)
    }

    /// Whether the parts fit each other.
    pub fn check(&self) -> Result<(), RecordFault> {
        self.scope_set()?;
        self.own_limits()?;
        if self.previous_hash.is_some() != self.previous_until.is_some() {
            return Err(RecordFault::Rotation);
        }
        if self.version == 0 {
            return Err(RecordFault::Version);
        }
        Ok(())
    }

    /// The scopes, parsed.
    pub fn scope_set(&self) -> Result<ScopeSet, RecordFault> {
        if self.scopes.len() > bounds::SCOPES {
            return Err(RecordFault::Scopes(self.scopes.len()));
        }
        let parse = |(at, text): (usize, &String)| {
            ScopePattern::parse(text).map_err(|error| RecordFault::Scope(at, error))
        };
        (0..).zip(&self.scopes).map(parse).collect::<Result<Vec<_>, _>>().map(ScopeSet::new)
    }

    /// Limits of its own as a gateway decides by them; nothing where it has none.
    pub fn own_limits(&self) -> Result<Option<Box<KeyLimits>>, RecordFault> {
        self.limits.as_ref().map_or(Ok(None), OwnLimits::in_force)
    }

    /// The record as one line of JSON.
    pub fn to_json(&self) -> String {
        // A record holds only texts, numbers and JSON: serialising it cannot fail.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// What serde accepts, and where, without what it found: that is the text.
fn accepted(error: &serde_json::Error) -> String {
    let told = error.to_string();
    // What was found stands in front, whatever it holds.
    told.rsplit_once(", expected ").map_or_else(|| told.clone(), |(_, what)| format!("expected {what}"))
}

/// A type with one text form.
trait AsText: Sized {
    const EXPECTED: &'static str;
    fn read(text: &str) -> Option<Self>;
    fn write(&self) -> String;
}

impl AsText for KeyId {
    const EXPECTED: &'static str = "a key id such as mcp_live_0123456789abcdef";
    fn read(text: &str) -> Option<Self> {
        text.parse().ok()
    }
    fn write(&self) -> String {
        self.to_string()
    }
}

impl AsText for KeyHash {
    const EXPECTED: &'static str = "a hash such as sha256:<64 hex digits>";
    fn read(text: &str) -> Option<Self> {
        Self::parse(text)
    }
    fn write(&self) -> String {
        self.to_stored()
    }
}

impl AsText for Timestamp {
    const EXPECTED: &'static str = "a time such as 2026-11-23T08:00:00Z";
    fn read(text: &str) -> Option<Self> {
        Self::parse(text)
    }
    fn write(&self) -> String {
        self.to_string()
    }
}

mod as_text {
    use super::{AsText, Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<T: AsText, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&value.write())
    }

    pub(super) fn deserialize<'de, T: AsText, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
        let text = String::deserialize(deserializer)?;
        // The text is not repeated: it may be a hash, or a raw key put in the wrong place.
        T::read(&text).ok_or_else(|| serde::de::Error::custom(format!("expected {}", T::EXPECTED)))
    }
}

#[expect(clippy::ref_option, reason = "serde calls it with a reference to the member")]
mod as_optional_text {
    use super::{AsText, Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<T: AsText, S: Serializer>(
        value: &Option<T>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        value.as_ref().map(AsText::write).serialize(serializer)
    }

    pub(super) fn deserialize<'de, T: AsText, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<T>, D::Error> {
        let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
        let value = T::read(&text);
        value.map(Some).ok_or_else(|| serde::de::Error::custom(format!("expected {} or null", T::EXPECTED)))
    }
}

#[cfg(test)]
mod tests {
    use super::{KeyRecord, RecordFault};

    fn json() -> String {
        format!(
            r#"{{"key_id":"mcp_live_0123456789abcdef","key_hash":"sha256:{}","previous_hash":null,"previous_until":null,"scopes":["quotes:read"],"status":"active","name":"n","owner":"o","plan":null,"limits":null,"purposes":[],"created_at":"2026-11-23T08:00:00Z","expires_at":null,"revoked_at":null,"version":1,"colour":{{"new":true}}}}"#,
            "ab".repeat(32)
        )
    }

    #[test]
    fn a_record_round_trips_with_what_it_does_not_know() {
        assert_eq!(KeyRecord::parse(&json()).unwrap().to_json(), json());
    }

    #[test]
    fn limits_round_trip_with_what_they_do_not_know() {
        let own = r#""limits":{"calls":{"rate":"60/m","burst":9,"warn_only":true,"shared":true},"concurrent":5,"daily":{"most":[4]}}"#;
        let text = json().replace("\"limits\":null", own);
        let record = KeyRecord::parse(&text).unwrap();
        assert_eq!(record.to_json(), text);
        let limits = record.own_limits().unwrap().unwrap();
        assert_eq!(
            limits.calls.map(|calls| (calls.limit.rate(), calls.enforced)),
            Some(("1/s".into(), false))
        );
        assert_eq!((limits.concurrent.calls, limits.concurrent.streams), (Some(5), None));
        for none in [r#""limits":{}"#, r#""limits":{"daily":3,"calls":null,"streams":null}"#] {
            let record = KeyRecord::parse(&json().replace("\"limits\":null", none)).unwrap();
            assert_eq!(record.own_limits(), Ok(None));
        }
    }

    #[test]
    fn limits_that_cannot_be_read_make_the_record_unreadable() {
        for (limits, word) in [
            ("5", r#"such as {"calls":{"rate":"50/s","burst":100}}"#),
            ("[]", r#"such as {"calls":{"rate":"50/s","burst":100}}"#),
            (r#"{"calls":5}"#, r#"such as {"rate":"50/s","burst":100,"warn_only":false}"#),
            (r#"{"calls":["1/s",2]}"#, r#"such as {"rate":"50/s""#),
            (r#"{"calls":{"rate":"1/s"}}"#, "burst"),
            (r#"{"calls":{"burst":3}}"#, "rate"),
            (r#"{"other":{"rate":1,"burst":3}}"#, r#"such as "50/s""#),
            (r#"{"other":{"rate":"1/s","burst":-3}}"#, "from 1 to 1000000"),
            (r#"{"other":{"rate":"1/s","burst":3,"warn_only":"no"}}"#, "true or false"),
            (
                r#"{"other":{"rate":"1/s","burst":0}}"#,
                "limits.other: a rate is from 1/h to 1000000/s, and a burst",
            ),
            (
                r#"{"other":{"rate":"many","burst":1}}"#,
                "limits.other: a rate is a number in a time, e.g. 100/s",
            ),
            (r#"{"concurrent":0}"#, "limits.concurrent is a number from 1 to 1000000"),
            (r#"{"streams":1000001}"#, "limits.streams is a number from 1 to 1000000"),
            (r#"{"streams":-1}"#, "numbers from 1 to 1000000, or null"),
            (r#"{"streams":2.0}"#, "numbers from 1 to 1000000, or null"),
            (r#"{"concurrent":{"most":2}}"#, "numbers from 1 to 1000000, or null"),
            (r#"{"concurrent":5,"concurrent":5}"#, "duplicate"),
            (r#"{"calls":null,"calls":{"rate":"1/s","burst":3}}"#, "duplicate"),
        ] {
            let fault = KeyRecord::parse(&json().replace("\"limits\":null", &format!("\"limits\":{limits}")));
            let fault = fault.unwrap_err().to_string();
            assert!(fault.contains(word), "{limits}: {fault}");
        }
    }

    #[test]
    fn what_stands_in_the_place_of_a_member_is_not_repeated() {
        let raw = "mcp_live_0123456789abcdef.topsecret, expected topsecret";
        let record: serde_json::Value = serde_json::from_str(&json()).unwrap();
        let mut places: Vec<(String, serde_json::Value)> = record
            .as_object()
            .unwrap()
            .keys()
            .filter(|name| !["name", "owner", "plan", "colour"].contains(&name.as_str()))
            .map(|name| (name.clone(), raw.into()))
            .collect();
        for name in ["calls", "other", "concurrent", "streams"] {
            places.push(("limits".into(), serde_json::json!({ name: raw })));
        }
        for name in ["rate", "burst", "warn_only"] {
            let mut limit = serde_json::json!({"rate": "1/s", "burst": 1});
            limit[name] = raw.into();
            places.push(("limits".into(), serde_json::json!({ "calls": limit })));
        }
        places.push(("scopes".into(), serde_json::json!(["crm:read", raw])));
        places.push(("purposes".into(), serde_json::json!({ "raw": raw })));
        for (name, instead) in places {
            let mut record = record.clone();
            record[&name] = instead;
            let fault = KeyRecord::parse(&record.to_string()).unwrap_err().to_string();
            assert!(!fault.contains("topsecret") && !fault.is_empty(), "{name}: {fault}");
        }
    }

    #[test]
    fn faults_say_what_is_accepted_and_never_repeat_a_hash() {
        for (from, to, word) in [
            ("sha256:", "sha1:", "sha256:<64 hex"),
            ("mcp_live_", "key_", "mcp_live_"),
            ("2026-11-23T08:00:00Z", "yesterday", "2026-11-23T08:00:00Z"),
            ("\"active\"", "\"asleep\"", "active"),
            ("\"version\":1", "\"version\":0", "from 1"),
            ("quotes:read", "quotes::read", "none of them empty"),
            ("\"previous_until\":null", "\"previous_until\":\"2026-11-23T08:00:00Z\"", "together"),
        ] {
            let error = KeyRecord::parse(&json().replace(from, to)).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
            assert!(!error.contains("abababab"), "{error}");
        }
        assert_eq!(KeyRecord::parse(&" ".repeat(70_000)), Err(RecordFault::TooLarge));
    }
}
