//! Keys that are the same in every run: counts must not move because a key was drawn again.

use tollgate::base::UnixSeconds;
use tollgate::base::base62::ALPHABET;
use tollgate::base::digest::Hasher;
use tollgate::base::key::RawKey;
use tollgate::policy::keys::{Change, Status};
use tollgate::policy::{KeyEntry, ScopePattern, ScopeSet};

/// Digits that look like drawn ones and are those of `number` (splitmix64).
fn digits(number: &mut u64, count: usize) -> String {
    let mut digit = || {
        *number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = *number;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        char::from(ALPHABET[((mixed ^ (mixed >> 31)) % 62) as usize])
    };
    (0..count).map(|_| digit()).collect()
}

/// A key's text with its checksum.
fn checked(text: String) -> String {
    let mut number = crc32fast::hash(text.as_bytes());
    let mut check = [0; 6];
    for place in check.iter_mut().rev() {
        *place = ALPHABET[(number % 62) as usize];
        number /= 62;
    }
    text + std::str::from_utf8(&check).unwrap()
}

/// Raw key number `n`.
pub fn raw(n: usize) -> String {
    let mut number = n as u64 * 0x0100_0000;
    let id = digits(&mut number, 16);
    checked(format!("mcp_live_{id}.{}", digits(&mut number, 43)))
}

/// The id of key `n` with another secret.
pub fn with_wrong_secret(n: usize) -> String {
    let raw = raw(n);
    let (id, _) = raw.split_once('.').unwrap();
    checked(format!("{id}.{}", digits(&mut (u64::MAX / 2), 43)))
}

/// The scopes of key number `n`: eight sets go round.
pub fn scopes(n: usize) -> Vec<String> {
    let mut scopes = vec!["crm:read".to_owned(), "crm:report".to_owned()];
    scopes.extend((0..n % 8).map(|area| format!("crm:write:area_{area}")));
    scopes
}

/// The record of a raw key with these scopes.
pub fn entry(raw: &str, scopes: &[String]) -> KeyEntry {
    let key = RawKey::parse(raw.as_bytes()).unwrap();
    let patterns = scopes.iter().map(|scope| ScopePattern::parse(scope).unwrap()).collect();
    KeyEntry {
        id: key.id(),
        hash: Hasher::new(&[]).hash_new(key.secret()),
        previous: None,
        scopes: ScopeSet::new(patterns),
        plan: None,
        limits: None,
        status: Status::Active,
        expires: UnixSeconds::NEVER,
        owner: None,
    }
}

/// The records of the first `count` keys; the raw key of the last.
pub fn keys(count: usize) -> (Vec<Change>, String) {
    let change = |number| {
        let entry = entry(&raw(number), &scopes(number));
        (entry.id, Some(entry))
    };
    ((0..count).map(change).collect(), raw(count - 1))
}
