//! A key's own limits of what may be under way at once, and how much of a key is.

use serde_json::json;

use super::{done, told};
use crate::concurrency::{await_under_way, begin, crowded, open, until, world};
use crate::world::Gateway;

/// Waits until the gateway tells so much of a limit of a key.
fn until_most(gateway: &Gateway, id: &str, limit: &str, most: u32) {
    until(&format!("{limit} is {most}"), || row(gateway, id, limit)["most"] == most);
}

/// The row of a limit; null where there is none.
fn row(gateway: &Gateway, id: &str, limit: &str) -> serde_json::Value {
    let rows = told(gateway, id)["limits"].clone();
    rows.as_array().unwrap().iter().find(|row| row["limit"] == limit).cloned().unwrap_or_default()
}

#[test]
fn places_of_its_own_take_the_place_of_the_plans_and_count_on() {
    let world = world("concurrent = 1\nstreams = 1", "");
    let [(key, id), (other, _)] = std::array::from_fn(|_| world.issue(&["crm:read"]));
    let gateway = world.serve();
    let set = |limit: &str| done(world.run(&["key", "set", &id, "--limit", limit]));
    set("concurrent=3");
    until_most(&gateway, &id, "concurrent", 3);
    let mut held: Vec<_> = (0..3).map(|_| begin(&gateway, &key, "silence")).collect();
    await_under_way(&gateway, "calls", 3);
    crowded(&gateway.connect().call(&key, "crm.read_x"), "key_concurrency");
    // Streams are the plan's still, and another key has the plan's of both.
    let mut streams = vec![open(&gateway, &key)];
    await_under_way(&gateway, "streams", 1);
    crowded(&open(&gateway, &key).answer(), "key_streams");
    let others = begin(&gateway, &other, "silence");
    await_under_way(&gateway, "calls", 4);
    crowded(&gateway.connect().call(&other, "crm.read_x"), "key_concurrency");
    drop(others);
    set("streams=2");
    until_most(&gateway, &id, "streams", 2);
    streams.push(open(&gateway, &key));
    await_under_way(&gateway, "streams", 2);
    crowded(&open(&gateway, &key).answer(), "key_streams");
    // The plan's again: what is under way is counted on.
    set("concurrent=none");
    until_most(&gateway, &id, "concurrent", 1);
    held.truncate(1);
    await_under_way(&gateway, "calls", 1);
    crowded(&gateway.connect().call(&key, "crm.read_x"), "key_concurrency");
    held.clear();
    await_under_way(&gateway, "calls", 0);
    assert_eq!(gateway.connect().call(&key, "crm.read_x").status, 200);
    let shown = world.run(&["key", "show", &id]).out;
    assert!(shown.contains(r#"{"streams":2}"#), "{shown}");
    set("none");
    until_most(&gateway, &id, "streams", 1);
    assert!(world.run(&["key", "show", &id, "--json"]).json()["limits"].is_null());
}

#[test]
fn places_of_its_own_refuse_without_a_plan_and_warn_where_the_plan_does() {
    let world = world("concurrent = 5\nconcurrent_warn_only = true", "");
    let issue = |plan: &str| {
        let limits = ["--limit", "concurrent=1", "--limit", "streams=1"];
        let words = ["key", "issue", "--name", "n", "--scope", "crm:read", "--json", "--plan", plan];
        let issued = done(world.run(&[&words[..], &limits].concat())).json();
        ["key", "key_id"].map(|name| issued[name].as_str().unwrap().to_owned())
    };
    let ([warned, warned_id], [key, id]) = (issue("standard"), issue("standard"));
    done(world.run(&["key", "set", &id, "--plan", ""]));
    let shown = world.run(&["key", "show", &id, "--json"]).json();
    assert_eq!(shown["limits"], json!({"concurrent": 1, "streams": 1}));
    // What is exported is read again, word for word.
    let (export, file) = (world.run(&["key", "export"]).out, world.folder.path().join("keys.jsonl"));
    std::fs::write(&file, &export).unwrap();
    assert!(done(world.run(&["key", "import", file.to_str().unwrap()])).out.contains("2 unchanged"));
    let gateway = world.serve();
    let held: Vec<_> = (0..2).map(|_| begin(&gateway, &warned, "silence")).collect();
    await_under_way(&gateway, "calls", 2);
    assert_eq!(
        row(&gateway, &warned_id, "concurrent"),
        json!({"limit": "concurrent", "most": 1, "under_way": 2, "warn_only": true, "own": true})
    );
    drop(held);
    await_under_way(&gateway, "calls", 0);
    let _held = (begin(&gateway, &key, "silence"), open(&gateway, &key));
    await_under_way(&gateway, "calls", 1);
    await_under_way(&gateway, "streams", 1);
    crowded(&gateway.connect().call(&key, "crm.read_x"), "key_concurrency");
    crowded(&open(&gateway, &key).answer(), "key_streams");
}

#[test]
fn a_gateway_tells_how_much_of_a_key_is_under_way() {
    let world = world("concurrent = 4", "");
    let [(key, id), (_, other)] = std::array::from_fn(|_| world.issue(&["crm:read"]));
    let gateway = world.serve();
    let rows = |id: &str| told(&gateway, id)["limits"].clone();
    let concurrent = |most: u32, under_way: u32, own: bool| json!({"limit": "concurrent", "most": most, "under_way": under_way, "warn_only": false, "own": own});
    // Only where a limit applies; nothing was under way yet, and nothing is counted by asking.
    assert_eq!(rows(&id), json!([concurrent(4, 0, false)]));
    done(world.run(&["key", "set", &id, "--limit", "concurrent=5", "--limit", "streams=2"]));
    until_most(&gateway, &id, "concurrent", 5);
    let calls: Vec<_> = (0..3).map(|_| begin(&gateway, &key, "silence")).collect();
    let stream = open(&gateway, &key);
    await_under_way(&gateway, "calls", 3);
    await_under_way(&gateway, "streams", 1);
    let streams = |under_way: u32| json!({"limit": "streams", "most": 2, "under_way": under_way, "warn_only": false, "own": true});
    for _ in 0..2 {
        assert_eq!(rows(&id), json!([concurrent(5, 3, true), streams(1)]));
        assert_eq!(rows(&other), json!([concurrent(4, 0, false)]), "another key's is its own");
    }
    let named = format!("[admin]\naddress = \"{}\"", gateway.admin);
    world.edit("[admin]\naddress = \"127.0.0.1:0\"", &named);
    let said = done(world.run(&["key", "limits", &id])).out;
    let columns = |name: &str| -> Vec<String> {
        let line = said.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{said}"));
        line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).map(str::to_owned).collect()
    };
    assert_eq!(
        columns("concurrent"),
        ["concurrent", "5 at once", "-", "2", "-", "the key's own, 3 under way"]
    );
    assert_eq!(columns("streams"), ["streams", "2 at once", "-", "1", "-", "the key's own, 1 under way"]);
    drop((calls, stream));
    await_under_way(&gateway, "calls", 0);
    await_under_way(&gateway, "streams", 0);
    assert_eq!(rows(&id), json!([concurrent(5, 0, true), streams(0)]));
}

#[test]
fn explain_says_how_much_may_be_under_way_at_once_where_that_applies() {
    let places = "concurrent = 7\nstreams = 8\nconcurrent_warn_only = true\n";
    let settings = "concurrent = 5\nstreams = 6\n";
    let world = world(settings, places);
    let (_, id) = world.issue(&["crm:read"]);
    done(world.run(&["key", "set", &id, "--limit", "streams=2"]));
    let explain = |thing: &[&str]| {
        done(world.run(&[&["explain", "--key", &id, "--server", "crm", "--json"], thing].concat())).json()
    };
    let row = |limit: &str, most: u32, warn_only: bool, own: bool| json!({"limit": limit, "most": most, "warn_only": warn_only, "own": own});
    let calls = [row("key_concurrency", 5, false, false), row("server_concurrency", 7, true, false)];
    let streams = [row("key_streams", 2, false, true), row("server_streams", 8, true, false)];
    // A tool that streams is a call all the same.
    let tool = explain(&["--tool", "crm.read_x"]);
    assert_eq!(tool["limits"], json!([calls[0], calls[1]]));
    let resource = explain(&["--resource", "crm://public/a"]);
    assert_eq!(resource["limits"], json!([calls[0], calls[1], streams[0], streams[1]]));
    let text =
        done(world.run(&["explain", "--key", &id, "--server", "crm", "--resource", "crm://public/a"])).out;
    let said = "key_concurrency 5 at once, server_concurrency 7 at once (only warns), key_streams 2 at once (the key's own), server_streams 8 at once (only warns)";
    assert!(text.contains(said), "{text}");
}
