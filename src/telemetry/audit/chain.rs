//! The chain: each record holds the hash of the one before it, and its own.
//!
//! `hash` is the SHA-256 of the line's bytes from its `{` up to, and not with, `,"hash":"`. The last member in
//! front of that is `prev`, the hash of the record before, so that a hash is over everything that was ever
//! written. Numbers go up by one from 1. What a chain cannot show is that its end was cut off.

use std::fmt;

use ring::digest::{SHA256, digest};

use super::text::{put_hex, read_hex};

/// Bytes of a line at most, its end included. The longest that is written has a third of it.
pub const LINE_BYTES: usize = 256 * 1024;
/// The highest number of a record, which no writer comes to: what is above is not the same to every reader of JSON, and
/// one that was forged must not be counted up from.
const MOST: u64 = 1 << 53;
/// `,"prev":"` and a hash.
const PREV: &[u8] = b",\"prev\":\"";
/// `","hash":"` and a hash; `"}` behind it.
const HASH: &[u8] = b"\",\"hash\":\"";
const END: &[u8] = b"\"}";
const DIGITS: usize = 64;

/// A record's hash.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// What the first record of a chain has before it: nothing.
    pub const NONE: Self = Self([0; 32]);

    /// The hash of bytes.
    pub fn of(bytes: &[u8]) -> Self {
        let mut hash = Self::NONE;
        hash.0.copy_from_slice(digest(&SHA256, bytes).as_ref());
        hash
    }

    /// Reads 64 lower-case hexadecimal digits.
    pub fn parse(text: &[u8]) -> Option<Self> {
        read_hex(text).map(Self)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The last record of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Head {
    /// Its number; 0 before the first.
    pub seq: u64,
    /// Its hash.
    pub hash: Hash,
}

impl Head {
    /// Ends the record that was begun at `start` of `out`, and makes it the head.
    pub(super) fn seal(&mut self, out: &mut Vec<u8>, start: usize) {
        out.extend_from_slice(PREV);
        put_hex(out, &self.hash.0);
        // The quote behind `prev` belongs to what is hashed.
        out.push(b'"');
        let hash = Hash::of(out.get(start..).unwrap_or_default());
        out.extend_from_slice(HASH.get(1..).unwrap_or_default());
        put_hex(out, &hash.0);
        out.extend_from_slice(END);
        out.push(b'\n');
        *self = Self { seq: self.seq + 1, hash };
    }
}

/// A line taken apart, as far as the chain goes; whether its hash is right was not looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line<'l> {
    /// RFC 3339, 30 characters.
    pub time: &'l str,
    /// Its number.
    pub seq: u64,
    /// Who wrote it.
    pub replica: &'l str,
    /// What it tells.
    pub kind: &'l str,
    /// The hash of the one before.
    pub prev: Hash,
    /// Its own.
    pub hash: Hash,
    /// The bytes that are hashed.
    pub hashed: &'l [u8],
    /// Where its number stands, and where its replica's name begins.
    number: (usize, usize),
}

/// Characters of a time.
const TIME: usize = 30;

impl<'l> Line<'l> {
    /// Takes a line apart, given without its end. `None` for what is no record.
    pub(super) fn read(line: &'l [u8]) -> Option<Self> {
        let before = b"{\"time\":\"";
        let rest = line.strip_prefix(before)?;
        let (time, rest) = rest.split_at_checked(TIME)?;
        let rest = rest.strip_prefix(b"\",\"seq\":")?;
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (seq, rest) = rest.split_at_checked(digits)?;
        let at = line.len() - rest.len();
        let rest = rest.strip_prefix(b",\"replica\":\"")?;
        let (replica, rest) = rest.split_at_checked(memchr::memchr(b'"', rest)?)?;
        let rest = rest.strip_prefix(b"\",\"kind\":\"")?;
        let (kind, rest) = rest.split_at_checked(memchr::memchr(b'"', rest)?)?;
        let rest = rest.strip_suffix(END)?;
        let (rest, hash) = rest.split_at_checked(rest.len().checked_sub(DIGITS)?)?;
        let rest = rest.strip_suffix(HASH)?;
        let (rest, prev) = rest.split_at_checked(rest.len().checked_sub(DIGITS)?)?;
        rest.strip_suffix(PREV)?;
        let hashed = line.get(..line.len() - END.len() - DIGITS - HASH.len() + 1)?;
        let text = |bytes| std::str::from_utf8(bytes).ok();
        // One way to write a number: no zeros in front.
        let seq = text(seq).filter(|digits| !digits.starts_with('0'))?.parse().ok()?;
        if seq > MOST {
            return None;
        }
        let (time, replica, kind) = (text(time)?, text(replica)?, text(kind)?);
        let (prev, hash) = (Hash::parse(prev)?, Hash::parse(hash)?);
        Some(Self { time, seq, replica, kind, prev, hash, hashed, number: (at - digits, at) })
    }

