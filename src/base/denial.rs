//! The closed list of refusals, and the one table that says how each is told.
//!
//! Codes of our own lie outside -32768…-32000 (reserved by JSON-RPC) and are HTTP status ×
//! 100 + n. `reason` is the stable word that clients, metrics and tests go by. A refusal must
//! never say more than its row: whatever else is told is added by the reply, from the
//! configuration, never from what the client sent.

/// Why a request was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[repr(u8)]
pub enum Denial {
    /// No key at all.
    MissingKey,
    /// Unknown, wrong or malformed: one answer for all three.
    InvalidKey,
    /// The secret was right, the key has expired.
    ExpiredKey,
    /// The secret was right, the key was revoked.
    RevokedKey,
    /// Two keys that differ, or one header twice.
    ConflictingKeys,
    /// An `Origin` that the server does not list.
    OriginDenied,
    /// A `Host` that this listener does not serve.
    HostDenied,
    /// A scope that the rule asks for is missing.
    ScopeMissing,
    /// A known method that nothing permits.
    MethodDenied,
    /// No rule names this tool, prompt or resource.
    NotConfigured,
    /// A session that this key does not have on this server, for whatever reason.
    SessionUnknown,
    /// No server at this path.
    RouteUnknown,
    /// An HTTP method that the endpoint does not have.
    MethodNotAllowed,
    /// The client took too long.
    RequestTimeout,
    /// The body is above the bound.
    BodyTooLarge,
    /// The head of the request is above its bounds.
    HeadersTooLarge,
    /// The request is not what HTTP or MCP allow.
    MalformedRequest,
    /// A content type or encoding that is not read.
    UnsupportedMediaType,
    /// No connection to the upstream, or it broke before an answer.
    UpstreamUnreachable,
    /// The upstream's answer did not begin in time.
    UpstreamTimeout,
    /// The upstream refused the gateway's own credential.
    UpstreamDenied,
    /// The answer has to be looked into, and cannot be.
    ResultWithheld,
    /// More calls than a limit allows.
    RateLimited,
    /// More under way at once than a limit allows.
    ConcurrencyLimited,
    /// More requests without a right key than an address may send.
    AddressLimited,
    /// The gateway has as much to do as it may.
    Overloaded,
    /// The gateway is stopping.
    Draining,
    /// The keys are older than they may be to be decided by.
    StaleRegistry,
    /// A limit that replicas share cannot be looked up.
    LimitsUnavailable,
    /// What is done cannot be noted, and has to be.
    AuditUnavailable,
    /// The body is not JSON.
    ParseError,
    /// The body is JSON, but no JSON-RPC message that can be read in one way only.
    InvalidRequest,
    /// No revision of the protocol knows the method.
    MethodUnknown,
    /// A required parameter is missing or wrong.
    InvalidParams,
    /// Header and body disagree, or a required header is missing.
    HeaderMismatch,
    /// A protocol version that is not spoken.
    VersionUnsupported,
}

/// How one refusal is told.
#[derive(Debug)]
pub struct Row {
    /// The refusal.
    pub denial: Denial,
    /// HTTP status.
    pub status: u16,
    /// JSON-RPC error code.
    pub code: i32,
    /// The stable word: `data.reason` and metric label.
    pub reason: &'static str,
    /// One sentence for the person who gets it.
    pub sentence: &'static str,
    /// Seconds for `Retry-After`, where trying again helps.
    pub retry_after: Option<u8>,
}

const fn row(denial: Denial, status: u16, code: i32, reason: &'static str, sentence: &'static str) -> Row {
    Row { denial, status, code, reason, sentence, retry_after: None }
}

/// A refusal that a second try may get past.
const fn soon(denial: Denial, status: u16, code: i32, reason: &'static str, sentence: &'static str) -> Row {
    Row { denial, status, code, reason, sentence, retry_after: Some(1) }
}

