//! Every client with the demo's notebook: what works, and what a person sees of a refusal. With
//! a wrong key, a revoked key and a forbidden tool the reason is shown, and nothing hangs.

use serde_json::Value;
use tempfile::TempDir;

use super::{Client, Target, prompt, with_each};
use crate::demo::Demo;

#[test]
fn every_client_works_with_the_demo_and_shows_refusals() {
    // A demo of its own for each: it counts cancelled waits without asking whose they were.
    with_each(|client| {
        let folder = TempDir::new().unwrap();
        let demo = Demo::start(folder.path());
        visit(client, &demo);
        assert!(demo.stop());
    });
}

fn visit(client: &Client, demo: &Demo) {
    let (endpoint, ca, key) = (demo.text("endpoint"), demo.text("ca"), demo.text("key"));
    let target = Target { endpoint: &endpoint, ca: &ca };
    let revoked = demo.run(&["key", "issue", "--json", "--name", "revoked", "--scope", "notes:read"]).json();
    let revoked_key = revoked["key"].as_str().unwrap();
    assert!(demo.run(&["key", "revoke", revoked["key_id"].as_str().unwrap()]).ok);
    let last = if key.ends_with('x') { 'y' } else { 'x' };
    let wrong_key = format!("{}{last}", &key[..key.len() - 1]);
    let report = client.works(&target, &key, "full,cancel");
    streamed(&report);
    prompt(&report, "on_server");
    let lacking =
        if client.drops_bodies { "403 Forbidden" } else { "lacks a scope that this needs: notes:admin" };
    // The first two get no further than their beginning.
    let reports = client.run_each(&target, &[&wrong_key, revoked_key, &key], "forbidden");
    let sentences = ["the API key is not valid", "the API key was revoked", lacking];
    for (refused, sentence) in reports.iter().zip(sentences) {
        let text = refused["error"]["text"].as_str().unwrap_or_default();
        assert!(text.contains(sentence), "{} {:?}, not {sentence:?}: {refused}", client.name, client.flags);
        let message = refused["error"]["message"].as_str().unwrap_or_default();
        assert!(!message.contains("timed out"), "{refused}");
    }
}

/// Progress arrived while the report was being built, not with its result.
fn streamed(full: &Value) {
    let progress = &full["progress"];
    let arrivals: Vec<f64> =
        progress["arrivals_ms"].as_array().unwrap().iter().map(|ms| ms.as_f64().unwrap()).collect();
    let result = progress["result_ms"].as_f64().unwrap();
    assert!(arrivals.len() >= 3, "{progress}");
    assert!(result - arrivals[0] > 300.0, "buffered: {progress}");
}
