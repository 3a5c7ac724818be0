//! Answers as they are read, framed by their length or in chunks, and compared.

use std::borrow::Cow;

use crate::Done;
use crate::traffic::Expected;

/// Headers that an answer may have.
const HEADERS: usize = 64;

/// An answer, read whole.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer<'b> {
    pub(super) status: u16,
    pub(super) body: Cow<'b, [u8]>,
    /// The server ends the connection with it.
    pub(super) closes: bool,
}

impl Answer<'_> {
    /// Whether it is the one that was to come: a refusal by its status alone, everything else whole.
    pub(super) fn expect(&self, expected: &Expected) -> Done {
        let as_expected = match expected {
            Expected::Answer(body) => self.status == 200 && *self.body == **body,
            Expected::Status(status) => self.status == *status,
        };
        if as_expected {
            return Ok(());
        }
        let start = self.body.get(..self.body.len().min(200)).unwrap_or_default();
        let (status, count, start) = (self.status, self.body.len(), String::from_utf8_lossy(start));
        Err(format!("status {status} with {count} bytes: {start}"))
    }
}

/// The answer, once it is there whole.
pub(super) fn answer(read: &[u8]) -> Done<Option<Answer<'_>>> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let head = match response.parse(read).map_err(|error| format!("no HTTP: {error}"))? {
        httparse::Status::Complete(head) => head,
        httparse::Status::Partial => return Ok(None),
    };
    let (mut length, mut chunked, mut closes) = (None, false, false);
    for header in response.headers.iter() {
        if header.name.eq_ignore_ascii_case("content-length") {
            length = std::str::from_utf8(header.value).ok().and_then(|text| text.trim().parse().ok());
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
            chunked = header.value.eq_ignore_ascii_case(b"chunked");
        } else if header.name.eq_ignore_ascii_case("connection") {
            closes = header.value.eq_ignore_ascii_case(b"close");
        }
    }
    let read = read.get(head..).unwrap_or_default();
    let body = match length {
        Some(length) if read.len() > length => return Err("more bytes than the answer has".to_owned()),
        Some(length) => (read.len() == length).then_some(Cow::Borrowed(read)),
        None if chunked => chunks(read)?.map(Cow::Owned),
        None => return Err("an answer with neither Content-Length nor chunks".to_owned()),
    };
    Ok(body.map(|body| Answer { status: response.code.unwrap_or(0), body, closes }))
}

/// A body out of its chunks, once the last is there.
fn chunks(mut read: &[u8]) -> Done<Option<Vec<u8>>> {
    let mut body = Vec::new();
    loop {
        let size = httparse::parse_chunk_size(read).map_err(|_| "no chunk where one should be")?;
        let httparse::Status::Complete((start, size)) = size else { return Ok(None) };
        let size = usize::try_from(size).map_err(|error| error.to_string())?;
        let Some(chunk) = read.get(start..).and_then(|rest| rest.split_at_checked(size)) else {
            return Ok(None);
        };
        let Some((end, rest)) = chunk.1.split_at_checked(2) else { return Ok(None) };
        if end != b"\r\n" {
            return Err("a chunk without its end, or a trailer".to_owned());
        }
        if size == 0 {
            return if rest.is_empty() { Ok(Some(body)) } else { Err("bytes after the answer".to_owned()) };
        }
        body.extend_from_slice(chunk.0);
        read = rest;
    }
}

#[cfg(test)]
mod tests {
    use super::{Answer, Expected, answer};
    use crate::traffic::call::ANSWER;

    #[test]
    fn answers_are_read_by_their_length() {
        let text = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{ANSWER}", ANSWER.len());
        let whole = answer(text.as_bytes()).unwrap().unwrap();
        let expected = |body: &str| Expected::Answer(body.as_bytes().into());
        whole.expect(&expected(ANSWER)).unwrap();
        assert!(whole.expect(&expected("{}")).is_err() && whole.expect(&Expected::Status(401)).is_err());
        assert_eq!(answer(&text.as_bytes()[..text.len() - 1]), Ok(None));
        assert_eq!(answer(b"HTTP/1.1 200"), Ok(None));
        assert!(answer(format!("{text}x").as_bytes()).is_err());
        assert!(answer(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
        let refused = Answer { status: 403, ..whole };
        assert!(refused.expect(&expected(ANSWER)).is_err() && refused.expect(&Expected::Status(403)).is_ok());
    }

    #[test]
    fn answers_are_read_by_their_chunks() {
        let text = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nConnection: close\r\n\r\n5\r\nhello\r\n6;x\r\n world\r\n0\r\n\r\n";
        let whole = answer(text).unwrap().unwrap();
        assert!(whole.closes);
        whole.expect(&Expected::Answer(b"hello world"[..].into())).unwrap();
        for count in 0..text.len() {
            assert_eq!(answer(&text[..count]), Ok(None), "{count}");
        }
        assert!(answer(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nxy\r\n").is_err());
    }
}