/// Every refusal, in the order of the enum: row `n` tells variant `n`.
pub static TABLE: [Row; COUNT] = [
    row(
        Denial::MissingKey,
        401,
        40100,
        "missing_key",
        "no API key was sent; send it as 'Authorization: Bearer <key>' or 'X-API-Key: <key>'",
    ),
    row(
        Denial::InvalidKey,
        401,
        40101,
        "invalid_key",
        "the API key is not valid; check that it was copied whole",
    ),
    row(
        Denial::ExpiredKey,
        401,
        40102,
        "expired_key",
        "the API key has expired; ask its issuer for a new one",
    ),
    row(
        Denial::RevokedKey,
        401,
        40103,
        "revoked_key",
        "the API key was revoked; ask its issuer for a new one",
    ),
    row(
        Denial::ConflictingKeys,
        400,
        40001,
        "conflicting_keys",
        "more than one API key was sent; send one, in one header",
    ),
    row(
        Denial::OriginDenied,
        403,
        40300,
        "origin_denied",
        "this Origin is not allowed here; the server's 'origins' setting lists those that are",
    ),
    row(
        Denial::HostDenied,
        421,
        42100,
        "host_denied",
        "this Host is not served here; the 'listen.hosts' setting lists those that are",
    ),
    row(Denial::ScopeMissing, 403, 40301, "scope_missing", "the API key lacks a scope that this needs"),
    row(Denial::MethodDenied, 403, 40302, "method_denied", "this method is not permitted on this server"),
    row(
        Denial::NotConfigured,
        403,
        40306,
        "not_configured",
        "no rule of this server names it, so nobody may use it",
    ),
    row(
        Denial::SessionUnknown,
        404,
        40400,
        "session_unknown",
        "no such session; initialize again without a session id",
    ),
    row(
        Denial::RouteUnknown,
        404,
        40401,
        "route_unknown",
        "no MCP server is configured at this path; servers live at /<name>/mcp",
    ),
    row(
        Denial::MethodNotAllowed,
        405,
        40500,
        "method_not_allowed",
        "this HTTP method is not available here; MCP messages are sent with POST",
    ),
    row(
        Denial::RequestTimeout,
        408,
        40800,
        "request_timeout",
        "the request did not arrive in time; send it again",
    ),
    row(
        Denial::BodyTooLarge,
        413,
        41300,
        "body_too_large",
        "the request body is larger than the 'bounds.body' setting allows",
    ),
    row(
        Denial::HeadersTooLarge,
        431,
        43100,
        "headers_too_large",
        "the request's headers are larger or more than the 'bounds.head_size' setting and 100 lines allow",
    ),
    row(Denial::MalformedRequest, 400, 40000, "malformed_request", "the request is malformed"),
    row(
        Denial::UnsupportedMediaType,
        415,
        41500,
        "unsupported_media_type",
        "the body must be 'application/json' without a content encoding",
    ),
    soon(
        Denial::UpstreamUnreachable,
        502,
        50200,
        "upstream_unreachable",
        "the MCP server behind the gateway cannot be reached",
    ),
    row(
        Denial::UpstreamTimeout,
        504,
        50400,
        "upstream_timeout",
        "the MCP server behind the gateway did not answer in time",
    ),
    row(
        Denial::UpstreamDenied,
        502,
        50202,
        "upstream_denied",
        "the MCP server behind the gateway refused the gateway's own credential; its operator has to mend that",
    ),
    row(
        Denial::ResultWithheld,
        502,
        50201,
        "result_withheld",
        "the answer of the MCP server behind the gateway cannot be checked, so it is withheld",
    ),
    soon(
        Denial::RateLimited,
        429,
        42900,
        "rate_limited",
        "too many calls; send the request again after the time that is told",
    ),
    soon(
        Denial::ConcurrencyLimited,
        429,
        42901,
        "concurrency_limited",
        "too much is under way at once; send the request again when something of it has ended",
    ),
    soon(
        Denial::AddressLimited,
        429,
        42902,
        "address_limited",
        "too many requests without a right API key came from this address; check the key, and try again after the time that is told",
    ),
    soon(
        Denial::Overloaded,
        503,
        50300,
        "overloaded",
        "the gateway has too much to do; send the request again",
    ),
    soon(Denial::Draining, 503, 50301, "draining", "the gateway is stopping; send the request again"),
    soon(
        Denial::StaleRegistry,
        503,
        50302,
        "stale_registry",
        "the gateway does not know the present state of its registry of keys; send the request again later",
    ),
    soon(
        Denial::LimitsUnavailable,
        503,
        50304,
        "limits_unavailable",
        "the gateway cannot look up the limits that its replicas share; send the request again later",
    ),
    soon(
        Denial::AuditUnavailable,
        503,
        50303,
        "audit_unavailable",
        "the gateway cannot write its audit log; nothing was forwarded, try again soon",
    ),
    row(Denial::ParseError, 400, -32700, "parse_error", "the body is not valid JSON"),
    row(
        Denial::InvalidRequest,
        400,
        -32600,
        "invalid_request",
        "the body is not one JSON-RPC message that can be read in one way only",
    ),
    row(Denial::MethodUnknown, 404, -32601, "method_unknown", "no such method in this protocol version"),
    row(
        Denial::InvalidParams,
        400,
        -32602,
        "invalid_params",
        "a required parameter is missing or has the wrong type",
    ),
    row(
        Denial::HeaderMismatch,
        400,
        -32020,
        "header_mismatch",
        "the request's headers and its body disagree",
    ),
    row(
        Denial::VersionUnsupported,
        400,
        -32022,
        "version_unsupported",
        "this protocol version is not supported",
    ),
];

