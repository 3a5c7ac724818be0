//! What stands in many records and is worked out once: names, the second, texts that hold no secret.
//!
//! Bounded, and without effect on what a record says: it only costs less. It must never keep a text in which a
//! secret was found.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use foldhash::fast::RandomState;
use hashbrown::HashSet;

use super::text::{is_plain, put_number, quote, quote_foreign};
use crate::telemetry::names::{NameId, Names};

/// Texts that are remembered at most, and the longest: a megabyte of them. Owners and names of tools are fewer and
/// shorter; where there are more, all are forgotten and the ones that come again are looked through once more.
const TEXTS: usize = 8_192;
const TEXT_BYTES: usize = 64;
const NANOS: u64 = 1_000_000_000;
/// `2026-11-28T01:12:03`, in front of a second's digits.
const SECOND: usize = 19;

#[derive(Default)]
pub(super) struct Remembered {
    /// By their places, quoted: a name never changes.
    names: Vec<Box<[u8]>>,
    copied: Vec<Arc<str>>,
    /// The last second that was told, since 1970.
    second: Option<(u64, [u8; SECOND])>,
    /// Printable ASCII that needs no escape and holds no secret.
    harmless: HashSet<Box<[u8]>, RandomState>,
}

impl Remembered {
    /// A name of the configuration as it stands in records; `None` for no name.
    pub(super) fn name(&mut self, names: &Names, number: NameId) -> Option<&[u8]> {
        let place = number.place()?;
        if place >= self.names.len() {
            names.copy_new(&mut self.copied);
            let new = self.copied.iter().skip(self.names.len());
            self.names.extend(new.map(|name| {
                let mut quoted = Vec::with_capacity(name.len() + 2);
                quote(&mut quoted, name);
                quoted.into_boxed_slice()
            }));
        }
        self.names.get(place).map(|name| &**name)
    }

    /// Writes a time, in nanoseconds since 1970, as RFC 3339 in UTC: 30 characters.
    pub(super) fn put_time(&mut self, out: &mut Vec<u8>, nanos: u64) {
        let (second, fraction) = (nanos / NANOS, nanos % NANOS);
        let text = match self.second {
            Some((told, text)) if told == second => text,
            _ => {
                let text = second_text(second);
                self.second = Some((second, text));
                text
            }
        };
        out.extend_from_slice(&text);
        // All nine digits of the fraction, those in front too: behind a tenth that is cut off.
        let mut digits = itoa::Buffer::new();
        let digits = digits.format(NANOS + fraction).as_bytes();
        out.push(b'.');
        out.extend_from_slice(digits.get(1..).unwrap_or_default());
        out.push(b'Z');
    }

    /// Writes a client's text, like [`quote_foreign`].
    pub(super) fn put_foreign(&mut self, out: &mut Vec<u8>, text: &[u8], is_cut: bool) {
        if !is_cut && self.harmless.contains(text) {
            out.push(b'"');
            out.extend_from_slice(text);
            return out.push(b'"');
        }
        let start = out.len();
        quote_foreign(out, text, is_cut);
        let written = out.get(start + 1..out.len() - 1).unwrap_or_default();
        // What was masked, withheld, cut or escaped is not what it was.
        if !is_cut && written == text && is_plain(text) && text.len() <= TEXT_BYTES {
            if self.harmless.len() >= TEXTS {
                self.harmless.clear();
            }
            self.harmless.insert(text.into());
        }
    }
}

fn second_text(second: u64) -> [u8; SECOND] {
    let time = humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(second)).to_string();
    let mut text = [b'0'; SECOND];
    text.iter_mut().zip(time.bytes()).for_each(|(to, from)| *to = from);
    text
}

