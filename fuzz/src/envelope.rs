//! JSON-RPC messages: the fast reader, the slow one, `serde_json` and a simple reader of the
//! rules are of one mind about every body.

use tollgate::base::text::Text;
use tollgate::wire::jsonrpc::{
    Envelope, ErrorBody, Fault, Flaw, Message, MetaVersion, Scratch, Subject, error_body, slow,
};

use super::json::{self, Kind, Value};
use super::legal::{Facts, facts};

/// Read before the body that is judged, so that nothing of it may shine through.
const BEFORE: &[u8] = br#"{"jsonrpc":"2.0","id":"before","method":"tools/call","params":{"name":"before","arguments":{"a":[[[1,2.5,"x\n"]]]},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}"#;

/// `serde_json` gives objects with such a member a meaning of its own when it makes values.
const OF_SERDE_ITSELF: &str = "$serde_json::private";

/// Holds the readers against each other.
pub fn check(body: &[u8]) {
    let slow = slow::read_envelope(body);
    agree(body, &slow);
    let Ok(text) = std::str::from_utf8(body) else {
        assert_eq!(slow, Err(Fault(Flaw::Syntax)), "not UTF-8");
        assert_eq!(slow::id_bytes(body), None);
        return;
    };
    match json::parse(text) {
        Err(json::Flaw::TooDeep) => assert!(slow.is_err(), "too deep"),
        Err(json::Flaw::Syntax) => {
            assert_eq!(slow, Err(Fault(Flaw::Syntax)), "{text}");
            assert!(serde_json::from_str::<serde_json::Value>(text).is_err(), "{text}");
            assert_eq!(slow::id_bytes(body), None, "{text}");
        }
        Ok(root) => {
            assert_eq!(
                slow.as_ref().ok().map(|envelope| told(envelope, body)),
                facts(&root),
                "{slow:?} {text}"
            );
            refusals(&slow, &root);
            echo(text, &root);
            serde(text, &root, slow.as_ref().ok());
        }
    }
}

/// The fast reader agrees wherever it commits itself, on fresh scratch and on used, and so
/// does the reader that stages call.
fn agree(body: &[u8], slow: &Result<Envelope, Fault>) {
    let plain = |read: &Result<Envelope, Fault>| read.as_ref().map(|e| told(e, body)).map_err(|fault| *fault);
    let (mut fresh, mut used) = (Scratch::new(), Scratch::new());
    assert!(used.read(BEFORE).is_ok());
    let (first, second) = (fresh.read_fast(body), used.read_fast(body));
    assert_eq!(first.is_ok(), second.is_ok(), "whether it commits itself depends on what it read before");
    for fast in [first, second].iter().flatten() {
        assert_eq!(plain(fast), plain(slow), "{}", body.escape_ascii());
    }
    assert_eq!(plain(&used.read(body)), plain(slow), "{}", body.escape_ascii());
    let before = used.read(BEFORE);
    assert!(
        before.is_ok_and(|envelope| told(&envelope, BEFORE).subject == "tool before"),
        "scratch is spoilt"
    );
}

/// What an envelope tells, in the words of [`Facts`].
fn told(envelope: &Envelope, body: &[u8]) -> Facts {
    let subject = match &envelope.subject {
        Subject::Server => "server".into(),
        Subject::Tool(name) => format!("tool {}", name.in_body(body)),
        Subject::Prompt(name) => format!("prompt {}", name.in_body(body)),
        Subject::Resource(uri) => format!("resource {}", uri.in_body(body)),
        Subject::Subscription { resources, tasks } => {
            let uris: Vec<_> = resources.iter().map(|uri| uri.in_body(body)).collect();
            format!("subscription {uris:?} {tasks}")
        }
        Subject::Task => "task".into(),
    };
    let mut id = Text::<30>::EMPTY;
    envelope.id.note(body, &mut id);
    let trace = envelope.traceparent.map(|trace| trace.write().to_vec()).unwrap_or_default();
    Facts {
        id: String::from_utf8_lossy(id.bytes()).into_owned(),
        trace: String::from_utf8_lossy(&trace).into_owned(),
        message: match envelope.message {
            Message::Request => "request",
            Message::Notification => "notification",
            Message::Response => "response",
        },
        method: envelope.method.name().into(),
        subject,
        version: match &envelope.version {
            MetaVersion::Absent => "absent".into(),
            MetaVersion::Known(version) => format!("known {}", version.name()),
            MetaVersion::Unknown(text) => format!("unknown {}", text.in_body(body)),
        },
        has_capabilities: envelope.has_capabilities,
    }
}

