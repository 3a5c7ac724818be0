//! A request's head as bytes.
//!
//! Method, target, names and values come from types that hold no line break, so that no value
//! can begin another line. The length is told here and nowhere else.

use http::header::CONTENT_LENGTH;
use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, Method};

use crate::wire::lines::Line;

/// What every request to one endpoint begins with behind its method: target, version, and the
/// headers that never change. It may hold a credential, so it cannot be printed.
#[derive(Clone)]
pub struct Preamble(Box<[u8]>);

impl std::fmt::Debug for Preamble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Preamble(..)")
    }
}

impl Preamble {
    /// The beginning of requests for `target` with these headers.
    pub fn new<'h>(
        target: &PathAndQuery,
        headers: impl IntoIterator<Item = (&'h HeaderName, &'h HeaderValue)>,
    ) -> Self {
        // Written by its `Display`, which gives a query without a path the '/' that it needs.
        let mut out = format!(" {target} HTTP/1.1\r\n").into_bytes();
        for (name, value) in headers {
            write_own(&mut out, name, value);
        }
        Self(out.into())
    }

    /// How many bytes it has.
    #[inline]
    pub fn size(&self) -> usize {
        self.0.len()
    }
}

/// Appends the beginning of a request's head. Lines and [`end_request`] follow.
#[inline]
pub fn begin_request(out: &mut Vec<u8>, method: &Method, preamble: &Preamble) {
    out.extend_from_slice(method.as_str().as_bytes());
    out.extend_from_slice(&preamble.0);
}

/// Appends the end of the head of a request with a body of `length` bytes. A length of 0 is told
/// only for POST, which promises a body.
#[inline]
pub fn end_request(out: &mut Vec<u8>, method: &Method, length: usize) {
    if length > 0 || *method == Method::POST {
        out.extend_from_slice(CONTENT_LENGTH.as_str().as_bytes());
        out.extend_from_slice(b": ");
        decimal(out, length);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
}

/// Appends a line that came from a message.
#[inline]
pub fn write_line(out: &mut Vec<u8>, line: Line<'_>) {
    write_parts(out, line.name(), line.value());
}

/// Appends a line of the gateway's own.
#[inline]
pub fn write_own(out: &mut Vec<u8>, name: &HeaderName, value: &HeaderValue) {
    write_parts(out, name.as_str().as_bytes(), value.as_bytes());
}

#[inline]
fn write_parts(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    // One check of the room instead of four.
    out.reserve(name.len() + value.len() + 4);
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// Appends a number in decimal.
pub(super) fn decimal(out: &mut Vec<u8>, mut number: usize) {
    let start = out.len();
    loop {
        out.push(b'0' + (number % 10) as u8);
        number /= 10;
        if number == 0 {
            break;
        }
    }
    if let Some(digits) = out.get_mut(start..) {
        digits.reverse();
    }
}

#[cfg(test)]
mod tests {
    use super::{Preamble, begin_request, end_request, write_own};
    use http::uri::PathAndQuery;
    use http::{HeaderName, HeaderValue, Method};

    fn written(method: &Method, target: &'static str, length: usize) -> String {
        let (host, localhost) = (HeaderName::from_static("host"), HeaderValue::from_static("localhost"));
        let preamble = Preamble::new(&PathAndQuery::from_static(target), [(&host, &localhost)]);
        let mut out = Vec::new();
        begin_request(&mut out, method, &preamble);
        write_own(&mut out, &HeaderName::from_static("a"), &HeaderValue::from_static("b"));
        end_request(&mut out, method, length);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn heads_are_written_with_the_length_of_what_follows() {
        let head = "/mcp?a=b HTTP/1.1\r\nhost: localhost\r\na: b\r\n";
        assert_eq!(
            written(&Method::POST, "/mcp?a=b", 1_230),
            format!("POST {head}content-length: 1230\r\n\r\n")
        );
        assert_eq!(written(&Method::POST, "/mcp?a=b", 0), format!("POST {head}content-length: 0\r\n\r\n"));
        assert_eq!(written(&Method::GET, "/mcp?a=b", 0), format!("GET {head}\r\n"));
        assert!(written(&Method::GET, "?a", 0).starts_with("GET /?a HTTP/1.1\r\n"));
    }

    #[test]
    fn a_preamble_is_not_shown() {
        let (name, value) = (HeaderName::from_static("authorization"), HeaderValue::from_static("secret"));
        let preamble = Preamble::new(&PathAndQuery::from_static("/"), [(&name, &value)]);
        assert!(!format!("{preamble:?}").contains("secret"));
    }
}
