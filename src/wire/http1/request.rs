//! A request's head as bytes.
//!
//! Method, target and header values come from types that hold no line break, so that no value
//! can begin another line.

use http::header::CONTENT_LENGTH;
use http::{HeaderMap, Method, Uri};

/// Appends the head of a request with a body of `length` bytes. A length of 0 is told only for
/// POST, which promises a body.
pub fn write_request(out: &mut Vec<u8>, method: &Method, uri: &Uri, headers: &HeaderMap, length: usize) {
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    // An absolute URI may have a query and no path.
    let slash = if target.starts_with('?') { "/" } else { "" };
    for part in [method.as_str(), " ", slash, target, " HTTP/1.1\r\n"] {
        out.extend_from_slice(part.as_bytes());
    }
    for (name, value) in headers {
        if *name != CONTENT_LENGTH {
            for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
                out.extend_from_slice(part);
            }
        }
    }
    if length > 0 || *method == Method::POST {
        out.extend_from_slice(b"content-length: ");
        decimal(out, length);
        out.extend_from_slice(b"\r\n");
    }
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
    use super::write_request;
    use http::{HeaderMap, HeaderValue, Method};

    #[test]
    fn heads_are_written_with_the_length_of_what_follows() {
        let mut headers = HeaderMap::new();
        headers.insert("host", HeaderValue::from_static("localhost"));
        headers.insert("content-length", HeaderValue::from_static("99"));
        for (method, length, expected) in [
            (
                Method::POST,
                1_230,
                "POST /mcp?a=b HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1230\r\n\r\n",
            ),
            (Method::POST, 0, "POST /mcp?a=b HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n"),
            (Method::GET, 0, "GET /mcp?a=b HTTP/1.1\r\nhost: localhost\r\n\r\n"),
        ] {
            let mut out = Vec::new();
            write_request(&mut out, &method, &"/mcp?a=b".parse().unwrap(), &headers, length);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
        let mut out = Vec::new();
        write_request(&mut out, &Method::GET, &"http://h?a".parse().unwrap(), &HeaderMap::new(), 0);
        assert_eq!(String::from_utf8(out).unwrap(), "GET /?a HTTP/1.1\r\n\r\n");
    }
}
