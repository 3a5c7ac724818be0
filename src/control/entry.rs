//! From a registry's record to the entry that the key table takes.

use http::HeaderValue;

use crate::base::UnixSeconds;
use crate::policy::KeyEntry;
use crate::policy::keys::Status;
use crate::registry::{KeyRecord, RecordFault, State};

/// The entry of a record, or why it has none; the key is then denied.
pub fn key_entry(record: &KeyRecord) -> Result<KeyEntry, RecordFault> {
    let previous = record.previous_hash.clone().zip(record.previous_until.map(|until| until.0));
    Ok(KeyEntry {
        id: record.key_id,
        hash: record.key_hash.clone(),
        previous,
        scopes: record.scope_set()?,
        status: match record.status {
            State::Active => Status::Active,
            State::Revoked => Status::Revoked,
        },
        expires: record.expires_at.map_or(UnixSeconds::NEVER, |time| time.0),
        owner: record.owner.as_deref().and_then(owner_value),
    })
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
    use super::owner_value;

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
