//! What has to stand around a literal, where it is more than so many characters of one class.
//!
//! Each function looks at a bounded piece of text before it says no, or at a run of characters
//! that no other candidate can begin in: else a text that is nothing but literals would take
//! quadratic time. Of what it decodes it keeps nothing.

use std::ops::Range;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use serde::de::IgnoredAny;

use super::is_secret_name;
use crate::base::key;

/// Longest name that is looked at around a word such as "password", to either side.
const NAME: usize = 48;
/// As much of a value is looked at to tell a secret from a word.
const SAMPLE: usize = 64;
/// Most characters that a token's own beginning may have before it: `Cookie_eyJ…`.
const GLUED: usize = 16;
/// As far behind a `/` a password's `@` is looked for.
const ODD_PASSWORD: usize = 256;

const FORGIVING: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_allow_trailing_bits(true)
    .with_decode_padding_mode(DecodePaddingMode::Indifferent);
const BASE64: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, FORGIVING);
const BASE64_URL: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, FORGIVING);

/// The end of a run of characters that begins at a place.
pub(super) fn run(text: &[u8], from: usize, of: impl Fn(u8) -> bool) -> usize {
    let length = text.get(from..).unwrap_or_default().iter().take_while(|byte| of(**byte)).count();
    from.saturating_add(length).min(text.len())
}

/// The same, backwards, and not further than so many.
fn run_back(text: &[u8], to: usize, most: usize, of: impl Fn(u8) -> bool) -> usize {
    let before = text.get(..to).unwrap_or_default();
    to - before.iter().rev().take(most).take_while(|byte| of(**byte)).count()
}

fn all(text: &[u8], range: Range<usize>, of: impl Fn(u8) -> bool) -> bool {
    text.get(range).is_some_and(|part| part.iter().all(|byte| of(*byte)))
}

/// Where the text goes on behind at most so many of these.
fn skip(text: &[u8], from: usize, most: usize, of: &[u8]) -> usize {
    let rest = text.get(from..).unwrap_or_default();
    from + rest.iter().take(most).take_while(|byte| of.contains(byte)).count()
}

fn url_safe(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

/// Whether no letter and no digit stands before a place; one of a percent-encoding is none.
pub(super) fn begins_word(text: &[u8], at: usize) -> bool {
    let before = text.get(..at).unwrap_or_default();
    let encoded = |three: &[u8; 3]| {
        let [percent, digits @ ..] = three;
        *percent == b'%' && digits.iter().all(u8::is_ascii_hexdigit)
    };
    !before.last().is_some_and(u8::is_ascii_alphanumeric) || before.last_chunk().is_some_and(encoded)
}

pub(super) fn tollgate_key(text: &[u8], at: usize, _: usize) -> Option<Range<usize>> {
    Some(at..at + key::key_length(text.get(at..)?)?)
}

/// `sk-` and letters and digits, with a digit: words have dashes and none.
pub(super) fn sk_key(text: &[u8], at: usize, behind: usize) -> Option<Range<usize>> {
    let end = run(text, behind, |byte| byte.is_ascii_alphanumeric());
    let digit = sample(text, behind..end).iter().any(u8::is_ascii_digit);
    (begins_word(text, at) && end - behind >= 20 && digit).then_some(at..end)
}

/// `SG.` and two parts with a dot between them.
pub(super) fn sendgrid_key(text: &[u8], at: usize, behind: usize) -> Option<Range<usize>> {
    let dot = run(text, behind, url_safe);
    let end = run(text, dot + 1, url_safe);
    (text.get(dot) == Some(&b'.') && dot - behind >= 16 && end - dot > 32).then_some(at..end)
}

/// The number of a bot, `:AA`, and the token's other characters. The number is no secret.
pub(super) fn telegram_token(text: &[u8], at: usize, _: usize) -> Option<Range<usize>> {
    let number = at - run_back(text, at, 12, |byte| byte.is_ascii_digit());
    let end = run(text, at + 1, url_safe);
    (number >= 6 && end - at > 34).then_some(at + 1..end)
}

/// Forty characters behind a label, with what programs put between the two.
pub(super) fn aws_secret_key(text: &[u8], _: usize, behind: usize) -> Option<Range<usize>> {
    let start = skip(text, behind, 8, b"\"'\\:=> \t\n");
    let of = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'+');
    (start > behind && all(text, start..start + 40, of)).then(|| start..run(text, start, of))
}

