//! What no client does on purpose, with the depot behind and bytes sent by hand: connections that
//! break in the middle of a call, and answers to questions that another was asked.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::depot::Served;
use super::{LEGACY, MODERN};
use crate::world::{Answer, Connection, Gateway, META};

const PLAINTEXT: &str = "plaintext = \"loopback\"";

/// One key's use of the depot, in a session once it has begun one.
struct Caller<'g> {
    gateway: &'g Gateway,
    key: String,
    session: Option<String>,
    /// The last id used: in a session no two requests may have the same.
    id: AtomicU32,
}

impl<'g> Caller<'g> {
    fn modern(served: &'g Served) -> Self {
        Self { gateway: &served.gateway, key: served.key(), session: None, id: AtomicU32::new(0) }
    }

    fn legacy(served: &'g Served) -> Self {
        let mut caller = Self::modern(served);
        let body = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{"elicitation":{}},"clientInfo":{"name":"broken","version":"0"}}}"#;
        let mut headers = caller.headers("initialize", "");
        headers.retain(|(name, _)| !name.to_lowercase().starts_with("mcp-"));
        let answer = caller.gateway.connect().request("POST", "/depot/mcp", &headers, body);
        let session = answer.header("mcp-session-id").unwrap_or_else(|| panic!("{answer:?}"));
        caller.session = Some(session.to_owned());
        let begun = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
        assert_eq!(caller.post("notifications/initialized", "", begun).status, 202);
        caller
    }

    fn headers(&self, method: &str, name: &str) -> Vec<(&'static str, String)> {
        let version = if self.session.is_some() { LEGACY } else { MODERN };
        let mut headers = vec![
            ("Content-Type", "application/json".into()),
            ("Accept", "application/json, text/event-stream".into()),
            ("Authorization", format!("Bearer {}", self.key)),
            ("MCP-Protocol-Version", version.into()),
        ];
        match &self.session {
            Some(session) => headers.push(("Mcp-Session-Id", session.clone())),
            None => headers.extend([("Mcp-Method", method.into()), ("Mcp-Name", name.into())]),
        }
        headers
    }

    fn call(&self, tool: &str, arguments: &str) -> String {
        let id = self.id.fetch_add(1, Ordering::Relaxed) + 1;
        let meta = if self.session.is_some() { String::new() } else { format!(",{META}") };
        format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"{tool}","arguments":{arguments}{meta}}}}}"#
        )
    }

    fn post(&self, method: &str, name: &str, body: &str) -> Answer {
        let headers = self.headers(method, name);
        self.gateway.connect().request("POST", "/depot/mcp", &headers, body)
    }

    /// Sends a call and reads nothing.
    fn begin(&self, tool: &str, arguments: &str) -> Connection {
        let (body, mut connection) = (self.call(tool, arguments), self.gateway.connect());
        let headers = self.headers("tools/call", tool);
        let lines: String =
            headers.iter().flat_map(|(name, value)| [*name, ": ", value.as_str(), "\r\n"]).collect();
        let length = body.len();
        connection.send(
            format!(
                "POST /depot/mcp HTTP/1.1\r\nHost: localhost\r\n{lines}Content-Length: {length}\r\n\r\n{body}"
            )
            .as_bytes(),
        );
        connection
    }

    /// A number of the caller's own that the depot tells.
    fn told(&self, name: &str) -> u64 {
        let answer = self.post("tools/call", "depot_status", &self.call("depot_status", "{}"));
        let rest = answer.text().split("structuredContent").nth(1).unwrap_or_default();
        let number = rest.split(&format!(r#""{name}":"#)).nth(1).unwrap_or_else(|| panic!("{answer:?}"));
        number.split([',', '}']).next().unwrap().trim().parse().unwrap()
    }

    /// Waits until the depot tells this.
    fn await_told(&self, name: &str, wanted: u64) -> Duration {
        let start = Instant::now();
        while self.told(name) != wanted {
            assert!(start.elapsed() < Duration::from_secs(10), "{name} is {}", self.told(name));
            std::thread::sleep(Duration::from_millis(10));
        }
        start.elapsed()
    }
}

/// Reads chunks until they hold this, and gives all of them.
fn read_until(connection: &mut Connection, wanted: &str) -> String {
    let (mut read, start) = (String::new(), Instant::now());
    while !read.contains(wanted) {
        // A silent stream sends comments for ever.
        assert!(start.elapsed() < Duration::from_secs(10), "nothing but {read:?}");
        let chunk = connection.chunk().unwrap_or_else(|| panic!("ended without {wanted}: {read}"));
        read.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    read
}

#[test]
fn a_lost_connection_cancels_in_the_modern_era() {
    let served = Served::start(PLAINTEXT, 3);
    let caller = Caller::modern(&served);
    let connection = caller.begin("slow_wait", r#"{"seconds":25}"#);
    caller.await_told("waits_started", 1);
    drop(connection);
    let took = caller.await_told("waits_cancelled", 1);
    assert!(took < Duration::from_secs(1), "{took:?}");
}

#[test]
fn a_lost_connection_cancels_nothing_in_the_legacy_era_and_the_answer_waits() {
    let served = Served::start(PLAINTEXT, 3);
    let caller = Caller::legacy(&served);
    let mut connection = caller.begin("slow_wait", r#"{"seconds":1}"#);
    assert_eq!(connection.head().status, 200);
    let first = read_until(&mut connection, "\n\r\n");
    let event = first.lines().find_map(|line| line.strip_prefix("id: ")).unwrap().trim().to_owned();
    // The gateway's comment, in the silence after it.
    read_until(&mut connection, ":\n");
    drop(connection);
    assert_eq!(caller.told("waits_finished"), 0);
    caller.await_told("waits_finished", 1);
    assert_eq!(caller.told("waits_cancelled"), 0);
    // Another key resumes nothing of it, in this session or in its own.
    let other = Caller::legacy(&served);
    let resume = |key: &Caller<'_>, session: &Caller<'_>| {
        let lines: String = [
            ("Accept", "text/event-stream"),
            ("Authorization", &format!("Bearer {}", key.key)),
            ("MCP-Protocol-Version", LEGACY),
            ("Mcp-Session-Id", session.session.as_ref().unwrap()),
            ("Last-Event-ID", &event),
        ]
        .iter()
        .flat_map(|(name, value)| [*name, ": ", *value, "\r\n"])
        .collect();
        let mut connection = served.gateway.connect();
        connection.send(format!("GET /depot/mcp HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n").as_bytes());
        connection
    };
    let refused = resume(&other, &caller).answer();
    assert_eq!((refused.status, refused.reason().as_str()), (404, "session_unknown"));
    let mut resumed = resume(&caller, &caller);
    assert_eq!(resumed.head().status, 200);
    let rest = read_until(&mut resumed, "\"result\"");
    assert!(rest.contains("\"id\":1,") && rest.contains("Waited."), "{rest}");
}

#[test]
fn a_question_is_answered_by_the_session_that_was_asked_alone() {
    let served = Served::start(PLAINTEXT, 3);
    let (asked, other) = (Caller::legacy(&served), Caller::legacy(&served));
    let mut connection = asked.begin("parcel_return", r#"{"parcel":"parcel-7"}"#);
    assert_eq!(connection.head().status, 200);
    let question = read_until(&mut connection, "elicitation/create");
    let data = question.lines().find_map(|line| line.strip_prefix("data: ").filter(|data| data.len() > 2));
    let id = serde_json::from_str::<serde_json::Value>(data.unwrap()).unwrap()["id"].clone();
    let answer = |name: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","id":{id},"result":{{"action":"accept","content":{{"confirm":true,"name":"{name}"}}}}}}"#
        )
    };
    // In the session of the one that was asked, and in the other's own.
    let stolen = Caller { session: asked.session.clone(), key: other.key.clone(), ..Caller::modern(&served) };
    let refused = stolen.post("", "", &answer("a thief"));
    assert_eq!((refused.status, refused.reason().as_str()), (404, "session_unknown"));
    assert_eq!(other.post("", "", &answer("a stranger")).status, 202);
    assert_eq!(asked.post("", "", &answer("the one who was asked")).status, 202);
    let result = read_until(&mut connection, "\"result\"");
    assert!(result.contains("Returned, as the one who was asked confirmed."), "{result}");
}
