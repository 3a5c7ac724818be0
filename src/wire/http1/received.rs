//! A client's request head, taken from the front of what was read (RFC 9112).
//!
//! Stricter than the standard wherever it lets a recipient mend or choose, since whoever
//! stands before or behind the gateway may choose otherwise: line ends are CRLF, the length is
//! told once and in one way, `Host` is there once, nothing is folded, and a header whose name
//! becomes one that matters when `_` is read as `-` is refused. No I/O.

use std::mem::MaybeUninit;
use std::ops::Range;

use bytes::{Buf as _, BytesMut};
use http::{Method, Uri};

use super::{HeadEnd, head_end};
use crate::base::bounds::REQUEST_HEADERS;
use crate::wire::head::{RequestHead, Target};
use crate::wire::http::looks_alike;
use crate::wire::known::Known;
use crate::wire::lines::{Block, Line, Spans};

/// How the end of a request's body is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyLength {
    /// There is none.
    Empty,
    /// By its length in bytes, above 0.
    Known(u64),
    /// By a last chunk.
    Chunked,
}

/// A request's head, and what it says of its body and the connection.
#[derive(Debug)]
pub struct ReceivedHead {
    /// The head.
    pub head: RequestHead,
    /// How its body ends.
    pub length: BodyLength,
    /// Whether the client wants the connection for further requests.
    pub keep_alive: bool,
    /// Whether the client waits for `100 Continue` before it sends the body.
    pub awaits_continue: bool,
}

/// Why a head is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadFault {
    /// It can be read in more than one way, or in none.
    Malformed(&'static str),
    /// It is longer, or has more headers, than is read.
    TooLarge,
    /// It did not arrive in time.
    TooSlow,
}

/// Told where `Expect` asks for what nobody knows.
pub(in crate::wire) const OTHER_EXPECTATION: &str = "Expect can only be '100-continue'";

/// The one expectation that there is.
pub(in crate::wire) fn is_continue(value: &[u8]) -> bool {
    value.eq_ignore_ascii_case(b"100-continue")
}

const fn malformed<T>(why: &'static str) -> Result<T, HeadFault> {
    Err(HeadFault::Malformed(why))
}

/// Takes the head off the front of `read`, once it is there whole; at most `most` bytes.
pub fn take_received(read: &mut BytesMut, most: usize) -> Result<Option<ReceivedHead>, HeadFault> {
    // Empty lines before a request are ignored (RFC 9112 §2.2 asks for one), all of them: how
    // many there may be must not depend on how they arrive.
    while read.starts_with(b"\r\n") {
        read.advance(2);
    }
    // Faults are told before the end is there: a client that ends lines with LF alone would wait
    // for ever.
    let end = match head_end(read) {
        HeadEnd::At(end) => Some(end),
        HeadEnd::NotYet => None,
        HeadEnd::BareLineFeed(at) if at < most => return malformed("lines of the head must end with CRLF"),
        HeadEnd::BareLineFeed(_) => return Err(HeadFault::TooLarge),
    };
    if end.unwrap_or(read.len()) > most {
        return Err(HeadFault::TooLarge);
    }
    end.map(|end| parse(read.split_to(end))).transpose()
}

fn parse(head: BytesMut) -> Result<ReceivedHead, HeadFault> {
    let (method, path, spans) = first_look(&head)?;
    let (mut told, mut hosts) = (Told::default(), 0);
    let lines = Block::new(head, spans).sort(|line| {
        hosts += usize::from(line.known() == Known::Host);
        told.line(line)
    })?;
    if hosts != 1 {
        return malformed("Host must be there once");
    }
    let length = told.body_length()?;
    let target = match path {
        Path::Plain(at) => Target { path: lines.slice(at), authority: None },
        Path::Other(target) => target,
    };
    Ok(ReceivedHead {
        head: RequestHead { method, target, lines },
        length,
        keep_alive: !told.close,
        awaits_continue: told.awaits_continue && length != BodyLength::Empty,
    })
}

/// The first line, and where the others are.
fn first_look(head: &[u8]) -> Result<(Method, Path, Spans), HeadFault> {
    let mut lines = [const { MaybeUninit::uninit() }; REQUEST_HEADERS];
    let mut parsed = httparse::Request::new(&mut []);
    match parsed.parse_with_uninit_headers(head, &mut lines) {
        Ok(httparse::Status::Complete(length)) if length == head.len() => {}
        Err(httparse::Error::TooManyHeaders) => return Err(HeadFault::TooLarge),
        Err(httparse::Error::Version) => return malformed("HTTP/1.1 or HTTP/2 is needed"),
        _ => return malformed("the head is no HTTP/1.1"),
    }
    if parsed.version != Some(1) {
        return malformed("HTTP/1.1 or HTTP/2 is needed");
    }
    let method = Method::from_bytes(parsed.method.unwrap_or_default().as_bytes());
    let Ok(method) = method else { return malformed("the method is none") };
    let path = path(parsed.path.unwrap_or_default(), &method, head)?;
    Ok((method, path, Block::spans(head, parsed.headers)))
}

