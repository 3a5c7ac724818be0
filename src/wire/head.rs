//! Heads of messages on their way through, whichever HTTP they came in and go out by.
//!
//! What came is kept as it came ([`Lines`]); what the gateway says itself is a map of valid
//! headers. Heads are read by `http1` and, for HTTP/2, converted here. No I/O.

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Method, Response, StatusCode};

use super::lines::Lines;

/// The head of a request. Headers of the framing and of the connection are not in it.
#[derive(Debug)]
pub struct RequestHead {
    /// Its method.
    pub method: Method,
    /// Its target: visible ASCII.
    pub target: Target,
    /// Its headers.
    pub lines: Lines,
}

/// What a request is for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// The path, without the query, which nobody reads.
    pub(super) path: Bytes,
    /// The authority of an absolute URI, or of HTTP/2's pseudo-header.
    pub(super) authority: Option<Bytes>,
}

impl Target {
    /// The path; `*` for a request that is for no path.
    #[inline]
    pub fn path(&self) -> &str {
        std::str::from_utf8(&self.path).unwrap_or_default()
    }

    /// Host and port, where the target names them.
    #[inline]
    pub fn authority(&self) -> Option<&str> {
        self.authority.as_ref().map(|authority| std::str::from_utf8(authority).unwrap_or_default())
    }
}

impl From<&http::Uri> for Target {
    fn from(uri: &http::Uri) -> Self {
        let copy = |text: &str| Bytes::copy_from_slice(text.as_bytes());
        Self { path: copy(uri.path()), authority: uri.authority().map(|authority| copy(authority.as_str())) }
    }
}

impl From<Parts> for RequestHead {
    fn from(parts: Parts) -> Self {
        let Parts { method, uri, headers, .. } = parts;
        Self { method, target: Target::from(&uri), lines: Lines::from(&headers) }
    }
}

/// A message in answer: what came from an upstream, what the gateway says itself, a body.
#[derive(Debug)]
pub struct Reply<B> {
    /// Its status.
    pub status: StatusCode,
    /// Headers of an answer that was prepared once for all; none in most.
    pub fixed: Option<&'static Lines>,
    /// The upstream's headers; none where the gateway answers itself.
    pub passed: Lines,
    /// The gateway's own headers.
    pub own: HeaderMap,
    /// Its body.
    pub body: B,
}

impl<B> Reply<B> {
    /// An answer of the gateway's own.
    pub fn new(status: StatusCode, body: B) -> Self {
        Self { status, fixed: None, passed: Lines::default(), own: HeaderMap::new(), body }
    }

    /// The same head with another body.
    #[inline]
    pub fn map<C>(self, body: impl FnOnce(B) -> C) -> Reply<C> {
        let Self { status, fixed, passed, own, body: before } = self;
        Reply { status, fixed, passed, own, body: body(before) }
    }

    /// The answer as HTTP/2's writer takes it.
    pub fn into_http(self) -> Response<B> {
        let mut headers = self.own;
        headers.reserve(self.passed.len());
        self.passed.add_to(&mut headers);
        self.fixed.into_iter().for_each(|fixed| fixed.add_to(&mut headers));
        let mut response = Response::new(self.body);
        *response.status_mut() = self.status;
        *response.headers_mut() = headers;
        response
    }
}
