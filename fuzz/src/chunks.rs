//! The chunked coding: a simple decoder of whole bodies, and the gateway's fed piece by piece.

use bytes::BytesMut;
use tollgate::base::bounds::{CHUNK_LINE_BYTES, TRAILER_BYTES};
use tollgate::wire::http1::{Chunked, LAST_CHUNK, Piece, write_chunk};

use super::cuts;

/// What a body is: its data, and how much follows it; `None` while its end is not there.
type Body = (Vec<u8>, Option<usize>);

/// Decodes a body whole (RFC 9112 §7.1), strictly; `Err` where it is none.
fn decode(body: &[u8]) -> Result<Body, ()> {
    let (mut rest, mut data) = (body, Vec::new());
    loop {
        let Some(line) = line(&mut rest, CHUNK_LINE_BYTES)? else { return Ok((data, None)) };
        let (digits, extension) = match line.iter().position(|byte| *byte == b';') {
            Some(at) => line.split_at(at),
            None => (line, &[][..]),
        };
        let digits = std::str::from_utf8(digits).map_err(|_| ())?;
        // White space may stand before an extension, and nowhere else.
        let digits = if extension.is_empty() { digits } else { digits.trim_end_matches([' ', '\t']) };
        if !(1..=16).contains(&digits.len()) || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(());
        }
        let size = u64::from_str_radix(digits, 16).map_err(|_| ())?;
        if size == 0 {
            break;
        }
        if (rest.len() as u64) < size {
            data.extend_from_slice(rest);
            return Ok((data, None));
        }
        let (chunk, after) = rest.split_at(size as usize);
        data.extend_from_slice(chunk);
        rest = match after {
            [b'\r', b'\n', after @ ..] => after,
            [_, _, ..] => return Err(()),
            _ => return Ok((data, None)),
        };
    }
    let mut seen = 0;
    loop {
        let Some(line) = line(&mut rest, TRAILER_BYTES)? else { return Ok((data, None)) };
        if line.is_empty() {
            return Ok((data, Some(rest.len())));
        }
        let colon = line.iter().position(|byte| *byte == b':').ok_or(())?;
        if colon == 0 || !line[..colon].iter().all(|byte| is_token(*byte)) {
            return Err(());
        }
        seen += line.len();
        if seen > TRAILER_BYTES {
            return Err(());
        }
    }
}

/// What a header's name is made of (RFC 9110 §5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// A line that ends in CRLF and holds no control character; `None` while it is not there.
fn line<'b>(rest: &mut &'b [u8], most: usize) -> Result<Option<&'b [u8]>, ()> {
    let Some(end) = rest.iter().position(|byte| *byte == b'\n') else {
        return if rest.len() > most { Err(()) } else { Ok(None) };
    };
    let (line, after) = rest.split_at(end + 1);
    *rest = after;
    let line = line.strip_suffix(b"\r\n").filter(|_| end <= most).ok_or(())?;
    let control = |byte: &u8| (*byte < 0x20 && *byte != b'\t') || *byte == 0x7f;
    if line.iter().any(control) { Err(()) } else { Ok(Some(line)) }
}

/// Feeds the gateway's decoder what arrives in parts.
fn feed(parts: &[&[u8]], looks_ahead: bool) -> (Vec<u8>, Result<Option<usize>, ()>) {
    let (mut chunked, mut read, mut data) = (Chunked::default(), BytesMut::new(), Vec::new());
    for (index, part) in parts.iter().enumerate() {
        read.extend_from_slice(part);
        loop {
            if looks_ahead {
                match chunked.is_over(&mut read) {
                    Ok(_) => {}
                    Err(_) => return (data, Err(())),
                }
            }
            match chunked.next(&mut read) {
                Ok(Some(Piece::Data(bytes))) => {
                    assert!(!bytes.is_empty(), "a piece without data");
                    data.extend_from_slice(&bytes);
                }
                Ok(Some(Piece::End)) => {
                    assert_eq!(chunked.is_over(&mut read), Ok(true));
                    let more: usize = parts[index + 1..].iter().map(|part| part.len()).sum();
                    return (data, Ok(Some(read.len() + more)));
                }
                Ok(None) => break,
                Err(_) => return (data, Err(())),
            }
        }
    }
    (data, Ok(None))
}

/// Holds the two against each other, however the body is cut.
pub fn check(body: &[u8]) {
    let expected = decode(body);
    for (number, parts) in cuts::runs(body).chain([vec![body]]).enumerate() {
        let (data, end) = feed(&parts, number % 2 == 0);
        match &expected {
            Ok((whole, follows)) => {
                assert_eq!((&data, end), (whole, Ok(*follows)), "{}", body.escape_ascii());
            }
            Err(()) => assert_eq!(end, Err(()), "{}", body.escape_ascii()),
        }
    }
    if let Ok((data, _)) = expected {
        let mut written = Vec::new();
        for part in data.chunks(5) {
            write_chunk(&mut written, part);
        }
        written.extend_from_slice(LAST_CHUNK);
        assert_eq!(decode(&written), Ok((data.clone(), Some(0))));
        assert_eq!(feed(&[&written], true), (data, Ok(Some(0))));
    }
}
