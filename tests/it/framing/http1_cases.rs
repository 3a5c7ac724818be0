//! The cases of HTTP/1.1 that are about heads: what is sent, byte for byte, and what must come of
//! it. Those about lengths and chunks stand in a file of their own.

use super::http1::Want::{Closed, Head, Refused, Served};
use super::http1::{Case, Want};
use super::http1_bodies;
use crate::world::{call, call_bytes};

pub(super) const MALFORMED: Want = Refused(400, "malformed_request");
const HOST: Want = Refused(421, "host_denied");
const NOWHERE: Want = Refused(404, "route_unknown");
const METHOD: Want = Refused(405, "method_not_allowed");
const MEDIA: Want = Refused(415, "unsupported_media_type");
const MISMATCH: Want = Refused(400, "header_mismatch");
const TOO_LARGE: Want = Refused(431, "headers_too_large");
pub(super) const NO_JSON: Want = Refused(400, "parse_error");

/// The parts that cases are made of.
pub(super) struct Parts {
    pub(super) key: String,
    pub(super) body: String,
    pub(super) length: usize,
}

impl Parts {
    /// The headers of a modern call, its key among them.
    fn usual(&self) -> String {
        format!(
            "Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: crm.read_x\r\nAuthorization: Bearer {}\r\n",
            self.key
        )
    }

    /// A POST with these lines, and whatever stands behind its head.
    pub(super) fn post(&self, lines: &str, rest: &str) -> String {
        format!("POST /crm/mcp HTTP/1.1\r\nHost: localhost\r\n{}{lines}\r\n{rest}", self.usual())
    }

    /// A whole call with these lines.
    fn with(&self, lines: &str) -> String {
        self.post(&format!("Content-Length: {}\r\n{lines}", self.length), &self.body)
    }

    /// A call whose body is sent in these chunks.
    pub(super) fn chunks(&self, rest: &str) -> String {
        self.post("Transfer-Encoding: chunked\r\n", rest)
    }

    /// A whole call with another request line and other `Host` lines.
    fn line(&self, line: &str, hosts: &str) -> String {
        format!("{line}\r\n{hosts}{}Content-Length: {}\r\n\r\n{}", self.usual(), self.length, self.body)
    }
}

/// All of them.
pub(super) fn all(key: &str) -> Vec<Case> {
    let body = call("crm.read_x");
    let parts = Parts { key: key.into(), length: body.len(), body };
    let mut cases = http1_bodies::lengths(&parts);
    cases.extend(http1_bodies::codings(&parts));
    cases.extend(http1_bodies::chunked(&parts));
    cases.extend(lines(&parts));
    cases.extend(hosts(&parts));
    cases.extend(hops(&parts));
    cases.extend(routing(&parts));
    cases.extend(several(&parts));
    cases
}