/// Three parts of base64url, of which the first says how it was signed. What follows the header
/// is not looked at: in doubt it is the rest of the token.
pub(super) fn jwt(text: &[u8], at: usize, _: usize) -> Option<Range<usize>> {
    // Further inside of a run nothing begins, and each run is looked at a few times at most.
    if at - run_back(text, at, GLUED + 1, url_safe) > GLUED {
        return None;
    }
    let dot = run(text, at, url_safe);
    let header = BASE64_URL.decode(text.get(at..dot)?).ok()?;
    serde_json::from_slice::<JwtHeader>(&header).ok()?;
    let end = run(text, dot, |byte| url_safe(byte) || byte == b'.');
    (end > dot + 1).then_some(at..end)
}

#[derive(serde::Deserialize)]
struct JwtHeader {
    #[serde(rename = "alg")]
    _algorithm: IgnoredAny,
}

/// From the line that begins a private key to the one that ends it, or to the end of the text.
pub(super) fn private_key(text: &[u8], at: usize, behind: usize) -> Option<Range<usize>> {
    let label = |from: usize| {
        let end = run(text, from, |byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b' ');
        let label = text.get(from..end.min(from + SAMPLE))?;
        memchr::memmem::find(label, b"PRIVATE KEY").map(|_| end)
    };
    let begun = label(behind)?;
    let rest = text.get(begun..)?;
    let ends = memchr::memmem::find_iter(rest, b"-----END ").find_map(|end| label(begun + end + 9));
    Some(at..ends.map_or(text.len(), |end| run(text, end, |byte| byte == b'-')))
}

/// From the private lines of a `PuTTY` key to its last, or to the end of the text.
pub(super) fn putty_key(text: &[u8], at: usize, behind: usize) -> Option<Range<usize>> {
    let length = memchr::memmem::find(text.get(behind..)?, b"Private-MAC:");
    Some(at..length.map_or(text.len(), |length| behind + length))
}

/// The password of `scheme://user:password@host`.
pub(super) fn url_password(text: &[u8], _: usize, behind: usize) -> Option<Range<usize>> {
    let inside = |byte: u8| byte > b' ' && !matches!(byte, b'"' | b'\'' | b'<' | b'>' | b'\\' | b'`');
    let ends = |byte: u8| inside(byte) && !matches!(byte, b'/' | b'?' | b'#');
    let end = run(text, behind, ends);
    let authority = text.get(behind..end)?;
    if authority.first() == Some(&b'[') {
        return None;
    }
    let start = behind + memchr::memchr(b':', authority)? + 1;
    let at = memchr::memrchr(b'@', text.get(start..end)?).map(|at| start + at).or_else(|| {
        // A password with a character that should have been encoded; behind a port begins a path.
        let port = all(text, start..end, |byte| byte.is_ascii_digit());
        let rest = text.get(end..).filter(|_| !port)?;
        let mut rest = rest.iter().take(ODD_PASSWORD).take_while(|byte| inside(**byte));
        rest.position(|byte| *byte == b'@').map(|at| end + at)
    })?;
    (at > start && text.get(at + 1).is_some_and(|&byte| byte == b'[' || byte.is_ascii_alphanumeric()))
        .then_some(start..at)
}

/// A token behind `Bearer `: a long one, or one with a digit.
pub(super) fn bearer(text: &[u8], at: usize, behind: usize) -> Option<Range<usize>> {
    let end = run(text, behind, token68);
    let digit = sample(text, behind..end).iter().any(u8::is_ascii_digit);
    let least = if digit { 8 } else { 16 };
    (begins_word(text, at) && end - behind >= least).then_some(behind..end)
}

/// Base64 behind `Basic `, with a name and a password in it.
pub(super) fn basic(text: &[u8], at: usize, behind: usize) -> Option<Range<usize>> {
    let end = run(text, behind, token68);
    if !begins_word(text, at) {
        return None;
    }
    let token = text.get(behind..end)?;
    let decoded = BASE64.decode(token).or_else(|_| BASE64_URL.decode(token)).ok()?;
    decoded.contains(&b':').then_some(behind..end)
}