/// What a first line names.
enum Path {
    /// What it nearly always is: a path of characters that mean themselves (RFC 3986 §2.3), and
    /// where in the head it is.
    Plain(Range<usize>),
    Other(Target),
}

/// A path, or an absolute URI; nothing that a parser would have to mend or cut.
fn path(text: &str, method: &Method, head: &[u8]) -> Result<Path, HeadFault> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'_' | b'.' | b'~');
    if text.starts_with('/') && text.bytes().all(plain) {
        let from = text.as_ptr().addr().wrapping_sub(head.as_ptr().addr());
        return Ok(Path::Plain(from..from.wrapping_add(text.len())));
    }
    let visible = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#' && byte != b'\\');
    let form = text.starts_with('/')
        || text.starts_with("http://")
        || text.starts_with("https://")
        || (text == "*" && *method == Method::OPTIONS);
    match text.parse::<Uri>() {
        Ok(uri) if visible && form => Ok(Path::Other(Target::from(&uri))),
        _ => malformed("the target is neither a path nor an absolute URI"),
    }
}

/// What the head says of the body and the connection.
#[derive(Default)]
struct Told {
    length: Option<u64>,
    chunked: bool,
    close: bool,
    awaits_continue: bool,
}

impl Told {
    /// Takes in what a line says; whether it is one that stays.
    fn line(&mut self, line: Line<'_>) -> Result<bool, HeadFault> {
        match line.known() {
            Known::ContentLength => self.length(line.value())?,
            Known::TransferEncoding => self.coding(line.value())?,
            Known::Connection => self.connection(line.value())?,
            Known::Expect => self.expectation(line.value())?,
            Known::Other if looks_alike(line.name()) => {
                return malformed("a header's name has '_' where one that matters has '-'");
            }
            _ => return Ok(true),
        }
        Ok(false)
    }

    fn length(&mut self, value: &[u8]) -> Result<(), HeadFault> {
        let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
        let length = std::str::from_utf8(value).ok().filter(|_| digits).and_then(|text| text.parse().ok());
        match length {
            None => malformed("Content-Length is no number"),
            Some(length) if self.length.replace(length).is_none() => Ok(()),
            Some(_) => malformed("Content-Length is there twice"),
        }
    }

    fn coding(&mut self, value: &[u8]) -> Result<(), HeadFault> {
        if self.chunked || !value.eq_ignore_ascii_case(b"chunked") {
            return malformed("Transfer-Encoding must be 'chunked', alone and once");
        }
        self.chunked = true;
        Ok(())
    }

