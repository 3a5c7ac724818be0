//! A record as a gateway needs it: read without what is only shown to people.
//!
//! A million of them are read at every start, so nothing is copied that is not kept. It accepts
//! what [`KeyRecord`] accepts and refuses what that refuses, which a test holds.

use std::borrow::Cow;

use http::HeaderValue;
use serde::Deserialize;

use super::limits::OwnLimits;
use super::record::{KeyRecord, RecordFault, State, Timestamp};
use crate::base::digest::KeyHash;
use crate::base::{KeyId, UnixSeconds, bounds};
use crate::policy::keys::Status;
use crate::policy::{KeyEntry, ScopePattern, ScopeSet};

type Text<'a> = Cow<'a, str>;

#[derive(Deserialize)]
struct Brief<'a> {
    #[serde(borrow)]
    key_id: Text<'a>,
    #[serde(borrow)]
    key_hash: Text<'a>,
    #[serde(borrow, default)]
    previous_hash: Option<Text<'a>>,
    #[serde(borrow, default)]
    previous_until: Option<Text<'a>>,
    #[serde(borrow, default)]
    rotated_at: Option<Text<'a>>,
    #[serde(borrow)]
    scopes: Vec<Text<'a>>,
    status: State,
    #[serde(borrow, default, rename = "name")]
    _name: Text<'a>,
    #[serde(borrow, default)]
    owner: Option<Text<'a>>,
    #[serde(borrow, default)]
    plan: Option<Text<'a>>,
    #[serde(default)]
    limits: Option<OwnLimits>,
    #[serde(borrow, default, rename = "purposes")]
    _purposes: Vec<Text<'a>>,
    #[serde(borrow)]
    created_at: Text<'a>,
    #[serde(borrow, default)]
    expires_at: Option<Text<'a>>,
    #[serde(borrow, default)]
    revoked_at: Option<Text<'a>>,
    version: u64,
}

/// The entry of a stored record, or why it has none; its key is then denied.
pub(super) fn read(id: KeyId, text: &str) -> Result<KeyEntry, String> {
    versioned(id, text).0
}

/// The same, with the record's version; 0 where it cannot be read.
pub(super) fn versioned(id: KeyId, text: &str) -> (Result<KeyEntry, String>, u64) {
    match brief(id, text) {
        Some((entry, version)) => (Ok(entry), version),
        None => (Err(why(id, text)), 0),
    }
}

/// What the brief reading cannot take, the whole one says why.
fn why(id: KeyId, text: &str) -> String {
    match KeyRecord::parse(text) {
        Ok(record) if record.key_id != id => "it names another key".into(),
        Ok(_) => "it cannot be read".into(),
        Err(fault) => fault.to_string(),
    }
}

fn brief(id: KeyId, text: &str) -> Option<(KeyEntry, u64)> {
    // Derived readers take the members in a row, too; the whole reading does not.
    if text.len() > bounds::RECORD_BYTES || !text.trim_ascii_start().starts_with('{') {
        return None;
    }
    let record: Brief<'_> = serde_json::from_str(text).ok()?;
    let time = |text: &Text<'_>| Timestamp::parse(text).map(|time| time.0);
    let times = [Some(&record.created_at), record.revoked_at.as_ref(), record.rotated_at.as_ref()];
    let whole = KeyId::parse(record.key_id.as_bytes()) == Some(id)
        && record.version > 0
        && record.scopes.len() <= bounds::SCOPES
        && times.into_iter().flatten().all(|text| time(text).is_some());
    if !whole {
        return None;
    }
    let previous = match (record.previous_hash, record.previous_until) {
        (Some(hash), Some(until)) => Some((KeyHash::parse(&hash)?, time(&until)?)),
        (None, None) => None,
        _ => return None,
    };
    let patterns: Result<Vec<_>, _> = record.scopes.iter().map(|text| ScopePattern::parse(text)).collect();
    let entry = KeyEntry {
        id,
        hash: KeyHash::parse(&record.key_hash)?,
        previous,
        scopes: ScopeSet::new(patterns.ok()?),
        plan: record.plan.as_deref().map(Into::into),
        limits: record.limits.as_ref().map_or(Ok(None), OwnLimits::in_force).ok()?,
        status: status(record.status),
        expires: match &record.expires_at {
            Some(text) => time(text)?,
            None => UnixSeconds::NEVER,
        },
        owner: record.owner.as_deref().and_then(owner_value),
    };
    Some((entry, record.version))
}

