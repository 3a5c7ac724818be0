//! An answer's head as bytes, towards clients, and the framing of its chunks.
//!
//! Names and values come from types that hold no line break, so that none can begin another
//! line. The length is told here and nowhere else.

use std::io::Write as _;

use http::StatusCode;
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};

use super::request::{decimal, write_line, write_own};
use crate::wire::head::Reply;
use crate::wire::known::Known;
use crate::wire::lines::Lines;

/// How the end of an answer's body is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerLength {
    /// By its length in bytes; 0 for none.
    Known(u64),
    /// By a last chunk.
    Chunked,
}

/// Ends a body of chunks.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// Appends the head of an answer. `date` is the value of `Date`, told where the answer has none;
/// `close` tells that the connection serves no further request.
pub fn write_answer<B>(out: &mut Vec<u8>, reply: &Reply<B>, length: AnswerLength, date: &[u8], close: bool) {
    let status = reply.status;
    if status == StatusCode::OK {
        out.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
    } else {
        for part in [b"HTTP/1.1 ", status.as_str().as_bytes(), b" "] {
            out.extend_from_slice(part);
        }
        out.extend_from_slice(status.canonical_reason().unwrap_or_default().as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    let mut dated = false;
    for line in reply.fixed.into_iter().flat_map(Lines::iter).chain(reply.passed.iter()) {
        dated |= line.known() == Known::Date;
        write_line(out, line);
    }
    for (name, value) in &reply.own {
        if *name != CONTENT_LENGTH && *name != TRANSFER_ENCODING && *name != CONNECTION {
            write_own(out, name, value);
        }
    }
    if !dated {
        for part in [b"date: ", date, b"\r\n"] {
            out.extend_from_slice(part);
        }
    }
    match length {
        // RFC 9110 §8.6: an answer without content by definition tells no length.
        AnswerLength::Known(0) if status == StatusCode::NO_CONTENT => {}
        AnswerLength::Known(length) => {
            out.extend_from_slice(b"content-length: ");
            decimal(out, usize::try_from(length).unwrap_or(usize::MAX));
            out.extend_from_slice(b"\r\n");
        }
        AnswerLength::Chunked => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
    }
    if close {
        out.extend_from_slice(b"connection: close\r\n");
    }
    out.extend_from_slice(b"\r\n");
}

/// Appends one chunk; nothing for no data, which would end the body.
pub fn write_chunk(out: &mut Vec<u8>, data: &[u8]) {
    if !data.is_empty() {
        // Writing into a Vec cannot fail.
        let _ = write!(out, "{:x}\r\n", data.len());
        out.extend_from_slice(data);
        out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::{AnswerLength, write_answer, write_chunk};
    use crate::wire::head::Reply;
    use http::{HeaderValue, StatusCode};

    fn head(status: u16, length: AnswerLength, close: bool) -> String {
        let mut reply = Reply::new(StatusCode::from_u16(status).unwrap(), ());
        reply.own.insert("x", HeaderValue::from_static("y"));
        reply.own.insert("content-length", HeaderValue::from_static("99"));
        let mut out = Vec::new();
        write_answer(&mut out, &reply, length, b"now", close);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_length_is_told_in_one_way() {
        assert_eq!(
            head(200, AnswerLength::Known(5), false),
            "HTTP/1.1 200 OK\r\nx: y\r\ndate: now\r\ncontent-length: 5\r\n\r\n"
        );
        assert_eq!(
            head(200, AnswerLength::Chunked, true),
            "HTTP/1.1 200 OK\r\nx: y\r\ndate: now\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"
        );
        assert!(!head(204, AnswerLength::Known(0), false).contains("content-length"));
        assert!(head(202, AnswerLength::Known(0), false).contains("content-length: 0"));
    }

    #[test]
    fn no_data_is_no_chunk() {
        let mut out = Vec::new();
        write_chunk(&mut out, b"");
        write_chunk(&mut out, &[b'a'; 17]);
        assert_eq!(out, b"11\r\naaaaaaaaaaaaaaaaa\r\n");
    }
}
