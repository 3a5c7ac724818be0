//! HTTP names and values: what no configuration may forward, what looks like something else, and
//! how hosts and media types read. Which headers pass is said in `known`.

use http::header::{self, HeaderName};

use super::known::Known;

/// `X-API-Key`
pub const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");
/// `MCP-Protocol-Version`
pub const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
/// `Mcp-Session-Id`
pub const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
/// `Mcp-Method`
pub const MCP_METHOD: HeaderName = HeaderName::from_static("mcp-method");

/// Whether a header belongs to the connection, to credentials or to the gateway, so that the
/// configuration may not add it to those that pass.
pub fn never_forwarded(name: &HeaderName) -> bool {
    const NEVER: [HeaderName; 18] = [
        // Answers that are looked into must not come encoded.
        header::ACCEPT_ENCODING,
        header::AUTHORIZATION,
        header::CONNECTION,
        header::CONTENT_ENCODING,
        header::CONTENT_LENGTH,
        header::COOKIE,
        header::EXPECT,
        header::HOST,
        header::ORIGIN,
        header::PROXY_AUTHENTICATE,
        header::PROXY_AUTHORIZATION,
        header::SET_COOKIE,
        header::TE,
        header::TRAILER,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
        X_API_KEY,
        HeaderName::from_static("keep-alive"),
    ];
    NEVER.contains(name)
        || ["authorization", "api-key", "apikey", "token", "secret", "password", "cookie"]
            .iter()
            .any(|word| name.as_str().contains(word))
}

/// Whether a header frames messages, belongs to the connection, or is one that the gateway or the
/// protocol tells upstreams: as the name of a credential it would be there twice.
pub fn belongs_to_http(name: &HeaderName) -> bool {
    const OWN: [HeaderName; 10] = [
        header::ACCEPT_ENCODING,
        header::CONNECTION,
        header::CONTENT_LENGTH,
        header::EXPECT,
        header::HOST,
        header::TE,
        header::TRAILER,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
        HeaderName::from_static("keep-alive"),
    ];
    OWN.contains(name) || Known::of(name.as_str().as_bytes()).passes_upstream()
}

/// Whether a header's name becomes one that decides about framing, callers or messages when `_`
/// is read as `-`, as CGI, WSGI and their like do: whoever stands behind could take it for that.
/// After the prefix of a tool's parameter the name is the server's choice, and `customer_id` a
/// likely one.
#[inline]
pub fn looks_alike(name: &[u8]) -> bool {
    name.contains(&b'_') && Known::of(name) != Known::Param && decides(name)
}

#[cold]
fn decides(name: &[u8]) -> bool {
    let name: Vec<u8> = name.iter().map(|byte| if *byte == b'_' { b'-' } else { *byte }).collect();
    matches!(
        name.as_slice(),
        b"content-length"
            | b"transfer-encoding"
            | b"content-type"
            | b"content-encoding"
            | b"x-api-key"
            | b"last-event-id"
    ) || name.starts_with(b"mcp-")
}

/// What a media type is without its parameters (WHATWG MIME sniffing, essence), in whatever case
/// it was sent.
#[inline]
pub fn essence(media: &[u8]) -> &[u8] {
    media.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii()
}

/// The host of an authority without its port: `[::1]:8443` → `[::1]`, `Example.com:1` →
/// `Example.com`. `None` when it is empty or holds user information.
#[inline]
pub fn host_without_port(authority: &str) -> Option<&str> {
    if authority.contains('@') {
        return None;
    }
    let host = if authority.starts_with('[') {
        let end = authority.find(']')?;
        let (host, port) = authority.split_at_checked(end + 1)?;
        is_port(port).then_some(host)?
    } else {
        match authority.find(':') {
            Some(colon) => {
                let (host, port) = authority.split_at_checked(colon)?;
                is_port(port).then_some(host)?
            }
            None => authority,
        }
    };
    (!host.is_empty()).then_some(host)
}

fn is_port(text: &str) -> bool {
    text.is_empty()
        || text.strip_prefix(':').is_some_and(|port| {
            port.is_empty() || (port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok())
        })
}

#[cfg(test)]
mod tests {
    use super::{HeaderName, host_without_port, never_forwarded};

    #[test]
    fn hosts_lose_their_port_and_nothing_else() {
        for (authority, host) in [
            ("localhost:8443", Some("localhost")),
            ("localhost", Some("localhost")),
            ("[::1]:8443", Some("[::1]")),
            ("127.0.0.1", Some("127.0.0.1")),
            ("user@localhost", None),
            ("", None),
            (":80", None),
            ("localhost:80x", None),
            ("localhost:65536", None),
            ("localhost:", Some("localhost")),
            ("[::1", None),
            ("[::1]x", None),
        ] {
            assert_eq!(host_without_port(authority), host, "{authority}");
        }
    }

    #[test]
    fn no_header_of_a_credential_may_be_added() {
        for name in ["authorization", "x-api-key", "cookie", "apikey", "x-auth-token", "set-cookie", "host"] {
            let name: HeaderName = name.parse().unwrap();
            assert!(never_forwarded(&name), "{name}");
        }
    }
}