/// A refusal names a flaw that is there.
fn refusals(slow: &Result<Envelope, Fault>, root: &Value<'_>) {
    let deep = root.depth() > tollgate::base::bounds::JSON_DEPTH;
    assert_eq!(*slow == Err(Fault(Flaw::Depth)), deep, "{}", root.raw);
    if deep {
        return;
    }
    assert_eq!(*slow == Err(Fault(Flaw::Batch)), matches!(root.kind, Kind::Array(_)), "{}", root.raw);
    let other = !matches!(root.kind, Kind::Array(_) | Kind::Object(_));
    assert_eq!(*slow == Err(Fault(Flaw::NotAnObject)), other, "{}", root.raw);
    assert_ne!(*slow, Err(Fault(Flaw::Syntax)), "JSON is called none: {}", root.raw);
    if *slow == Err(Fault(Flaw::Text)) {
        assert!(!root.is_unicode(), "a text of characters is called none: {}", root.raw);
    }
}

/// An error answer carries the very bytes of an id that stands there once.
fn echo(text: &str, root: &Value<'_>) {
    let members = root.members().unwrap_or_default();
    let readable = members.iter().all(|(name, _)| name.is_some());
    let ids: Vec<_> = members.iter().filter(|(name, _)| name.as_deref() == Some("id")).collect();
    let id = match ids.as_slice() {
        [(_, id)] if readable && matches!(id.kind, Kind::Text(_) | Kind::Number(true)) => Some(id.raw),
        _ => None,
    };
    assert_eq!(slow::id_bytes(text.as_bytes()), id, "{text}");
    let error =
        ErrorBody { code: 40301, message: "no", data: serde_json::json!({"reason": "scope_missing"}) };
    let answer = String::from_utf8(error_body(id, &error)).unwrap_or_default();
    let answer = json::parse(&answer).unwrap_or_else(|flaw| panic!("an answer that is no JSON: {flaw:?}"));
    let echoed = answer.members().unwrap_or_default().iter().find(|(name, _)| name.as_deref() == Some("id"));
    assert_eq!(echoed.map(|(_, id)| id.raw), Some(id.unwrap_or("null")));
}

/// `serde_json` reads what is JSON and finds the same in a body that passes.
fn serde(text: &str, root: &Value<'_>, envelope: Option<&Envelope>) {
    if text.contains(OF_SERDE_ITSELF) {
        return;
    }
    let value: serde_json::Value = match serde_json::from_str(text) {
        Ok(value) => value,
        // It stops at this depth, at numbers beyond a double and at surrogates that stand alone.
        Err(error) => return assert!(!root.is_tame() || root.depth() > 126, "{error}: {text}"),
    };
    assert!(root.is_unicode(), "{text}");
    let Some(envelope) = envelope else { return };
    let body = text.as_bytes();
    if envelope.method.name().is_empty() {
        let method = value["method"].as_str().unwrap_or_default();
        assert!(tollgate::wire::mcp::Method::parse(method).name().is_empty(), "{text}");
    } else {
        assert_eq!(value["method"], envelope.method.name(), "{text}");
    }
    match &envelope.subject {
        Subject::Tool(name) => assert_eq!(value["params"]["name"], name.in_body(body), "{text}"),
        Subject::Resource(uri) if !value["params"]["uri"].is_null() && value["params"]["ref"].is_null() => {
            assert_eq!(value["params"]["uri"], uri.in_body(body), "{text}");
        }
        _ => {}
    }
    let id = slow::id_bytes(body);
    assert_eq!(id.is_some(), envelope.message != Message::Notification, "{text}");
    let id: Option<serde_json::Value> = id.and_then(|id| serde_json::from_str(id).ok());
    assert_eq!(id.unwrap_or_default(), value["id"], "{text}");
}
