//! An answer's head, taken from the front of what was read.
//!
//! Framing as RFC 9112 §6.3 tells a recipient, and stricter where it leaves a choice: a length
//! beside chunks, two lengths, a length that is no number, and any other transfer coding are
//! malformed instead of mended. Faults are told as soon as they are there: an upstream that
//! does not speak HTTP/1.1 would be waited for otherwise. Interim answers (1xx) are skipped, up
//! to a bound; there is no upgrade.

use std::mem::MaybeUninit;

use bytes::BytesMut;
use http::StatusCode;

use super::{HeadEnd, Malformed, head_end};
use crate::base::bounds::{INTERIM_ANSWERS, RESPONSE_HEAD_BYTES, RESPONSE_HEADERS};
use crate::wire::known::Known;
use crate::wire::lines::{Block, Line, Lines, Spans};

/// How the end of a body is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is none.
    Empty,
    /// By its length in bytes, above 0.
    Length(u64),
    /// By a last chunk.
    Chunked,
    /// By the end of the connection.
    UntilClose,
}

/// The head of an answer. Headers of the connection and of the framing are not in it.
#[derive(Debug)]
pub struct ResponseHead {
    /// Its status, never 1xx.
    pub status: StatusCode,
    /// Its headers.
    pub lines: Lines,
    /// How its body ends.
    pub framing: Framing,
    /// Whether the connection may serve another exchange after the body's end.
    pub reusable: bool,
}

/// Takes the head off the front of `read`, once it is there whole. `interim` counts the interim
/// answers of the exchange.
pub fn take_head(read: &mut BytesMut, interim: &mut usize) -> Result<Option<ResponseHead>, Malformed> {
    while let Some(length) = head_length(read)? {
        let head = parse(read.split_to(length))?;
        match head.status.as_u16() {
            101 => return Err(Malformed("it switches protocols, which nobody asked for")),
            100..200 if *interim < INTERIM_ANSWERS => *interim += 1,
            100..200 => return Err(Malformed("it has too many interim answers")),
            _ => return Ok(Some(head)),
        }
    }
    Ok(None)
}

fn head_length(read: &[u8]) -> Result<Option<usize>, Malformed> {
    let end = head_end(read);
    let seen = if let HeadEnd::At(end) = end { end } else { read.len() };
    if seen > RESPONSE_HEAD_BYTES {
        return Err(Malformed("its head is too long"));
    }
    if !read.iter().take(seen).zip(PROTOCOL).all(|(byte, wanted)| byte == wanted) {
        return Err(Malformed("it does not begin like one"));
    }
    match end {
        HeadEnd::At(end) => Ok(Some(end)),
        HeadEnd::NotYet => Ok(None),
        HeadEnd::BareLineFeed(_) => Err(Malformed("lines of its head do not end with CRLF")),
    }
}

/// How every answer begins.
const PROTOCOL: &[u8] = b"HTTP/1.";

fn parse(head: BytesMut) -> Result<ResponseHead, Malformed> {
    let (status, current, spans) = first_look(&head)?;
    let mut told = Told { reusable: current, ..Told::default() };
    let lines = Block::new(head, spans).sort(|line| told.line(line))?;
    if told.chunked && !current {
        return Err(Malformed("HTTP/1.0 has no chunks"));
    }
    let framing = told.framing(status)?;
    let reusable = told.reusable && framing != Framing::UntilClose && !told.promises_in_vain(status);
    Ok(ResponseHead { status, lines, framing, reusable })
}

/// The status, whether the version is 1.1, and where the lines are.
fn first_look(head: &[u8]) -> Result<(StatusCode, bool, Spans), Malformed> {
    let mut lines = [const { MaybeUninit::uninit() }; RESPONSE_HEADERS];
    let mut parsed = httparse::Response::new(&mut []);
    let config = httparse::ParserConfig::default();
    match config.parse_response_with_uninit_headers(&mut parsed, head, &mut lines) {
        Ok(httparse::Status::Complete(length)) if length == head.len() => {}
        Err(httparse::Error::TooManyHeaders) => return Err(Malformed("it has too many headers")),
        _ => return Err(Malformed("its head is faulty")),
    }
    let status = parsed.code.and_then(|code| StatusCode::from_u16(code).ok());
    let status = status.ok_or(Malformed("its status is faulty"))?;
    Ok((status, parsed.version == Some(1), Block::spans(head, parsed.headers)))
}

/// What the head says of the body and the connection.
#[derive(Default)]
struct Told {
    length: Option<u64>,
    chunked: bool,
    reusable: bool,
}

impl Told {
    /// Takes in what a line says; whether it is one that stays.
    fn line(&mut self, line: Line<'_>) -> Result<bool, Malformed> {
        match line.known() {
            Known::ContentLength => self.length(line.value())?,
            Known::TransferEncoding => self.coding(line.value())?,
            Known::Connection => self.connection(line.value()),
            _ => return Ok(true),
        }
        Ok(false)
    }

    fn length(&mut self, value: &[u8]) -> Result<(), Malformed> {
        let value = value.trim_ascii();
        let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
        let length = std::str::from_utf8(value).ok().filter(|_| digits).and_then(|text| text.parse().ok());
        let length = length.ok_or(Malformed("its length is no number"))?;
        match self.length.replace(length) {
            Some(other) if other != length => Err(Malformed("it has two lengths")),
            _ => Ok(()),
        }
    }

