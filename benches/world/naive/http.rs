//! HTTP as one would write it first: a parser's lines copied into a map, headers formatted,
//! lists of names searched one by one.

use std::fmt::Write as _;

use http::header::{CONTENT_LENGTH, HeaderName};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};

const FORWARDED: [&str; 12] = [
    "accept",
    "accept-language",
    "baggage",
    "content-type",
    "last-event-id",
    "mcp-method",
    "mcp-name",
    "mcp-protocol-version",
    "mcp-session-id",
    "traceparent",
    "tracestate",
    "user-agent",
];
const TOLD: [&str; 8] = [
    "cache-control",
    "content-encoding",
    "content-type",
    "date",
    "etag",
    "mcp-session-id",
    "retry-after",
    "x-request-id",
];

fn copied(lines: &[httparse::Header<'_>]) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append(
            HeaderName::from_bytes(line.name.as_bytes()).ok()?,
            HeaderValue::from_bytes(line.value).ok()?,
        );
    }
    Some(headers)
}

/// A request's head, with its length once and its host.
pub fn read_request(head: &[u8]) -> Option<(Method, Uri, HeaderMap)> {
    let mut lines = [httparse::EMPTY_HEADER; 100];
    let mut request = httparse::Request::new(&mut lines);
    request.parse(head).ok().filter(httparse::Status::is_complete)?;
    let method = request.method?.parse().ok()?;
    let uri = request.path?.parse().ok()?;
    let headers = copied(request.headers)?;
    let one = |name: &str| headers.get_all(name).iter().count() == 1;
    (one("host") && (one("content-length") != one("transfer-encoding"))).then_some((method, uri, headers))
}

/// An answer's head.
pub fn read_answer(head: &[u8]) -> Option<(StatusCode, HeaderMap)> {
    let mut lines = [httparse::EMPTY_HEADER; 100];
    let mut answer = httparse::Response::new(&mut lines);
    answer.parse(head).ok().filter(httparse::Status::is_complete)?;
    Some((StatusCode::from_u16(answer.code?).ok()?, copied(answer.headers)?))
}

fn write_headers(head: &mut String, headers: &HeaderMap, length: usize) {
    for (name, value) in headers {
        if name != CONTENT_LENGTH {
            write!(head, "{name}: {}\r\n", value.to_str().unwrap_or_default()).unwrap();
        }
    }
    write!(head, "content-length: {length}\r\n\r\n").unwrap();
}

/// A request's head as text.
pub fn write_request(method: &Method, uri: &Uri, headers: &HeaderMap, length: usize) -> String {
    let mut head = format!("{method} {} HTTP/1.1\r\n", uri.path());
    write_headers(&mut head, headers, length);
    head
}

/// An answer's head as text.
pub fn write_answer(status: StatusCode, headers: &HeaderMap, length: usize) -> String {
    let mut head = format!("HTTP/1.1 {status}\r\n");
    write_headers(&mut head, headers, length);
    head
}

fn only(headers: &HeaderMap, names: &[&str]) -> HeaderMap {
    let mut passing = HeaderMap::new();
    for (name, value) in headers {
        if names.contains(&name.as_str()) {
            passing.append(name.clone(), value.clone());
        }
    }
    passing
}

/// The request headers that go to the upstream.
pub fn forwarded(headers: &HeaderMap) -> HeaderMap {
    only(headers, &FORWARDED)
}

/// The answer's headers that go to the client.
pub fn told(headers: &HeaderMap) -> HeaderMap {
    only(headers, &TOLD)
}

/// Whether `Mcp-Name` says what the body says, as it is or in base64.
pub fn mirrors(headers: &HeaderMap, name: &str) -> bool {
    use base64::Engine as _;
    let Some(value) = headers.get("mcp-name").and_then(|value| value.to_str().ok()) else { return false };
    let encoded = value.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?="));
    match encoded {
        Some(encoded) => {
            let decoded = base64::engine::general_purpose::STANDARD.decode(encoded);
            decoded
                .ok()
                .and_then(|bytes| String::from_utf8(bytes).ok())
                .is_some_and(|decoded| decoded == name)
        }
        None => value == name,
    }
}