fn lines(parts: &Parts) -> Vec<Case> {
    let host = "Host: localhost\r\n";
    let table = [
        (
            Served,
            &[
                "POST /crm/mcp?a=b&api_key=c HTTP/1.1",
                "POST /crm/mcp?%0d%0aX:y HTTP/1.1",
                "POST /crm/mcp? HTTP/1.1",
                "POST http://localhost/crm/mcp HTTP/1.1",
                "POST https://localhost/crm/mcp?q HTTP/1.1",
            ][..],
        ),
        (
            MALFORMED,
            &[
                "POST /crm/mcp HTTP/1.0",
                "POST /crm/mcp HTTP/1.2",
                "POST /crm/mcp HTTP/2.0",
                "POST /crm/mcp HTTP/0.9",
                "POST /crm/mcp HTTP/1.1 ",
                "POST /crm/mcp http/1.1",
                "POST /crm/mcp HTTP/1,1",
                "POST /crm/mcp HTTP/11",
                "POST /crm/mcp XHTTP/1.1",
                "POST /crm/mcp",
                "POST  /crm/mcp HTTP/1.1",
                "POST /crm/mcp  HTTP/1.1",
                "POST\t/crm/mcp HTTP/1.1",
                " POST /crm/mcp HTTP/1.1",
                "PO(T /crm/mcp HTTP/1.1",
                "POST /crm/mcp\rHTTP/1.1",
                "POST /crm/mcp#f HTTP/1.1",
                "POST /crm\\mcp HTTP/1.1",
                "POST /crm/mcp x HTTP/1.1",
                "POST /crm/mcp\u{e9} HTTP/1.1",
                "POST /crm/mcp\0 HTTP/1.1",
                "POST /crm/mcp\x7f HTTP/1.1",
                "POST crm/mcp HTTP/1.1",
                "POST localhost/crm/mcp HTTP/1.1",
                "POST HTTP://localhost/crm/mcp HTTP/1.1",
                "POST ftp://localhost/crm/mcp HTTP/1.1",
                "POST http:///crm/mcp HTTP/1.1",
                "POST * HTTP/1.1",
                "CONNECT localhost:443 HTTP/1.1",
            ],
        ),
        (
            NOWHERE,
            &[
                "POST / HTTP/1.1",
                "POST //localhost/crm/mcp HTTP/1.1",
                "POST /crm//mcp HTTP/1.1",
                "POST /crm/./mcp HTTP/1.1",
                "POST /x/../crm/mcp HTTP/1.1",
                "POST /crm%2fmcp HTTP/1.1",
                "POST /crm/%6dcp HTTP/1.1",
                "POST /crm/mcp%00 HTTP/1.1",
                "POST /crm/mcp;x HTTP/1.1",
                "POST /CRM/mcp HTTP/1.1",
                "OPTIONS * HTTP/1.1",
            ],
        ),
        (
            METHOD,
            &[
                "post /crm/mcp HTTP/1.1",
                "Post /crm/mcp HTTP/1.1",
                "PUT /crm/mcp HTTP/1.1",
                "PATCH /crm/mcp HTTP/1.1",
                "TRACE /crm/mcp HTTP/1.1",
                "OPTIONS /crm/mcp HTTP/1.1",
                "PROPFIND /crm/mcp HTTP/1.1",
                "CONNECT /crm/mcp HTTP/1.1",
                "PRI /crm/mcp HTTP/1.1",
            ],
        ),
        (
            HOST,
            &[
                "POST http://evil.example/crm/mcp HTTP/1.1",
                "POST http://localhost:81/crm/mcp HTTP/1.1",
                "POST http://user@localhost/crm/mcp HTTP/1.1",
            ],
        ),
        (Head(405), &["HEAD /crm/mcp HTTP/1.1"]),
    ];
    let mut cases = Vec::new();
    for (want, lines) in table {
        cases.extend(lines.iter().map(|line| Case::new(line, parts.line(line, host), &[want])));
    }
    cases.push(Case::new("preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".into(), &[MALFORMED]));
    cases.push(Case::new("HTTP/0.9", "GET /crm/mcp\r\n\r\n".into(), &[MALFORMED]));
    cases.push(Case::new("TLS", "\x16\x03\x01\x02\x00\x01\x00\r\n\r\n".into(), &[MALFORMED]));
    cases
}

fn hosts(parts: &Parts) -> Vec<Case> {
    let table = [
        (
            Served,
            &[
                "Host: localhost:80\r\n",
                "host:localhost\r\n",
                "Host: LocalHost:8443\r\n",
                "Host: 127.0.0.1\r\n",
                "Host: [::1]:1\r\n",
            ][..],
        ),
        (
            MALFORMED,
            &[
                "",
                "Host: localhost\r\nHost: localhost\r\n",
                "Host: localhost\r\nhost: evil\r\n",
                "Host : localhost\r\n",
                "X: y\r\n Host: localhost\r\n",
                "Host: localhost\0\r\n",
            ],
        ),
        (
            HOST,
            &[
                "Host:\r\n",
                "Host: evil.example\r\n",
                "Host: localhost, evil.example\r\n",
                "Host: localhost evil\r\n",
                "Host: user@localhost\r\n",
                "Host: localhost:80x\r\n",
                "Host: localhost:80:80\r\n",
                "Host: localhost:123456\r\n",
                "Host: localhost.evil.example\r\n",
                "Host: localhost/crm\r\n",
                "Host: localhost#\r\n",
                "Host: [::1\r\n",
                "Host: [::1]evil\r\n",
                "Host: \u{ff4c}ocalhost\r\n",
            ],
        ),
    ];
    let line = "POST /crm/mcp HTTP/1.1";
    table
        .iter()
        .flat_map(|(want, hosts)| hosts.iter().map(|host| Case::new(host, parts.line(line, host), &[*want])))
        .collect()
}

