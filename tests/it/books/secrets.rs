//! No secret is in any record, in any setting, wherever a client puts it.

use super::{call, lines, of_kind, world};
use crate::fuzz_corpora::properties::examples::examples;
use crate::world::{META, call_headers};

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
    // A secret, in the text that shows what it is.
    // A secret, in the text that shows what it is; beside it its kind.
    let mut planted: Vec<(String, String, String)> = examples()
        .into_iter()
        .filter_map(|example| Some((example.secret()?.to_owned(), example.text.clone(), example.kind)))
        .collect();
    planted.push((key.clone(), format!("the key is {key}"), "tollgate".into()));
    for (_, text, _) in &planted {
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
    let password = ("hunter2".to_owned(), String::new(), "password".to_owned());
    for (secret, _, kind) in planted.iter().chain([&password]) {
        for (text, place) in [(&written, "the audit log"), (&page, "metrics"), (&said, "the log")] {
            let quoted = serde_json::to_string(secret).unwrap();
            assert!(
                !text.contains(secret) && !text.contains(quoted.trim_matches('"')),
                "a secret of kind {kind} is in {place}: {secret}"
            );
        }
    }
}
