//! The chunked coding (RFC 9112 §7.1), piece by piece as it arrives.
//!
//! Data is handed on as it comes, never gathered into whole chunks. Lines end in CRLF, sizes
//! are bare hexadecimal digits; extensions and trailers are well-formed, bounded and dropped.
//! It must never let a byte pass that another reader could take for the end of a line.

use bytes::{Buf as _, Bytes, BytesMut};
use http::HeaderName;
use memchr::memchr;

use super::Malformed;
use crate::base::bounds::{CHUNK_EXCESS_BYTES, CHUNK_LINE_BYTES, TRAILER_BYTES};

/// Where a chunked body stands.
#[derive(Debug, Default)]
pub struct Chunked {
    state: State,
    /// Bytes of lines with sizes, beyond what the data so far can excuse.
    excess: usize,
}

#[derive(Debug, Default)]
enum State {
    /// Before the line with a chunk's size.
    #[default]
    Size,
    /// In a chunk, with as many bytes to come.
    Data(u64),
    /// Before the line end after a chunk.
    AfterData,
    /// In the trailers, after as many bytes.
    Trailers(usize),
    /// After the last line.
    Over,
}

/// What the next bytes are.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece {
    /// Data, never empty.
    Data(Bytes),
    /// The body's end.
    End,
}

impl Chunked {
    /// Takes the next piece off the front of `read`; `None` when more has to arrive first.
    pub fn next(&mut self, read: &mut BytesMut) -> Result<Option<Piece>, Malformed> {
        loop {
            match &mut self.state {
                State::Size => {
                    let Some(line) = take_line(read, CHUNK_LINE_BYTES)? else { return Ok(None) };
                    let size = size(&line)?;
                    self.weigh(line.len(), size)?;
                    self.state = if size == 0 { State::Trailers(0) } else { State::Data(size) };
                }
                State::Data(_) if read.is_empty() => return Ok(None),
                State::Data(left) => {
                    let count = usize::try_from(*left).unwrap_or(usize::MAX).min(read.len());
                    let data = read.split_to(count).freeze();
                    *left -= count as u64;
                    if *left == 0 {
                        self.state = State::AfterData;
                    }
                    return Ok(Some(Piece::Data(data)));
                }
                State::AfterData => match read.get(..2) {
                    None => return Ok(None),
                    Some(b"\r\n") => {
                        read.advance(2);
                        self.state = State::Size;
                    }
                    Some(_) => return Err(Malformed("a chunk is longer than its size")),
                },
                State::Trailers(seen) => {
                    let Some(line) = take_line(read, TRAILER_BYTES)? else { return Ok(None) };
                    *seen += line.len();
                    if line.is_empty() {
                        self.state = State::Over;
                    } else if *seen > TRAILER_BYTES {
                        return Err(Malformed("its trailers are too long"));
                    } else if !is_field(&line) {
                        return Err(Malformed("a trailer is none"));
                    }
                }
                State::Over => return Ok(Some(Piece::End)),
            }
        }
    }

    /// Many small chunks with long extensions would cost far more to read than they bring: each
    /// may have a short line, and a longer one as far as there is data.
    fn weigh(&mut self, line: usize, size: u64) -> Result<(), Malformed> {
        let excused = usize::try_from(size).unwrap_or(usize::MAX).saturating_add(CHUNK_LINE_FREE);
        self.excess = (self.excess + line).saturating_sub(excused);
        if self.excess > CHUNK_EXCESS_BYTES {
            return Err(Malformed("its chunks are mostly extensions"));
        }
        Ok(())
    }

    /// Whether the end was reached; what was read already is looked at first, so that a last
    /// chunk that came with its data is seen without waiting.
    pub fn is_over(&mut self, read: &mut BytesMut) -> Result<bool, Malformed> {
        if matches!(self.state, State::AfterData) && matches!(read.get(..5), Some(b"\r\n0\r\n")) {
            let _ = self.next(read)?;
        }
        Ok(matches!(self.state, State::Over))
    }
}

/// Bytes of the line of a chunk's size that need no excuse: more than any size takes.
const CHUNK_LINE_FREE: usize = 32;

/// A line without its end.
fn take_line(read: &mut BytesMut, most: usize) -> Result<Option<BytesMut>, Malformed> {
    let Some(end) = memchr(b'\n', read) else {
        return if read.len() > most { Err(Malformed("a line of its chunks is too long")) } else { Ok(None) };
    };
    let mut line = read.split_to(end + 1);
    if end > most || !line.ends_with(b"\r\n") {
        return Err(Malformed("a line of its chunks is faulty"));
    }
    line.truncate(end - 1);
    // A CR in the middle is a line end to some readers, a NUL the end of the text to others.
    if line.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') {
        return Err(Malformed("a line of its chunks is faulty"));
    }
    Ok(Some(line))
}