fn hops(parts: &Parts) -> Vec<Case> {
    let mut cases = Vec::new();
    for passed in [
        "Connection: keep-alive\r\nKeep-Alive: timeout=5\r\n",
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n",
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
        "TE: trailers\r\nConnection: TE\r\n",
        "TE: gzip, chunked\r\nTrailer: X\r\n",
        "Proxy-Connection: keep-alive\r\nProxy-Authorization: Basic x\r\n",
        "Expect: 100-continue\r\n",
        "X-HTTP-Method-Override: DELETE\r\nX-Original-URL: /admin\r\nX-Forwarded-Host: evil\r\nForwarded: host=evil\r\n",
        "X_Other: y\r\nX-Tollgate-Key-Id: forged\r\nX-Tollgate-Owner: forged\r\n",
        "Cookie: a=b\r\nCookie: c=d\r\nAccept-Encoding: gzip\r\n",
        "X-Request-Id: plain\r\nMcp-Param-Region: eu\r\ntraceparent: 00-1-2-03\r\n",
    ] {
        cases.push(Case::new(passed, parts.with(passed), &[Served]));
    }
    for close in [
        "Connection: close\r\n",
        "Connection: keep-alive, Close\r\n",
        "Connection: keep-alive\r\nConnection: close\r\n",
    ] {
        cases.push(Case::new(close, parts.with(close), &[Served, Closed]));
    }
    for faulty in [
        "Connection: Content-Length\r\n",
        "Connection: Transfer-Encoding\r\n",
        "Connection: close, Authorization\r\n",
        "Connection: Mcp-Name\r\n",
        "Connection: Host\r\n",
        "Connection: close\0\r\n",
        "Expect: 200-ok\r\n",
        "Expect: 100-continue, x\r\n",
        "Expect:\r\n",
    ] {
        cases.push(Case::new(faulty, parts.with(faulty), &[MALFORMED]));
    }
    cases
}

fn routing(parts: &Parts) -> Vec<Case> {
    let key = &parts.key;
    let keys = Refused(400, "conflicting_keys");
    let mut cases = Vec::new();
    for (lines, want) in [
        ("Mcp-Name: crm.read_x\r\n".to_owned(), MISMATCH),
        ("mcp-name: crm.read_y\r\n".into(), MISMATCH),
        ("Mcp-Method: tools/call\r\n".into(), MISMATCH),
        ("MCP-Protocol-Version: 2026-07-28\r\n".into(), MISMATCH),
        ("MCP-Protocol-Version: 2025-06-18\r\n".into(), MISMATCH),
        ("Mcp-Session-Id: a\r\nMcp-Session-Id: b\r\n".into(), Served),
        (format!("Authorization: Bearer {key}\r\n"), keys),
        ("X-API-Key: other\r\n".into(), keys),
        (format!("X-API-Key: {key}\r\nX-API-Key: {key}\r\n"), keys),
        (
            "Origin: https://agent.example.com\r\nOrigin: https://agent.example.com\r\n".into(),
            Refused(403, "origin_denied"),
        ),
        ("Origin: null\r\n".into(), Refused(403, "origin_denied")),
        ("Content-Type: application/json\r\n".into(), MEDIA),
        ("Content-Encoding: gzip\r\n".into(), MEDIA),
        ("Content-Encoding: identity\r\n".into(), MEDIA),
        ("Mcp_Name: crm.read_y\r\n".into(), MALFORMED),
        ("Mcp_Method: x\r\n".into(), MALFORMED),
        ("MCP_Protocol_Version: 2025-06-18\r\n".into(), MALFORMED),
        ("Mcp-Param_A: x\r\n".into(), MALFORMED),
        (format!("X_API_Key: {key}\r\n"), MALFORMED),
        ("Content_Type: text/plain\r\n".into(), MALFORMED),
        ("Last_Event_ID: 1\r\n".into(), MALFORMED),
    ] {
        cases.push(Case::new(&lines, parts.with(&lines), &[want]));
    }
    for (media, want) in [
        ("Content-Type: application/json; charset=utf-8\r\n", Served),
        ("content-type: Application/JSON\r\n", Served),
        ("Content-Type: application/json, text/plain\r\n", MEDIA),
        ("Content-Type: text/plain\r\n", MEDIA),
        ("Content-Type: application/x-www-form-urlencoded\r\n", MEDIA),
        ("Content-Type: multipart/form-data; boundary=x\r\n", MEDIA),
        ("", MEDIA),
    ] {
        let sent = parts.with("").replace("Content-Type: application/json\r\n", media);
        cases.push(Case::new(media, sent, &[want]));
    }
    for (lines, want) in [
        ("x: y\r\n".repeat(101), TOO_LARGE),
        (format!("x: {}\r\n", "y".repeat(70_000)), TOO_LARGE),
        (": y\r\n".into(), MALFORMED),
        ("no colon\r\n".into(), MALFORMED),
        ("x y: z\r\n".into(), MALFORMED),
        ("x\u{e9}: z\r\n".into(), MALFORMED),
        ("x: a\0b\r\n".into(), MALFORMED),
        ("x: a\x7fb\r\n".into(), MALFORMED),
        ("x: a\r\r\n".into(), MALFORMED),
        ("x: a\r\n\tb\r\n".into(), MALFORMED),
    ] {
        cases.push(Case::new(&format!("{lines:.40}"), parts.with(&lines), &[want]));
    }
    cases
}