/// Writes an address as a JSON string.
pub(super) fn put_address(out: &mut Vec<u8>, address: IpAddr) {
    out.push(b'"');
    match address {
        IpAddr::V4(address) => {
            let [first, rest @ ..] = address.octets();
            put_number(out, u64::from(first));
            for part in rest {
                out.push(b'.');
                put_number(out, u64::from(part));
            }
        }
        IpAddr::V6(address) => out.extend_from_slice(address.to_string().as_bytes()),
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::{Remembered, TEXT_BYTES, TEXTS, put_address};
    use crate::telemetry::audit::text::quote_foreign;
    use crate::telemetry::names::{NameId, Names};
    use std::time::{Duration, UNIX_EPOCH};

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = b"x".to_vec();
        write(&mut out);
        String::from_utf8(out).unwrap().split_off(1)
    }

    #[test]
    fn times_are_those_of_rfc_3339() {
        let mut remembered = Remembered::default();
        let mut told = |nanos| written(|out| remembered.put_time(out, nanos));
        assert_eq!(told(0), "1970-01-01T00:00:00.000000000Z");
        assert_eq!(told(1_795_828_323_000_000_004), "2026-11-28T01:12:03.000000004Z");
        let mut nanos = 1_795_828_322_999_999_990_u64;
        for step in 0..2_000_u64 {
            let expected = humantime::format_rfc3339_nanos(UNIX_EPOCH + Duration::from_nanos(nanos));
            assert_eq!(told(nanos), expected.to_string());
            // Within the second, into the next, and back.
            nanos =
                nanos.wrapping_add(step * step * 7_919).max(step) - u64::from(step % 3 == 0) * 1_000_000_000;
        }
        assert_eq!(told(u64::MAX).len(), 30);
    }

    #[test]
    fn a_text_is_written_the_same_whether_or_not_it_is_remembered() {
        let mut remembered = Remembered::default();
        let key = "mcp_live_0123456789abcdef.0123456789abcdefghijklmnopqrstuvwxyz0123456789012";
        let token = format!("ghp_{}", "A1b2C3d4E5".repeat(4).split_at(36).0);
        let long = "x".repeat(TEXT_BYTES + 1);
        let cases = ["crm.read", "", "a\"b", "Zoë", "\u{202e}", "[withheld]", key, &token, &long];
        for (text, is_cut) in cases.iter().flat_map(|text| [(*text, false), (*text, true)]) {
            let expected = written(|out| quote_foreign(out, text.as_bytes(), is_cut));
            for _ in 0..3 {
                assert_eq!(written(|out| remembered.put_foreign(out, text.as_bytes(), is_cut)), expected);
            }
        }
        let mut kept: Vec<_> = remembered.harmless.iter().map(|text| String::from_utf8_lossy(text)).collect();
        kept.sort_unstable();
        assert_eq!(kept, ["", "[withheld]", "crm.read"], "no secret, and nothing that is not what it was");
    }

    #[test]
    fn texts_that_are_remembered_are_bounded() {
        let mut remembered = Remembered::default();
        for number in 0..2 * TEXTS + 5 {
            let text = format!("tool-{number}");
            assert_eq!(
                written(|out| remembered.put_foreign(out, text.as_bytes(), false)),
                format!("{text:?}")
            );
            assert!(remembered.harmless.len() <= TEXTS);
        }
    }

    #[test]
    fn names_are_quoted_once_each() {
        let (names, mut remembered) = (Names::default(), Remembered::default());
        let (first, second) = (names.number("crm"), names.number("a\"b"));
        assert_eq!(remembered.name(&names, second), Some(&br#""a\"b""#[..]));
        assert_eq!(remembered.name(&names, first), Some(&br#""crm""#[..]));
        let third = names.number("late");
        assert_eq!(remembered.name(&names, third), Some(&br#""late""#[..]));
        assert_eq!(remembered.name(&names, NameId::NONE), None);
    }

    #[test]
    fn addresses_are_written_as_people_do() {
        for address in ["127.0.0.1", "255.0.10.199", "::1", "2001:db8::7"] {
            assert_eq!(written(|out| put_address(out, address.parse().unwrap())), format!("\"{address}\""));
        }
    }
}