fn token68(byte: u8) -> bool {
    url_safe(byte) || matches!(byte, b'.' | b'~' | b'+' | b'/' | b'=')
}

/// As much of a range as is looked at.
fn sample(text: &[u8], range: Range<usize>) -> &[u8] {
    let end = range.end.min(range.start.saturating_add(SAMPLE));
    text.get(range.start..end).unwrap_or_default()
}

/// The value behind a name that says what it is: `name=value`, `"name": "value"`, `--name value`,
/// `<name>value</name>`.
pub(super) fn assignment(text: &[u8], at: usize, behind: usize) -> Option<Range<usize>> {
    let of_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let start = run_back(text, at, NAME, of_name);
    let end = behind + text.get(behind..)?.iter().take(NAME).take_while(|byte| of_name(**byte)).count();
    let name = text.get(start..end)?;
    let tag = text.get(..start)?.ends_with(b"<");
    let Separated { value, sign, quote } = separated(text, end, name.starts_with(b"--"), tag)?;
    // A header has its line, in which words follow that say what comes.
    let header = sign == b':' && [&b"cookie"[..], b"authorization"].iter().any(|word| ends_with(name, word));
    let until = |byte: u8| match quote {
        Some(quote) => byte != quote && byte != b'\n',
        None if header => !matches!(byte, b'\n' | b'"' | b'\''),
        None => {
            !byte.is_ascii_whitespace() && !matches!(byte, b'&' | b';' | b'"' | b'\'' | b'`' | b'<' | b'>')
        }
    };
    // Decided by its beginning: the whole would be looked at for each name in it.
    let begin = sample(text, value..text.len());
    let begin = begin.get(..run(begin, 0, until))?;
    // A sentence has its colon as well: behind one only what is no word counts.
    let word = (sign, quote) == (b':', None) && !begin.iter().any(u8::is_ascii_digit);
    let enough = begin.len() >= 4 && !word;
    let secret = || std::str::from_utf8(name).is_ok_and(is_secret_name);
    (enough && !is_reference(begin) && secret()).then(|| value..run(text, value, until))
}

fn ends_with(name: &[u8], word: &[u8]) -> bool {
    let end = name.len().checked_sub(word.len()).and_then(|from| name.get(from..));
    end.is_some_and(|end| end.eq_ignore_ascii_case(word))
}

/// Where a value begins, and what stands between it and its name.
struct Separated {
    value: usize,
    sign: u8,
    quote: Option<u8>,
}

fn separated(text: &[u8], from: usize, flag: bool, tag: bool) -> Option<Separated> {
    let spaced = skip(text, skip(text, from, 4, b"\\\"']"), 4, b" \t");
    let (sign, behind) = match text.get(spaced..)? {
        [b'=', b'=', ..] => return None,
        [b'=', b'>', ..] | [b':', b'=', ..] => (b'=', spaced + 2),
        [b'%', b'3', b'D' | b'd', ..] => (b'=', spaced + 3),
        [b'%', b'3', b'A' | b'a', ..] => (b':', spaced + 3),
        [sign @ (b'=' | b':'), ..] => (*sign, spaced + 1),
        [b'>', ..] if tag => (b'=', spaced + 1),
        _ if flag && spaced > from => (b' ', spaced),
        _ => return None,
    };
    let spaced = skip(text, behind, 4, b" \t");
    let opened = skip(text, spaced, 3, b"\\");
    let quote = text.get(opened).copied().filter(|byte| matches!(byte, b'"' | b'\'' | b'`'));
    // Quotes that are escaped end with a backslash, which then belongs to the value.
    Some(Separated { value: if quote.is_some() { opened + 1 } else { spaced }, sign, quote })
}

/// Whether a value names where the secret is: `$NAME`, `${…}`, `{{…}}`.
fn is_reference(value: &[u8]) -> bool {
    let name = |rest: &[u8]| rest.iter().all(|&byte| byte.is_ascii_uppercase() || byte == b'_');
    match value {
        [b'$' | b'{', b'{', ..] => true,
        [b'$', rest @ ..] => name(rest),
        _ => false,
    }
}
