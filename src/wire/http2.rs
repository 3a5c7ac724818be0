//! What h2 and hyper leave unchecked in the head of an HTTP/2 request.
//!
//! The same strictness as for HTTP/1.1 wherever both have the same thing, so that no client
//! gets past a check by choosing its protocol. It must never mend. No I/O.

use http::header::{CONTENT_LENGTH, EXPECT, HeaderName};
use http::request::Parts;
use http::{HeaderMap, Method};

use super::http::looks_alike;
use super::http1::{HeadFault, OTHER_EXPECTATION, is_continue};
use crate::base::bounds::REQUEST_HEADERS;

/// Checks a head that h2 has taken.
pub fn check_head(head: &Parts) -> Result<(), HeadFault> {
    if head.headers.len() > REQUEST_HEADERS {
        return Err(HeadFault::TooLarge);
    }
    if head.uri.scheme_str().is_some_and(|scheme| !matches!(scheme, "http" | "https")) {
        return Err(HeadFault::Malformed("the scheme is neither http nor https"));
    }
    let path = head.uri.path_and_query().map_or("", |path| path.as_str());
    let form = path.starts_with('/') || (path == "*" && head.method == Method::OPTIONS);
    if !form || !path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\') {
        return Err(HeadFault::Malformed("the target is no path"));
    }
    if several(&head.headers, &CONTENT_LENGTH) {
        return Err(HeadFault::Malformed("Content-Length is there twice"));
    }
    if !head.headers.get_all(EXPECT).iter().all(|value| is_continue(value.as_bytes())) {
        return Err(HeadFault::Malformed(OTHER_EXPECTATION));
    }
    if head.headers.keys().any(|name| looks_alike(name.as_str().as_bytes())) {
        return Err(HeadFault::Malformed("a header's name has '_' where one that matters has '-'"));
    }
    Ok(())
}

fn several(headers: &HeaderMap, name: &HeaderName) -> bool {
    headers.get_all(name).iter().nth(1).is_some()
}

#[cfg(test)]
mod tests {
    use super::check_head;
    use crate::wire::http1::HeadFault;
    use http::Request;

    fn check(method: &str, uri: &str, headers: &[(&str, &str)]) -> Result<(), HeadFault> {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        check_head(&request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn what_a_client_of_today_sends_passes() {
        let usual =
            [("content-length", "5"), ("expect", "100-continue"), ("x_other", "y"), ("mcp-name", "x")];
        assert_eq!(check("POST", "https://h/crm/mcp?a=b", &usual), Ok(()));
        assert_eq!(check("OPTIONS", "*", &[]), Ok(()));
    }

    #[test]
    fn what_http1_would_not_take_is_refused() {
        for (method, uri, headers) in [
            ("POST", "ftp://h/crm/mcp", &[][..]),
            ("GET", "*", &[]),
            ("CONNECT", "h:443", &[]),
            ("POST", "https://h/a\\b", &[]),
            ("POST", "https://h/a", &[("content-length", "5"), ("content-length", "5")]),
            ("POST", "https://h/a", &[("expect", "the-unexpected")]),
            ("POST", "https://h/a", &[("mcp_name", "x")]),
            ("POST", "https://h/a", &[("transfer_encoding", "chunked")]),
        ] {
            assert!(matches!(check(method, uri, headers), Err(HeadFault::Malformed(_))), "{method} {uri}");
        }
        assert_eq!(check("GET", "https://h/a", &[("a", "b"); 101]), Err(HeadFault::TooLarge));
    }
}
