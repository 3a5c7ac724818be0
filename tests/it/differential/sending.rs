//! Sends bodies to the gateway, with the headers that each needs and with others.
//!
//! It must never change a body, nor judge an answer.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::readers::{Call, Seen};
use crate::corpus::{Body, Expected};
use crate::world::{Answer, Connection, Gateway, legacy_headers};

/// Headers of a modern message; the mirrors say what a reader sees.
fn modern_headers(key: &str, call: Option<&Call>) -> Vec<(&'static str, String)> {
    let read_note = ("tools/call".to_owned(), "crm.read_note".to_owned());
    let plain = |text: &str| {
        !text.is_empty() && text.trim() == text && text.bytes().all(|b| (b' '..=b'~').contains(&b))
    };
    let (method, target) =
        call.filter(|(method, _)| plain(method) && method.len() < 100).unwrap_or(&read_note);
    let mut headers = legacy_headers(key);
    headers.extend([("MCP-Protocol-Version", "2026-07-28".to_owned()), ("Mcp-Method", method.clone())]);
    if ["tools/call", "prompts/get", "resources/read"].contains(&method.as_str()) && target.len() < 4_000 {
        let sentinel = !plain(target) || target.contains("=?base64?");
        let name = if sentinel { format!("=?base64?{}?=", STANDARD.encode(target)) } else { target.clone() };
        headers.push(("Mcp-Name", name));
    }
    headers
}

/// Sends one body, on a connection that is opened anew where the last answer closed it.
fn send(
    gateway: &Gateway,
    connection: &mut Option<Connection>,
    headers: &[(&str, String)],
    body: &Body,
) -> Answer {
    let to = connection.get_or_insert_with(|| gateway.connect());
    let mut request = format!("POST /crm/mcp HTTP/1.1\r\nHost: {}\r\n", to.host);
    for (name, value) in headers.iter().filter(|(name, _)| *name != "Content-Type") {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str(&format!(
        "Content-Type: {}\r\nContent-Length: {}\r\n\r\n",
        body.media,
        body.bytes.len()
    ));
    to.send(&[request.as_bytes(), &body.bytes].concat());
    let answer = to.answer();
    if answer.header("connection") == Some("close") {
        *connection = None;
    }
    answer
}
/// Which headers a body is sent with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Headers {
    /// Those of its era, which repeat what it says.
    Own,
    /// Modern ones that name what the key may have, whatever the body says.
    Innocent,
    /// Those of the other era.
    OtherEra,
}

impl Headers {
    /// Those that a body is sent with, one after the other.
    fn of(body: &Body) -> &'static [Self] {
        let refused = body.expected != Expected::Passes;
        match (body.name.contains(" request "), body.modern) {
            (true, true) if refused && body.of_one_era => &[Self::Own, Self::Innocent],
            (true, true) if refused => &[Self::Own, Self::Innocent, Self::OtherEra],
            (true, _) if !body.of_one_era && (body.modern || refused) => &[Self::Own, Self::OtherEra],
            _ => &[Self::Own],
        }
    }

    /// The request id under which a body is sent with them.
    pub(super) fn mark(self, index: usize) -> String {
        let word = match self {
            Self::Own => "own",
            Self::Innocent => "innocent",
            Self::OtherEra => "other",
        };
        format!("{word}-{index}")
    }
}

/// A body of the corpus that was sent.
pub(super) struct Sent {
    pub(super) index: usize,
    pub(super) headers: Headers,
    pub(super) answer: Answer,
}

/// Sends every body, some of them more than once.
pub(super) fn send_all(
    gateway: &Gateway,
    key: &str,
    session: &str,
    bodies: &[Body],
    seen: &[Seen],
) -> Vec<Sent> {
    let lanes = 2;
    let lane = |lane: usize| {
        let mut connection = None;
        let mut sent = Vec::new();
        for (index, body) in bodies.iter().enumerate().filter(|(index, _)| index % lanes == lane) {
            let call = seen[index]["python"].first().or_else(|| seen[index]["node"].first());
            for headers in Headers::of(body) {
                let modern = body.modern != (*headers == Headers::OtherEra);
                let mut lines = if modern {
                    modern_headers(key, call.filter(|_| *headers != Headers::Innocent))
                } else {
                    [legacy_headers(key), vec![("Mcp-Session-Id", session.to_owned())]].concat()
                };
                lines.push(("X-Request-Id", headers.mark(index)));
                let answer = send(gateway, &mut connection, &lines, body);
                sent.push(Sent { index, headers: *headers, answer });
            }
        }
        sent
    };
    std::thread::scope(|scope| {
        let other = scope.spawn(|| lane(1));
        [lane(0), other.join().unwrap()].into_iter().flatten().collect()
    })
}

/// A session, so that a client's answers get as far as they can.
pub(super) fn session(gateway: &Gateway, key: &str) -> String {
    let mut headers = legacy_headers(key);
    headers.push(("X-Request-Id", "session".into()));
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}"#;
    let answer = gateway.connect().request("POST", "/crm/mcp", &headers, body);
    answer.header("mcp-session-id").unwrap_or_else(|| panic!("{answer:?}")).to_owned()
}
