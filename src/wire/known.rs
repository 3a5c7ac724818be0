//! Header names that anything here depends on, told apart once for each line.
//!
//! Framing, deciding and filtering all ask for names; each would compare the text again. Which
//! headers pass in each direction is said here, by allow-list: credentials and hop-by-hop headers
//! travel under many names, so a list of what to remove would always miss one. It must never let
//! a header pass that can carry a credential.

/// A name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// `Accept`
    Accept,
    /// `Accept-Language`
    AcceptLanguage,
    /// `Access-Control-Request-Headers`
    AskedHeaders,
    /// `Access-Control-Request-Method`
    AskedMethod,
    /// `Allow`
    Allow,
    /// `Authorization`
    Authorization,
    /// `Baggage` (W3C)
    Baggage,
    /// `Cache-Control`
    CacheControl,
    /// `Connection`
    Connection,
    /// `Content-Encoding`
    ContentEncoding,
    /// `Content-Language`
    ContentLanguage,
    /// `Content-Length`
    ContentLength,
    /// `Content-Type`
    ContentType,
    /// `Date`
    Date,
    /// `ETag`
    Etag,
    /// `Expect`
    Expect,
    /// `X-Forwarded-For`
    ForwardedFor,
    /// `Host`
    Host,
    /// `Last-Event-ID`
    LastEventId,
    /// `Last-Modified`
    LastModified,
    /// `Mcp-Method`
    Method,
    /// `Mcp-Name`
    Name,
    /// `Origin`
    Origin,
    /// `Mcp-Param-…`: a parameter of a tool, mirrored
    Param,
    /// `MCP-Protocol-Version`
    ProtocolVersion,
    /// `Retry-After`
    RetryAfter,
    /// `Mcp-Session-Id`
    SessionId,
    /// `Traceparent` (W3C)
    Traceparent,
    /// `Traceresponse` (W3C)
    Traceresponse,
    /// `Tracestate` (W3C)
    Tracestate,
    /// `Transfer-Encoding`
    TransferEncoding,
    /// `User-Agent`
    UserAgent,
    /// `X-Accel-Buffering`
    AccelBuffering,
    /// `X-API-Key`
    ApiKey,
    /// `X-Request-ID`
    RequestId,
    /// Any other
    Other,
}

impl Known {
    /// The name that these bytes are, in lower case. The length is looked at first: most names
    /// share theirs with one or two others.
    #[inline]
    pub fn of(name: &[u8]) -> Self {
        match (name.len(), name) {
            (4, b"host") => Self::Host,
            (4, b"date") => Self::Date,
            (4, b"etag") => Self::Etag,
            (5, b"allow") => Self::Allow,
            (6, b"accept") => Self::Accept,
            (6, b"expect") => Self::Expect,
            (6, b"origin") => Self::Origin,
            (7, b"baggage") => Self::Baggage,
            (8, b"mcp-name") => Self::Name,
            (9, b"x-api-key") => Self::ApiKey,
            (10, b"connection") => Self::Connection,
            (10, b"mcp-method") => Self::Method,
            (10, b"tracestate") => Self::Tracestate,
            (10, b"user-agent") => Self::UserAgent,
            (11, b"retry-after") => Self::RetryAfter,
            (11, b"traceparent") => Self::Traceparent,
            (12, b"content-type") => Self::ContentType,
            (12, b"x-request-id") => Self::RequestId,
            (13, b"authorization") => Self::Authorization,
            (13, b"cache-control") => Self::CacheControl,
            (13, b"last-event-id") => Self::LastEventId,
            (13, b"last-modified") => Self::LastModified,
            (13, b"traceresponse") => Self::Traceresponse,
            (14, b"content-length") => Self::ContentLength,
            (14, b"mcp-session-id") => Self::SessionId,
            (15, b"accept-language") => Self::AcceptLanguage,
            (15, b"x-forwarded-for") => Self::ForwardedFor,
            (16, b"content-encoding") => Self::ContentEncoding,
            (16, b"content-language") => Self::ContentLanguage,
            (17, b"transfer-encoding") => Self::TransferEncoding,
            (17, b"x-accel-buffering") => Self::AccelBuffering,
            (20, b"mcp-protocol-version") => Self::ProtocolVersion,
            (29, b"access-control-request-method") => Self::AskedMethod,
            (30, b"access-control-request-headers") => Self::AskedHeaders,
            (10.., _) if name.starts_with(b"mcp-param-") => Self::Param,
            _ => Self::Other,
        }
    }

    /// Whether a request header may pass to the upstream whatever the configuration says: what
    /// the protocol needs, what content negotiation needs, and the trace context.
    #[inline]
    pub fn passes_upstream(self) -> bool {
        matches!(
            self,
            Self::Accept
                | Self::AcceptLanguage
                | Self::Baggage
                | Self::ContentType
                | Self::LastEventId
                | Self::Method
                | Self::Name
                | Self::Param
                | Self::ProtocolVersion
                | Self::SessionId
                | Self::Traceparent
                | Self::Tracestate
                | Self::UserAgent
        )
    }

    /// Whether a response header may pass to the client. `Set-Cookie`, `WWW-Authenticate`, CORS
    /// headers and everything hop-by-hop stay behind: they speak for another origin or another
    /// connection. So do the length, which is told anew, and the session's id, which is sealed.
    #[inline]
    pub fn passes_downstream(self) -> bool {
        matches!(
            self,
            Self::AccelBuffering
                | Self::Allow
                | Self::CacheControl
                | Self::ContentEncoding
                | Self::ContentLanguage
                | Self::ContentType
                | Self::Date
                | Self::Etag
                | Self::LastModified
                | Self::ProtocolVersion
                | Self::RequestId
                | Self::RetryAfter
                | Self::Traceresponse
        )
    }
}

#[cfg(test)]
mod tests {
    use super::Known;

    #[test]
    fn names_are_told_apart_and_nothing_near_them_is_taken_for_one() {
        assert_eq!(Known::of(b"mcp-param-region"), Known::Param);
        assert_eq!(Known::of(b"mcp-name"), Known::Name);
        for other in [&b"Host"[..], b"hosts", b"mcp-nam", b"mcp-param", b"content_type", b""] {
            assert_eq!(Known::of(other), Known::Other, "{}", other.escape_ascii());
        }
    }

    #[test]
    fn no_header_of_a_credential_or_a_connection_passes() {
        for name in [
            "authorization",
            "x-api-key",
            "cookie",
            "proxy-authorization",
            "x-authorization",
            "apikey",
            "x-forwarded-authorization",
            "x-forwarded-for",
            "x-auth-token",
            "x-amz-security-token",
            "set-cookie",
            "connection",
            "transfer-encoding",
            "content-length",
            "host",
            "upgrade",
            "te",
        ] {
            let known = Known::of(name.as_bytes());
            assert!(!known.passes_upstream() && !known.passes_downstream(), "{name}");
        }
        assert!(Known::of(b"mcp-param-region").passes_upstream());
    }
}