    /// `Connection` may not name a header that matters: whoever removes what it names would
    /// read another request.
    fn connection(&mut self, value: &[u8]) -> Result<(), HeadFault> {
        for option in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            let option = option.to_ascii_lowercase();
            match option.as_slice() {
                b"close" => self.close = true,
                b"keep-alive" | b"upgrade" | b"http2-settings" | b"te" | b"" => {}
                _ => return malformed("Connection names a header"),
            }
        }
        Ok(())
    }

    fn expectation(&mut self, value: &[u8]) -> Result<(), HeadFault> {
        if !is_continue(value) {
            return malformed(OTHER_EXPECTATION);
        }
        self.awaits_continue = true;
        Ok(())
    }

    fn body_length(&self) -> Result<BodyLength, HeadFault> {
        match (self.length, self.chunked) {
            (Some(_), true) => malformed("Content-Length and Transfer-Encoding exclude each other"),
            (None, true) => Ok(BodyLength::Chunked),
            (None | Some(0), false) => Ok(BodyLength::Empty),
            (Some(length), false) => Ok(BodyLength::Known(length)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{BodyLength, HeadFault, ReceivedHead, take_received};
    use bytes::BytesMut;

    const MOST: usize = 4096;

    fn take(text: &str) -> Result<Option<ReceivedHead>, HeadFault> {
        take_received(&mut BytesMut::from(text.as_bytes()), MOST)
    }

    fn length(lines: &str) -> Result<BodyLength, HeadFault> {
        take(&format!("POST /a HTTP/1.1\r\nHost: h\r\n{lines}\r\n")).map(|head| head.unwrap().length)
    }

    #[test]
    fn a_head_is_taken_when_it_is_whole_and_what_follows_is_left() {
        let text = "\r\nPOST /crm/mcp?x HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nX: y\r\n\r\nbody";
        for end in 2..text.len() - 4 {
            let begun = take_received(&mut BytesMut::from(&text.as_bytes()[..end]), MOST);
            assert!(begun.unwrap().is_none(), "{end}");
        }
        let mut read = BytesMut::from(text.as_bytes());
        let head = take_received(&mut read, MOST).unwrap().unwrap();
        assert_eq!(
            (head.head.target.path(), head.length, head.keep_alive),
            ("/crm/mcp", BodyLength::Known(4), true)
        );
        assert_eq!((head.head.lines.len(), &read[..]), (2, &b"body"[..]));
    }

    #[test]
    fn the_length_is_told_once_and_in_one_way() {
        assert_eq!(length(""), Ok(BodyLength::Empty));
        assert_eq!(length("Content-Length: 0\r\n"), Ok(BodyLength::Empty));
        assert_eq!(length("Transfer-Encoding: Chunked\r\n"), Ok(BodyLength::Chunked));
        for faulty in [
            "Content-Length: 5\r\nContent-Length: 5\r\n",
            "Content-Length: 5, 5\r\n",
            "Content-Length: +5\r\n",
            "Content-Length:\r\n",
            "Content-Length: 18446744073709551616\r\n",
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
            "Transfer-Encoding: gzip, chunked\r\n",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: identity\r\n",
            "Transfer-Encoding:\x0bchunked\r\n",
            "Transfer_Encoding: chunked\r\n",
            "Content-Length : 5\r\n",
            "X: a\r\n b\r\n",
            "X: a\0b\r\n",
            "Host: other\r\n",
            "Connection: close, Authorization\r\n",
            "Expect: the-unexpected\r\n",
            "MCP_Session_Id: x\r\n",
            "Mcp_Param-Region: x\r\n",
        ] {
            assert!(matches!(length(faulty), Err(HeadFault::Malformed(_))), "{faulty}");
        }
    }

    #[test]
    fn a_parameter_is_named_as_its_server_likes() {
        assert_eq!(length("Mcp-Param-customer_id: x\r\n"), Ok(BodyLength::Empty));
    }

    #[test]
    fn lines_end_with_crlf_and_lines_without_it_are_seen_at_once() {
        for faulty in [
            "POST /a HTTP/1.1\nHost: h\r\n\r\n",
            "POST /a HTTP/1.1\r\nHost: h\n\r\n",
            "POST /a HTTP/1.1\n",
            "\n",
            "POST /a HTTP/1.1\r\nHost: h\r\nX: a\rb\r\n\r\n",
        ] {
            assert!(matches!(take(faulty), Err(HeadFault::Malformed(_))), "{faulty:?}");
        }
    }

    #[test]
    fn targets_and_versions_are_what_a_server_of_today_needs() {
        let line = |line: &str| take(&format!("{line}\r\nHost: h\r\n\r\n")).map(|head| head.is_some());
        for good in ["POST /a HTTP/1.1", "GET http://h/a HTTP/1.1", "OPTIONS * HTTP/1.1", "post // HTTP/1.1"]
        {
            assert_eq!(line(good), Ok(true), "{good}");
        }
        for faulty in [
            "POST /a HTTP/1.0",
            "POST /a HTTP/1.2",
            "POST /a HTTP/2.0",
            "POST /a",
            "POST a HTTP/1.1",
            "GET * HTTP/1.1",
            "POST /a#b HTTP/1.1",
            "POST /a\\b HTTP/1.1",
            "POST /a b HTTP/1.1",
            "CONNECT h:443 HTTP/1.1",
            "POST ftp://h/a HTTP/1.1",
            "PO ST /a HTTP/1.1",
            "P\u{e9}ST /a HTTP/1.1",
        ] {
            assert!(matches!(line(faulty), Err(HeadFault::Malformed(_))), "{faulty}");
        }
    }

    #[test]
    fn heads_have_a_bound_in_bytes_and_in_lines() {
        let many = format!("GET / HTTP/1.1\r\nHost: h\r\n{}\r\n", "a: b\r\n".repeat(101));
        let long = format!("GET / HTTP/1.1\r\nHost: h\r\na: {}", "b".repeat(MOST));
        assert_eq!(take(&many).unwrap_err(), HeadFault::TooLarge);
        assert_eq!(take(&long).unwrap_err(), HeadFault::TooLarge);
    }
}