/// Told where the table has a gap, which a test rules out.
static FALLBACK: Row =
    row(Denial::MalformedRequest, 400, 40000, "malformed_request", "the request is malformed");

/// How many refusals there are; metric cells are laid out by it.
pub const COUNT: usize = 36;

impl Denial {
    /// The row that tells this refusal.
    #[inline]
    pub fn row(self) -> &'static Row {
        // The table is in the order of the enum, which a test holds; the fallback keeps the
        // function total without a panic.
        TABLE.get(self.index()).unwrap_or(&FALLBACK)
    }

    /// Place in [`TABLE`], for metric cells.
    #[inline]
    pub fn index(self) -> usize {
        self as usize
    }

    /// Whether it is for want of a right key.
    pub fn is_of_key(self) -> bool {
        matches!(
            self,
            Self::MissingKey | Self::InvalidKey | Self::ExpiredKey | Self::RevokedKey | Self::ConflictingKeys
        )
    }

    /// Whether the refusal came from the protocol's own rules rather than from a policy.
    pub fn is_protocol(self) -> bool {
        self.row().code < 0
    }
}

#[cfg(test)]
mod tests {
    use super::{Denial, TABLE};
    use std::collections::BTreeSet;

    #[test]
    fn the_table_is_in_the_order_of_the_enum() {
        for (index, row) in TABLE.iter().enumerate() {
            assert_eq!(row.denial.index(), index, "{}", row.reason);
            assert_eq!(row.denial.row().reason, row.reason);
        }
        assert_eq!(Denial::VersionUnsupported.index() + 1, TABLE.len());
    }

    #[test]
    fn every_401_is_for_want_of_a_right_key() {
        let of_key: Vec<_> =
            TABLE.iter().filter(|row| row.denial.is_of_key()).map(|row| row.status).collect();
        assert_eq!(of_key, [401, 401, 401, 401, 400], "and more keys than one, which is 400");
        assert_eq!(TABLE.iter().filter(|row| row.status == 401).count(), 4);
    }

    #[test]
    fn codes_follow_the_rule_and_words_are_unique() {
        let mut words = BTreeSet::new();
        for row in &TABLE {
            assert!(words.insert(row.reason), "{} twice", row.reason);
            if row.code > 0 {
                assert_eq!(row.code / 100, i32::from(row.status), "{}", row.reason);
            } else {
                // Undefined codes of the reserved range may not be sent (specification 2026-07-28, basic).
                assert!([-32700, -32600, -32601, -32602, -32020, -32022].contains(&row.code));
            }
        }
    }
}
