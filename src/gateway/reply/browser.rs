//! What browsers ask for before and after a page's call (Fetch standard, CORS protocol).
//!
//! Told to listed origins alone; pages of others get a refusal without a word of this. No
//! cookies are in play, so credentials mode is never allowed.

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, AUTHORIZATION, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::Answer;
use crate::policy::Server;
use crate::wire::fields::text;
use crate::wire::head::Reply;
use crate::wire::http::X_API_KEY;
use crate::wire::known::Known;
use crate::wire::lines::Lines;

/// Headers of answers that a page may read beside those that every page may.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "mcp-session-id, mcp-protocol-version, last-event-id, ratelimit, ratelimit-policy, retry-after, www-authenticate, x-request-id",
);
const METHODS: HeaderValue = HeaderValue::from_static("POST, GET, DELETE");
/// Ten minutes: a page asks once, and a change of the origins reaches it soon.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

/// The answer to a preflight of a listed origin: which of the headers it asked for may come.
pub(in crate::gateway) fn preflight<B>(server: &Server, asked: &Lines) -> Answer<B> {
    let may_come = |name: &HeaderName| {
        Known::of(name.as_str().as_bytes()).passes_upstream()
            || *name == AUTHORIZATION
            || *name == X_API_KEY
            || server.forward_headers.contains(name)
    };
    let asked = asked.iter().filter(|line| line.known() == Known::AskedHeaders);
    let asked = asked.filter_map(|line| text(line.value()));
    let names: Vec<HeaderName> = asked
        .flat_map(|line| line.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .filter(may_come)
        .collect();
    let names: Vec<&str> = names.iter().map(HeaderName::as_str).collect();
    let mut reply = Reply::new(StatusCode::NO_CONTENT, bytes::Bytes::new());
    let headers = &mut reply.own;
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    if let Ok(names) = HeaderValue::from_str(&names.join(", "))
        && !names.is_empty()
    {
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, names);
    }
    Answer::Whole(reply)
}

/// Lets the page of an allowed origin read an answer.
pub(in crate::gateway) fn expose(headers: &mut HeaderMap, origin: HeaderValue) {
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    headers.insert(VARY, HeaderValue::from_static("origin"));
}
