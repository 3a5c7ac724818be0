//! Keys: one spelling each, nothing but that spelling read, and found wherever they stand.

use tollgate::base::key::{Env, KEY_ID, KeyId, RAW_KEY, RawKey, SECRET, holds_key};

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Takes the input as an id, as a key, as a text that may hold one, and as what keys are made
/// from.
pub fn check(data: &[u8]) {
    id(data);
    raw(data);
    search(data);
    made(data);
}

/// Whether a text is `mcp_<env>_` and 16 digits.
fn is_id(text: &[u8]) -> bool {
    let rest = text.strip_prefix(b"mcp_live_").or_else(|| text.strip_prefix(b"mcp_test_"));
    rest.is_some_and(|digits| digits.len() == 16 && digits.iter().all(u8::is_ascii_alphanumeric))
}

fn id(text: &[u8]) {
    let parsed = KeyId::parse(text);
    assert_eq!(parsed.is_some(), is_id(text), "{}", text.escape_ascii());
    let from_text = std::str::from_utf8(text).ok().and_then(|text| text.parse::<KeyId>().ok());
    assert_eq!(from_text, parsed);
    let Some(id) = parsed else { return };
    assert_eq!(id.to_text(), *text, "an id is written as it was read");
    assert_eq!((id.to_string().as_bytes(), format!("{id:?}").as_bytes()), (text, text));
    assert_eq!(id.env() == Env::Test, text.starts_with(b"mcp_test_"));
    assert_ne!(id, KeyId::NONE);
    // The number that a table hashes is the id and nothing less.
    let digits = text[KEY_ID - 16..].iter().map(|byte| DIGITS.iter().position(|digit| digit == byte));
    let halves: Vec<_> = digits.map(|digit| digit.unwrap_or_default() as u128).collect();
    let number = |half: &[u128]| half.iter().fold(0, |number, digit| number * 62 + digit);
    let test = u128::from(id.env() == Env::Test) << 127;
    assert_eq!(id.bits(), test | (number(&halves[..8]) << 64) | number(&halves[8..]));
}

fn raw(text: &[u8]) {
    let legal = text.len() == RAW_KEY
        && is_id(&text[..KEY_ID])
        && text[KEY_ID] == b'.'
        && text[KEY_ID + 1..].iter().all(u8::is_ascii_alphanumeric)
        && text[RAW_KEY - 6..] == checksum(&text[..RAW_KEY - 6]);
    let parsed = RawKey::parse(text);
    assert_eq!(parsed.is_some(), legal, "{}", text.escape_ascii());
    if let Some(key) = parsed {
        assert_eq!(key.id().to_text(), text[..KEY_ID]);
        assert_eq!((key.secret(), key.secret().len()), (&text[KEY_ID + 1..], SECRET));
        assert!(holds_key(text));
    }
}

/// Six digits of CRC-32 (ISO-HDLC), a bit at a time.
fn checksum(text: &[u8]) -> [u8; 6] {
    let mut rest = !0_u32;
    for byte in text {
        rest ^= u32::from(*byte);
        for _ in 0..8 {
            rest = (rest >> 1) ^ (if rest & 1 == 1 { 0xEDB8_8320 } else { 0 });
        }
    }
    digits(u64::from(!rest))
}

fn digits<const N: usize>(mut number: u64) -> [u8; N] {
    let mut text = [b'0'; N];
    for place in text.iter_mut().rev() {
        *place = DIGITS[(number % 62) as usize];
        number /= 62;
    }
    text
}

fn search(text: &[u8]) {
    let there = text.windows(KEY_ID + 1).any(|part| part[KEY_ID] == b'.' && is_id(&part[..KEY_ID]));
    assert_eq!(holds_key(text), there, "{}", text.escape_ascii());
}

/// A key made from the input is read back, is found in any surroundings, and is no key any
/// more with any one byte changed.
fn made(data: &[u8]) {
    let at = |index: usize| data.get(index).copied().unwrap_or_default();
    let digit = |index: usize| DIGITS[usize::from(at(index)) % 62];
    let mut text = if at(0) % 2 == 0 { b"mcp_live_".to_vec() } else { b"mcp_test_".to_vec() };
    text.extend((1..17).map(digit));
    text.push(b'.');
    text.extend((17..60).map(digit));
    text.extend(checksum(&text));
    raw(&text);
    assert!(RawKey::parse(&text).is_some(), "{}", text.escape_ascii());
    id(&text[..KEY_ID]);
    let (before, after) = data.split_at(data.len() / 2);
    for cut in [KEY_ID + 1, RAW_KEY - 1, RAW_KEY] {
        assert!(holds_key(&[before, &text[..cut], after].concat()), "hidden in {}", data.escape_ascii());
    }
    let place = usize::from(at(60)) % RAW_KEY;
    text[place] ^= at(61).max(1);
    assert!(RawKey::parse(&text).is_none(), "changed at {place}: {}", text.escape_ascii());
}
