//! No secret is in any record, in any setting, wherever a client puts it.

use memchr::memmem;

use super::{call, lines, of_kind, world};
use crate::fuzz_corpora::properties::examples::examples;
use crate::world::{META, call_headers};

/// A secret, in the text that shows what it is, and its kind.
pub struct Planted {
    pub secret: String,
    pub text: String,
    pub kind: String,
}

/// Every kind of secret, and this key.
pub fn planted(key: &str) -> Vec<Planted> {
    let mut planted: Vec<_> = examples()
        .into_iter()
        .filter_map(|example| {
            let secret = example.secret()?.to_owned();
            Some(Planted { secret, text: example.text.clone(), kind: example.kind })
        })
        .collect();
    planted.push(Planted {
        secret: key.to_owned(),
        text: format!("the key is {key}"),
        kind: "tollgate".into(),
    });
    planted
}

/// Whether a text holds a secret, as it is or as JSON.
pub fn holds(text: &[u8], secret: &str) -> bool {
    let quoted = serde_json::to_string(secret).unwrap();
    let hits = |form: &str| {
        memmem::find_iter(text, form.as_bytes()).any(|at| !is_number(text.split_at(at), form.as_bytes()))
    };
    hits(secret) || hits(quoted.trim_matches('"'))
}

/// Whether what stands there are digits of a hash, a number or a time: they hold any few by chance.
fn is_number((before, rest): (&[u8], &[u8]), secret: &[u8]) -> bool {
    let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let is_short = secret.len() < 16 && secret.iter().all(is_digit);
    let neighbours = [before.last(), rest.get(secret.len())];
    is_short && (neighbours.into_iter().flatten().any(is_digit) || matches!(before.last(), Some(b':' | b'.')))
}

#[test]
fn no_secret_is_written_in_any_setting() {
    let tools = ["none", "redacted", "full"].map(|inputs| {
        format!(
            "[servers.tools.\"crm.{inputs}\"]\nscopes = [\"crm:read\"]\naudit = {{ inputs = \"{inputs}\" }}\n"
        )
    });
    let world = world("", &tools.concat());
    let (key, id) = world.issue(&["crm:read"]);
    let mut gateway = world.serve();
    let mut connection = gateway.connect();
    let planted = planted(&key);
    for Planted { text, .. } in &planted {
        let quoted = serde_json::to_string(text).unwrap();
        for tool in ["crm.none", "crm.redacted", "crm.full"] {
            let arguments = format!(
                r#"{{"note":{quoted},"password":"hunter2-{tool}","deep":[{{"a":{quoted}}}],{quoted}:1}}"#
            );
            let answer = call(&mut connection, &key, tool, "1", &arguments);
            assert_eq!(answer.status, 200, "{arguments}: {answer:?}");
        }
        // As a name and as an id.
        let mut headers = call_headers("x");
        headers.retain(|(name, _)| *name != "Mcp-Name");
        headers.push(("Authorization", format!("Bearer {key}")));
        let encoded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, text);
        headers.push(("Mcp-Name", format!("=?base64?{encoded}?=")));
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":{quoted},"method":"tools/call","params":{{"name":{quoted},"arguments":{{}},{META}}}}}"#
        );
        assert_ne!(connection.request("POST", "/crm/mcp", &headers, &body).status, 200);
    }
    let page = crate::admin::get(&gateway, "/metrics").text().to_owned();
    assert!(gateway.stop());
    let records = lines(&world);
    let calls = of_kind(&records, "call");
    assert!(calls.len() >= 3 * planted.len(), "{}", calls.len());
    let inputs =
        |tool: &str| calls.iter().filter(|call| call["tool"] == tool && !call["inputs"].is_null()).count();
    assert_eq!(
        [inputs("crm.none"), inputs("crm.redacted"), inputs("crm.full")],
        [0, planted.len(), planted.len()]
    );
    let written = serde_json::to_string(&records).unwrap();
    let said = gateway.said();
    assert!(written.contains(&id), "its id is there");
    let password = Planted { secret: "hunter2".into(), text: String::new(), kind: "password".into() };
    for Planted { secret, kind, .. } in planted.iter().chain([&password]) {
        for (text, place) in [(&written, "the audit log"), (&page, "metrics"), (&said, "the log")] {
            assert!(!holds(text.as_bytes(), secret), "a secret of kind {kind} is in {place}: {secret}");
        }
    }
}