    /// Whether its hash is that of what it holds.
    pub(super) fn is_whole(&self) -> bool {
        Hash::of(self.hashed) == self.hash
    }

    /// Its place in the chain.
    pub(super) fn head(&self) -> Head {
        Head { seq: self.seq, hash: self.hash }
    }

    /// Writes what it tells at another place of a chain.
    pub(super) fn move_to(&self, out: &mut Vec<u8>, head: &mut Head) {
        let start = out.len();
        let (from, to) = self.number;
        let end = self.hashed.len() - (PREV.len() + DIGITS + 1);
        out.extend_from_slice(self.hashed.get(..from).unwrap_or_default());
        super::text::put_number(out, head.seq + 1);
        out.extend_from_slice(self.hashed.get(to..end).unwrap_or_default());
        head.seal(out, start);
    }
}

#[cfg(test)]
mod tests {
    use super::{Hash, Head, Line, MOST};

    fn line(head: &mut Head, seq: u64) -> Vec<u8> {
        let mut out = Vec::new();
        let text = format!(
            "{{\"time\":\"2026-11-28T01:02:03.000000004Z\",\"seq\":{seq},\"replica\":\"gw\",\"kind\":\"call\",\"tool\":\"x\""
        );
        out.extend_from_slice(text.as_bytes());
        head.seal(&mut out, 0);
        assert_eq!(out.pop(), Some(b'\n'));
        out
    }

    #[test]
    fn a_line_is_what_the_documentation_says() {
        let mut head = Head::default();
        let out = String::from_utf8(line(&mut head, 1)).unwrap();
        let (hashed, hash) = out.rsplit_once(",\"hash\":\"").unwrap();
        assert_eq!(hash, format!("{}\"}}", Hash::of(hashed.as_bytes())));
        assert!(hashed.ends_with(&format!("\"tool\":\"x\",\"prev\":\"{}\"", Hash::NONE)), "{hashed}");
        assert!(serde_json::from_str::<serde_json::Value>(&out).is_ok());
        let read = Line::read(out.as_bytes()).unwrap();
        assert_eq!((read.seq, read.replica, read.kind, read.prev), (1, "gw", "call", Hash::NONE));
        assert_eq!(
            (read.time, read.hashed, read.head()),
            ("2026-11-28T01:02:03.000000004Z", hashed.as_bytes(), head)
        );
        assert!(read.is_whole());
    }

    #[test]
    fn numbers_have_an_end() {
        for (seq, is_read) in [(1, true), (MOST, true), (MOST + 1, false), (u64::MAX, false)] {
            let mut head = Head { seq: seq - 1, ..Head::default() };
            assert_eq!(Line::read(&line(&mut head, seq)).is_some(), is_read, "{seq}");
        }
    }

    #[test]
    fn no_byte_of_a_line_can_be_another() {
        let mut head = Head::default();
        line(&mut head, 1);
        let whole = line(&mut head, 2);
        for at in 0..whole.len() {
            for flip in [1, 4, 0x20, 0x80] {
                let mut bad = whole.clone();
                bad[at] ^= flip;
                let read = Line::read(&bad);
                let same_hash = |line: &Line<'_>| line.is_whole() && line.head() == head;
                assert!(!read.as_ref().is_some_and(same_hash), "{at} {flip}");
            }
        }
        for cut in 0..whole.len() {
            assert!(Line::read(&whole[..cut]).is_none());
        }
    }

    #[test]
    fn a_record_can_be_written_at_another_place() {
        let (mut head, mut other) = (Head::default(), Head { seq: 98, hash: Hash::of(b"x") });
        let out = line(&mut head, 1);
        let mut moved = Vec::new();
        Line::read(&out).unwrap().move_to(&mut moved, &mut other);
        let moved = Line::read(moved.strip_suffix(b"\n").unwrap()).unwrap();
        assert_eq!(
            (moved.seq, moved.prev, moved.is_whole(), moved.head()),
            (99, Hash::of(b"x"), true, other)
        );
        assert!(String::from_utf8_lossy(moved.hashed).contains("\"kind\":\"call\",\"tool\":\"x\",\"prev\""));
    }
}