    fn coding(&mut self, value: &[u8]) -> Result<(), Malformed> {
        if self.chunked || !value.trim_ascii().eq_ignore_ascii_case(b"chunked") {
            return Err(Malformed("its transfer coding is not 'chunked' alone"));
        }
        self.chunked = true;
        Ok(())
    }

    fn connection(&mut self, value: &[u8]) {
        let mut tokens = value.split(|byte| *byte == b',');
        self.reusable &= !tokens.any(|token| token.trim_ascii().eq_ignore_ascii_case(b"close"));
    }

    /// Whether a body is announced where there can be none: it may follow all the same, and be
    /// taken for the next answer. With 304 the length is that of what was not sent.
    fn promises_in_vain(&self, status: StatusCode) -> bool {
        status == StatusCode::NO_CONTENT && (self.chunked || self.length.is_some_and(|length| length > 0))
    }

    fn framing(&self, status: StatusCode) -> Result<Framing, Malformed> {
        match (self.length, self.chunked) {
            (Some(_), true) => Err(Malformed("it has a length and chunks")),
            _ if matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) => Ok(Framing::Empty),
            (None, true) => Ok(Framing::Chunked),
            (Some(0), false) => Ok(Framing::Empty),
            (Some(length), false) => Ok(Framing::Length(length)),
            (None, false) => Ok(Framing::UntilClose),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Framing, Known, Malformed, ResponseHead, take_head};
    use bytes::BytesMut;

    fn take(read: &mut BytesMut) -> Result<Option<ResponseHead>, Malformed> {
        take_head(read, &mut 0)
    }

    fn framing(lines: &str) -> Result<(Framing, bool), &'static str> {
        let mut read = BytesMut::from(format!("HTTP/1.1 200 OK\r\n{lines}\r\nrest").as_bytes());
        let head = take(&mut read).map_err(|fault| fault.0)?.unwrap();
        assert_eq!(&read[..], b"rest");
        Ok((head.framing, head.reusable))
    }

    #[test]
    fn the_end_of_a_body_is_told_in_one_way_or_not_at_all() {
        assert_eq!(framing("Content-Length: 5\r\n"), Ok((Framing::Length(5), true)));
        assert_eq!(framing("Content-Length: 5\r\nContent-Length: 5\r\n"), Ok((Framing::Length(5), true)));
        assert_eq!(framing("Content-Length: 0\r\n"), Ok((Framing::Empty, true)));
        assert_eq!(framing("transfer-encoding: Chunked\r\n"), Ok((Framing::Chunked, true)));
        assert_eq!(framing(""), Ok((Framing::UntilClose, false)));
        assert_eq!(framing("Content-Length: 5\r\nConnection: x, Close\r\n"), Ok((Framing::Length(5), false)));
        for faulty in [
            "Content-Length: 5\r\nContent-Length: 6\r\n",
            "Content-Length: 5, 5\r\n",
            "Content-Length: +5\r\n",
            "Content-Length: 0x5\r\n",
            "Content-Length:\r\n",
            "Content-Length: 99999999999999999999\r\n",
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: gzip, chunked\r\n",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: xchunked\r\n",
            "Content-Length : 5\r\n",
            "X: a\r\n b\r\n",
            "X: a\0b\r\n",
        ] {
            assert!(framing(faulty).is_err(), "{faulty}");
        }
    }

    #[test]
    fn a_head_is_taken_when_it_is_whole_and_interim_ones_are_skipped() {
        let text = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 202 Accepted\r\nContent-Length: 0\r\nA: b\r\n\r\n";
        for end in 0..text.len() {
            assert!(take(&mut BytesMut::from(&text[..end])).unwrap().is_none(), "{end}");
        }
        let head = take(&mut BytesMut::from(&text[..])).unwrap().unwrap();
        assert_eq!((head.status.as_u16(), head.lines.len()), (202, 1));
        assert_eq!(head.lines.get(Known::Other), Some(&b"b"[..]));
    }

    #[test]
    fn old_versions_are_not_reused_and_the_rest_is_refused() {
        let mut old = BytesMut::from(&b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx"[..]);
        assert!(!take(&mut old).unwrap().unwrap().reusable);
        let mut vain = BytesMut::from(&b"HTTP/1.1 204 No Content\r\nContent-Length: 1\r\n\r\n"[..]);
        assert!(!take(&mut vain).unwrap().unwrap().reusable);
        for faulty in [
            "HTTP/1.1 101 Switching Protocols\r\n\r\n".to_owned(),
            "HTTP/2.0 200 OK\r\n\r\n".to_owned(),
            // Seen before the end of a head that will never come.
            "{\"json".to_owned(),
            "HTTP/1.1 200 OK\n".to_owned(),
            "HTTP/1.1 200 OK\r\nX: y\nZ: a\r\n\r\n".to_owned(),
            "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned(),
            "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(17),
            "SSH-2.0-server\r\n\r\n".to_owned(),
            "HTTP/1.1 99 Low\r\n\r\n".to_owned(),
            "HTTP/1.1 200 OK\nA: b\r\n\r\n".to_owned(),
            "HTTP/1.1 200 OK\r\nA: b\nContent-Length: 5\r\n\r\n".to_owned(),
            "\r\nHTTP/1.1 200 OK\r\n\r\n".to_owned(),
            format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(101)),
            format!("HTTP/1.1 200 OK\r\na: {}\r\n\r\n", "b".repeat(70_000)),
            format!("HTTP/1.1 200 OK\r\na: {}", "b".repeat(70_000)),
        ] {
            assert!(take(&mut BytesMut::from(faulty.as_bytes())).is_err(), "{faulty:.40}");
        }
    }
}
