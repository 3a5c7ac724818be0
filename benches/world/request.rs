//! Requests as they arrive: bytes, read by the product's own reader of heads.

use bytes::BytesMut;
use tollgate::wire::head::RequestHead;
use tollgate::wire::http1::{BodyLength, take_received};

use super::upstream::Pieces;

/// 249 bytes, of the newest revision.
pub const BODY: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"search","arguments":{"query":"unpaid invoices from the last quarters"},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}"#;
/// The same call of the legacy era.
pub const LEGACY: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"search","arguments":{"query":"unpaid invoices from the last quarters"}}}"#;

/// The call of the newest revision with 4 KiB of arguments.
pub fn large_body() -> String {
    BODY.replace("unpaid", &"unpaid and overdue, or disputed; ".repeat(118))
}

/// The call of the newest revision with 300 bytes.
pub fn body_of_300() -> String {
    let more = "and those of their parents, ".repeat(2);
    let body = BODY.replace("unpaid", &format!("{}unpaid", more.get(..300 - BODY.len()).unwrap()));
    assert_eq!(body.len(), 300);
    body
}

/// Bytes of a head that are read; the configuration's default is as much or more.
pub const HEAD_BYTES: usize = 16 * 1024;

/// What a client sends.
#[derive(Clone)]
pub struct Sent {
    line: &'static str,
    headers: Vec<(&'static str, String)>,
    body: String,
}

impl Sent {
    /// A request without a body, with what every client sends.
    pub fn new(line: &'static str, raw: &str) -> Self {
        let headers = vec![
            ("Host", "localhost:8443".to_owned()),
            ("Authorization", format!("Bearer {raw}")),
            ("Accept", "application/json, text/event-stream".to_owned()),
            ("User-Agent", "bench/1.0".to_owned()),
        ];
        Self { line, headers, body: String::new() }
    }

    /// A call of the newest revision.
    pub fn modern(raw: &str, body: &str) -> Self {
        Self::modern_of(raw, body, "search")
    }

    /// The same of a tool that the body names.
    pub fn modern_of(raw: &str, body: &str, tool: &str) -> Self {
        let mirrored =
            [("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Method", "tools/call"), ("Mcp-Name", tool)];
        mirrored.into_iter().fold(Self::post(raw, body), |sent, (name, value)| sent.with(name, value))
    }

    /// A call of the last legacy revision.
    pub fn legacy(raw: &str, body: &str) -> Self {
        Self::post(raw, body).with("MCP-Protocol-Version", "2025-11-25")
    }

    fn post(raw: &str, body: &str) -> Self {
        let sent = Self::new("POST /crm/mcp", raw).with("Content-Type", "application/json");
        Self { body: body.to_owned(), ..sent }
    }

    /// The same with a header added.
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// The same without a header.
    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| *known != name);
        self
    }

    /// The same with another value for a header.
    pub fn but(self, name: &'static str, value: &str) -> Self {
        self.without(name).with(name, value)
    }

    /// The same to another place.
    pub fn to(self, line: &'static str) -> Self {
        Self { line, ..self }
    }

    /// The bytes of the head.
    pub fn head(&self) -> String {
        let lines: String = self.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let length = if self.body.is_empty() {
            String::new()
        } else {
            format!("Content-Length: {}\r\n", self.body.len())
        };
        format!("{} HTTP/1.1\r\n{lines}{length}\r\n", self.line)
    }

    /// All its bytes.
    pub fn bytes(&self) -> Vec<u8> {
        format!("{}{}", self.head(), self.body).into()
    }

    /// The request as the server hands it to the gateway.
    pub fn request(&self) -> (RequestHead, Pieces) {
        let mut read = BytesMut::from(&self.bytes()[..]);
        let received = take_received(&mut read, HEAD_BYTES).unwrap().unwrap();
        (received.head, body_behind(received.length, &mut read))
    }
}

/// The body behind a head that was read, of which all has arrived that will.
pub fn body_behind(length: BodyLength, read: &mut BytesMut) -> Pieces {
    match length {
        BodyLength::Empty => Pieces::declared(bytes::Bytes::new(), 0),
        BodyLength::Known(length) => Pieces::declared(read.split().freeze(), length),
        BodyLength::Chunked => panic!("no request here has chunks"),
    }
}