/// The entry of a record.
pub fn key_entry(record: &KeyRecord) -> Result<KeyEntry, RecordFault> {
    Ok(KeyEntry {
        id: record.key_id,
        hash: record.key_hash.clone(),
        previous: record.previous_hash.clone().zip(record.previous_until.map(|until| until.0)),
        scopes: record.scope_set()?,
        plan: record.plan.as_deref().map(Into::into),
        limits: record.own_limits()?,
        status: status(record.status),
        expires: record.expires_at.map_or(UnixSeconds::NEVER, |time| time.0),
        owner: record.owner.as_deref().and_then(owner_value),
    })
}

fn status(state: State) -> Status {
    match state {
        State::Active => Status::Active,
        State::Revoked => Status::Revoked,
    }
}

/// The owner as a header value: visible ASCII as it is, all else and `%` percent-encoded
/// (RFC 3986 §2.1), so that every owner has one form and arrives whole.
fn owner_value(owner: &str) -> Option<HeaderValue> {
    let mut text = String::with_capacity(owner.len());
    for byte in owner.bytes() {
        match byte {
            b'!'..=b'$' | b'&'..=b'~' | b' ' => text.push(char::from(byte)),
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    HeaderValue::from_str(text.trim()).ok().filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::{brief, key_entry, owner_value, read};
    use crate::registry::KeyRecord;
    use proptest::prelude::{Just, Strategy, any, prop_assert_eq, prop_oneof, proptest};

    const MEMBERS: [(&str, &str); 17] = [
        ("key_id", r#""mcp_live_0123456789abcdef""#),
        ("key_hash", r#""sha256:abababababababababababababababababababababababababababababababab""#),
        (
            "previous_hash",
            r#""hmac-sha256:p1:abababababababababababababababababababababababababababababababab""#,
        ),
        ("previous_until", r#""2026-11-23T08:00:00Z""#),
        ("scopes", r#"["quotes:read","crm:*"]"#),
        ("status", r#""active""#),
        ("name", r#""n\u00e9""#),
        ("owner", r#""Zo\u00eb""#),
        ("plan", "null"),
        (
            "limits",
            r#"{"calls":{"rate":"50/s","burst":100,"warn_only":true,"shared":1},"streams":3,"daily":[1,2]}"#,
        ),
        ("purposes", r#"["a"]"#),
        ("created_at", r#""2026-11-23T08:00:00Z""#),
        ("expires_at", r#""2027-11-23T08:00:00Z""#),
        ("revoked_at", "null"),
        ("rotated_at", r#""2026-11-24T08:00:00Z""#),
        ("version", "3"),
        ("colour", r#"{"new":true}"#),
    ];

    fn value() -> impl Strategy<Value = String> {
        prop_oneof![
            Just("null".to_owned()),
            Just("5".to_owned()),
            Just("\"\"".to_owned()),
            Just("[]".to_owned()),
            Just("[5]".to_owned()),
            Just("{}".to_owned()),
            Just("0".to_owned()),
            any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
            limits(),
        ]
    }

    /// Limits of which anything may be odd, left out or there twice.
    fn limits() -> impl Strategy<Value = String> {
        let part = prop_oneof![
            Just(r#""rate":"50/s""#),
            Just(r#""rate":"1/d""#),
            Just(r#""rate":5"#),
            Just(r#""burst":100"#),
            Just(r#""burst":0"#),
            Just(r#""burst":1e2"#),
            Just(r#""burst":null"#),
            Just(r#""warn_only":false"#),
            Just(r#""warn_only":null"#),
            Just(r#""shared":{"a":[1]}"#),
        ];
        let limit =
            proptest::collection::vec(part, 0..4).prop_map(|parts| format!("{{{}}}", parts.join(",")));
        let limit = prop_oneof![
            4 => limit,
            2 => Just(r#"{"rate":"5/m","burst":7}"#.to_owned()),
            1 => Just("null".to_owned()),
            1 => Just(r#"["50/s",100,false]"#.to_owned()),
        ];
        let name = prop_oneof![Just("calls"), Just("other"), Just("daily")];
        let most = prop_oneof![
            4 => Just("5"),
            2 => Just("1000000"),
            1 => prop_oneof![Just("0"), Just("1000001"), Just("5.0"), Just("-1"), Just("\"5\""), Just("{}"), Just("[5]")],
            1 => Just("null"),
        ];
        let of_what = prop_oneof![Just("concurrent"), Just("streams")];
        let limit =
            prop_oneof![(name, limit), (of_what, most).prop_map(|(name, most)| (name, most.to_owned())),];
        proptest::collection::vec(limit, 0..4).prop_map(|members| {
            let members: Vec<_> = members.iter().map(|(name, limit)| format!("\"{name}\":{limit}")).collect();
            format!("{{{}}}", members.join(","))
        })
    }

    proptest! {
        /// The brief reading and the whole one take the same records, and make the same of them.
        #[test]
        fn both_readings_agree(
            odd in proptest::option::of((0_usize..16, value())),
            left_out in proptest::option::of(0_usize..16),
            twice in proptest::option::of(0_usize..16),
        ) {
            let mut members = Vec::new();
            for (number, (name, usual)) in MEMBERS.iter().enumerate() {
                let value = match &odd {
                    Some((at, value)) if *at == number => value.as_str(),
                    _ => usual,
                };
                if left_out != Some(number) {
                    members.push(format!("\"{name}\":{value}"));
                }
                if twice == Some(number) {
                    members.push(format!("\"{name}\":{value}"));
                }
            }
            let text = format!("{{{}}}", members.join(","));
            let id = "mcp_live_0123456789abcdef".parse().unwrap();
            let whole = KeyRecord::parse(&text).ok().filter(|record| record.key_id == id);
            let whole = whole.and_then(|record| key_entry(&record).ok());
            prop_assert_eq!(format!("{:?}", brief(id, &text).map(|(entry, _)| entry)), format!("{whole:?}"), "{}", text);
            prop_assert_eq!(read(id, &text).is_ok(), whole.is_some());
        }

        #[test]
        fn both_readings_agree_about_limits(limits in limits()) {
            let members = MEMBERS.map(|(name, usual)| {
                format!("\"{name}\":{}", if name == "limits" { &limits } else { usual })
            });
            let text = format!("{{{}}}", members.join(","));
            let id = "mcp_live_0123456789abcdef".parse().unwrap();
            let whole = KeyRecord::parse(&text).ok().and_then(|record| key_entry(&record).ok());
            prop_assert_eq!(format!("{:?}", brief(id, &text).map(|(entry, _)| entry)), format!("{whole:?}"), "{}", text);
        }
    }

    #[test]
    fn members_in_a_row_are_no_record() {
        let values: Vec<&str> = MEMBERS.iter().take(16).map(|(_, value)| *value).collect();
        let text = format!(
            "[{}]",
            [&values[..4], &values[14..15], &values[4..14], &values[15..]].concat().join(",")
        );
        let id = "mcp_live_0123456789abcdef".parse().unwrap();
        assert!(KeyRecord::parse(&text).is_err() && brief(id, &text).is_none());
    }

    #[test]
    fn owners_arrive_whole_and_cannot_break_the_header() {
        for (owner, header) in [
            ("sales", Some("sales")),
            ("Zoë", Some("Zo%C3%AB")),
            ("50%", Some("50%25")),
            ("a\r\nX: y", Some("a%0D%0AX: y")),
            ("", None),
            (" ", None),
        ] {
            assert_eq!(owner_value(owner).as_ref().map(|v| v.to_str().unwrap()), header, "{owner:?}");
        }
    }
}