fn size(line: &[u8]) -> Result<u64, Malformed> {
    let count = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let (digits, extension) = line.split_at_checked(count).unwrap_or_default();
    if !(1..=16).contains(&count) || !is_extension(extension) {
        return Err(Malformed("a chunk's size is no number"));
    }
    let size = std::str::from_utf8(digits).ok().and_then(|digits| u64::from_str_radix(digits, 16).ok());
    size.ok_or(Malformed("a chunk's size is no number"))
}

/// Nothing, or a semicolon and text; white space may stand before it (RFC 9112 §7.1.1), and
/// nowhere else behind a size.
fn is_extension(rest: &[u8]) -> bool {
    let first = rest.iter().find(|byte| !matches!(byte, b' ' | b'\t'));
    rest.is_empty() || (first == Some(&b';'))
}

/// A header line: a name, a colon, a value.
fn is_field(line: &[u8]) -> bool {
    let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
    name.len() < line.len() && HeaderName::from_bytes(name).is_ok()
}

#[cfg(test)]
mod tests {
    use super::{Chunked, Piece};
    use bytes::BytesMut;

    const BODY: &[u8] = b"5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nTrailer: x\r\n\r\n";

    /// Feeds the body in steps of `step` bytes; what came out, and what was left over.
    fn feed(body: &[u8], step: usize) -> Result<(Vec<u8>, bool, usize), &'static str> {
        let (mut chunked, mut read, mut data) = (Chunked::default(), BytesMut::new(), Vec::new());
        for part in body.chunks(step) {
            read.extend_from_slice(part);
            while let Some(piece) = chunked.next(&mut read).map_err(|fault| fault.0)? {
                match piece {
                    Piece::Data(bytes) => data.extend_from_slice(&bytes),
                    Piece::End => return Ok((data, true, read.len())),
                }
            }
        }
        Ok((data, false, read.len()))
    }

    #[test]
    fn bodies_arrive_whole_however_they_are_cut() {
        for step in 1..=BODY.len() {
            assert_eq!(feed(BODY, step), Ok((b"hello world".to_vec(), true, 0)), "{step}");
        }
        assert_eq!(feed(&[BODY, b"HTTP"].concat(), 1_000).unwrap().2, 4, "what follows is left");
    }

    #[test]
    fn no_prefix_of_a_body_ends_it() {
        for end in 0..BODY.len() {
            assert!(!feed(&BODY[..end], 7).unwrap().1, "{end}");
        }
    }

    #[test]
    fn an_end_that_came_along_is_seen_at_once() {
        let (mut chunked, mut read) = (Chunked::default(), BytesMut::from(&b"2\r\nhi\r\n0\r\n\r\n"[..]));
        assert!(matches!(chunked.next(&mut read), Ok(Some(Piece::Data(_)))));
        assert_eq!((chunked.is_over(&mut read), read.len()), (Ok(true), 0));
    }

    #[test]
    fn faulty_chunks_are_refused() {
        for faulty in [
            &b"5\nhello\r\n0\r\n\r\n"[..],
            b"5\r\nhello0\r\n\r\n",
            b"5\r\nhelloXX0\r\n\r\n",
            b"-5\r\nhello\r\n",
            b"0x5\r\nhello\r\n",
            b" 5\r\nhello\r\n",
            b"\r\nhello\r\n",
            b"11111111111111111\r\n",
            b"g\r\n",
            b"0\r\nTrailer: x\n\r\n",
            b"5;x\rX-Other: y\r\nhello\r\n0\r\n\r\n",
            b"0\r\nTrailer: \0x\r\n\r\n",
            b"5 \r\nhello\r\n",
            b"5\r\r\nhello\r\n",
            b"5\x0c\r\nhello\r\n",
            b"5;a=\rb\r\nhello\r\n",
            b"5;a=\0\r\nhello\r\n",
            b"5x\r\nhello\r\n",
            b"0\r\nno trailer\r\n\r\n",
            b"0\r\n folded: x\r\n\r\n",
            b"0\r\na: b\rc\r\n\r\n",
        ] {
            assert!(feed(faulty, 3).is_err(), "{}", faulty.escape_ascii());
        }
        let extended = format!("1;{}\r\nx\r\n", "e".repeat(1_000));
        assert!(feed(extended.repeat(10).as_bytes(), 500).is_ok());
        assert!(feed(extended.repeat(100).as_bytes(), 500).is_err());
        assert!(feed(&b"1".repeat(20_000), 1_000).is_err());
        assert!(feed(&[&b"0\r\n"[..], &b"a: b\r\n".repeat(20_000)].concat(), 1_000).is_err());
    }
}