fn several(parts: &Parts) -> Vec<Case> {
    let (call, other) = (parts.with(""), call_bytes(&parts.key, "crm.read_other"));
    let smuggled = call_bytes(&parts.key, "crm.read_smuggled");
    let old = |method: &str, lines: &str, rest: &str| {
        format!(
            "{method} /crm/mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\nMCP-Protocol-Version: 2025-06-18\r\n{lines}\r\n{rest}",
            parts.key
        )
    };
    let within = |head: &str| format!("{head}Content-Length: {}\r\n\r\n{smuggled}", smuggled.len());
    let put = within("PUT /crm/mcp HTTP/1.1\r\nHost: localhost\r\n");
    let nowhere = within("POST /nowhere HTTP/1.1\r\nHost: localhost\r\n");
    let counted = format!("Content-Length: {}\r\n", smuggled.len());
    let chunk = format!("{:x}\r\n{smuggled}\r\n0\r\n\r\n", smuggled.len());
    let coded = "Transfer-Encoding: chunked\r\n";
    vec![
        Case::new("two at once", format!("{call}{other}"), &[Served, Served]),
        Case::new("four at once", format!("{call}{other}{call}{other}"), &[Served; 4]),
        Case::new("an empty line between", format!("{call}\r\n{other}"), &[Served, Served]),
        Case::new("refused and served", format!("{put}{other}"), &[METHOD, Served]),
        Case::new("served and faulty", format!("{call}POST / HTTP/1.0\r\n\r\n{other}"), &[Served, MALFORMED]),
        Case::new(
            "close and another",
            format!("{}{other}", parts.with("Connection: close\r\n")),
            &[Served, Closed],
        ),
        Case::new(
            "empty chunks and another",
            format!("{}{other}", parts.chunks("0\r\n\r\n")),
            &[NO_JSON, Served],
        ),
        Case::new("hidden in a refused body", put, &[METHOD]),
        Case::new("hidden behind a wrong path", nowhere, &[NOWHERE]),
        Case::new("hidden in the body", parts.post(&counted, &smuggled), &[NO_JSON]),
        Case::new("hidden in chunks", parts.chunks(&chunk), &[NO_JSON]),
        Case::new("GET with a body", old("GET", &counted, &smuggled), &[MALFORMED]),
        Case::new("DELETE with a body", old("DELETE", &counted, &smuggled), &[MALFORMED]),
        Case::new("GET with chunks", old("GET", coded, &chunk), &[MALFORMED]),
        Case::new("GET with no chunks", old("GET", coded, "0\r\n\r\n"), &[MALFORMED]),
        Case::new("GET with both", old("GET", &format!("{counted}{coded}"), &chunk), &[MALFORMED]),
        Case::new("HEAD with a body", old("HEAD", &counted, &smuggled), &[Head(405)]),
        Case::new("DELETE", old("DELETE", "Content-Length: 0\r\n", ""), &[Served]),
        Case::new("LF alone", call.replace("\r\n", "\n"), &[MALFORMED]),
        Case::new("CR alone", call.replace("\r\n", "\r"), &[Closed]).finished(),
        Case::new("empty lines before it", format!("\r\n\r\n\r\n{call}"), &[Served]),
    ]
}
