//! The books of a running gateway: what it writes down of calls and refusals, whatever happens to it.

mod crash;
mod doctor;
mod full;
pub mod secrets;
mod slow;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::admin;
use crate::world::{Answer, Connection, Gateway, META, World, call_headers};

/// A world with an audit log, with these settings beside its folder.
fn world(settings: &str, server: &str) -> World {
    World::new(&format!("[audit]\nfolder = \"audit\"\nreplica = \"gw\"\n{settings}"), server)
}

fn folder(world: &World) -> PathBuf {
    world.folder.path().join("audit")
}

/// Calls a tool under an id, with arguments.
fn call(connection: &mut Connection, key: &str, tool: &str, id: &str, arguments: &str) -> Answer {
    let mut headers = call_headers(tool);
    headers.push(("Authorization", format!("Bearer {key}")));
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"{tool}","arguments":{arguments},{META}}}}}"#
    );
    connection.request("POST", "/crm/mcp", &headers, &body)
}

/// Every record of a log that is whole.
fn records(world: &World) -> Vec<Value> {
    let folder = folder(world);
    let verified = crate::world::tollgate(&["audit", "verify", folder.to_str().unwrap()]);
    assert!(verified.ok, "{}{}", verified.out, verified.err);
    lines(world)
}

/// Every line of a log that is being written.
fn lines(world: &World) -> Vec<Value> {
    let mut files: Vec<_> =
        std::fs::read_dir(folder(world)).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "jsonl" || extension == "zst"));
    files.sort();
    let texts = files.iter().map(|path| {
        let bytes = std::fs::read(path).unwrap();
        let packed = path.extension().is_some_and(|extension| extension == "zst");
        String::from_utf8(if packed { zstd::decode_all(&*bytes).unwrap() } else { bytes }).unwrap()
    });
    texts
        .flat_map(|text| text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect::<Vec<_>>())
        .collect()
}

fn of_kind<'a>(records: &'a [Value], kind: &str) -> Vec<&'a Value> {
    records.iter().filter(|record| record["kind"] == kind).collect()
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(15), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn what_was_never_sent_took_the_upstream_no_time() {
    let world = world("", "");
    let (key, _) = world.issue(&["crm:read"]);
    let mut gateway = world.serve();
    let mut headers = call_headers("crm.read_x");
    headers.push(("Authorization", format!("Bearer {key}")));
    headers.push(("X-Request-Id", key.clone()));
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"crm.read_x","arguments":{{}},{META}}}}}"#
    );
    let answer = gateway.connect().request("POST", "/crm/mcp", &headers, &body);
    assert_eq!((answer.status, answer.reason().as_str()), (400, "malformed_request"));
    assert!(gateway.stop());
    let records = records(&world);
    let calls = of_kind(&records, "call");
    assert_eq!((calls.len(), &calls[0]["reason"]), (1, &Value::from("malformed_request")));
    assert!(calls[0]["upstream_ns"].is_null() && calls[0]["whole_ns"] == calls[0]["own_ns"], "{calls:?}");
}

/// A number of the metrics page.
fn metric(gateway: &Gateway, name: &str) -> u64 {
    let page = admin::get(gateway, "/metrics").text().to_owned();
    let line = page
        .lines()
        .find(|line| line.starts_with(&format!("{name} ")))
        .unwrap_or_else(|| panic!("{name}: {page}"));
    line.split(' ').nth(1).unwrap().trim_end_matches(".0").parse().unwrap()
}

#[test]
fn every_call_and_every_refusal_is_written_down() {
    let world = world("", "");
    let (key, id) = world.issue(&["crm:read"]);
    let mut gateway = world.serve();
    let mut connection = gateway.connect();
    assert_eq!(call(&mut connection, &key, "crm.read_x", "41", "{}").status, 200);
    assert_eq!(call(&mut connection, &key, "crm.write_activity", "\"a-42\"", "{}").status, 403);
    assert_eq!(call(&mut connection, "mcp_live_wrong", "crm.read_x", "43", "{}").status, 401);
    assert_eq!(connection.request("GET", "/nowhere", &[], "").status, 404);
    // A stream whose client leaves, and one that lasts until the gateway stops.
    let mut stream = gateway.connect();
    stream.send_call(&key, "crm.read_event");
    assert_eq!(stream.head().status, 200);
    drop(stream);
    until("the stream that was left is written", || of_kind(&lines(&world), "call").len() == 5);
    assert!(gateway.stop());
    let records = records(&world);
    let calls = of_kind(&records, "call");
    let told: Vec<_> = calls
        .iter()
        .map(|call| {
            [&call["status"], &call["outcome"], &call["reason"], &call["key_id"], &call["tool"], &call["id"]]
        })
        .collect();
    let (null, id) = (Value::Null, Value::from(id));
    let text = |text: &str| Value::from(text);
    assert_eq!(
        told,
        [
            [&200.into(), &text("answered"), &null, &id, &text("crm.read_x"), &41.into()],
            [
                &403.into(),
                &text("denied"),
                &text("scope_missing"),
                &id,
                &text("crm.write_activity"),
                &text("a-42")
            ],
            [&401.into(), &text("denied"), &text("invalid_key"), &null, &null, &null],
            [&404.into(), &text("denied"), &text("route_unknown"), &null, &null, &null],
            [&200.into(), &text("client_gone"), &null, &id, &text("crm.read_event"), &7.into()],
        ]
    );
    let first = calls[0];
    assert_eq!(
        ["server", "method", "era", "version", "rule", "from", "owner", "replica"]
            .map(|name| first[name].as_str().unwrap()),
        ["crm", "tools/call", "modern", "2026-07-28", "crm.read_*", "127.0.0.1", "Zo%C3%AB", "gw"]
    );
    let number = |name: &str| first[name].as_u64().unwrap();
    assert!(
        number("whole_ns") >= number("own_ns") + number("upstream_ns") && number("upstream_ns") > 0,
        "{first}"
    );
    assert!(number("request_bytes") > 100 && number("answer_bytes") > 20, "{first}");
    assert_eq!(calls[1]["rule"], "crm.write_activity", "the rule that refused");
    assert_eq!(
        (records[0]["kind"].as_str(), records[records.len() - 2]["kind"].as_str()),
        (Some("opened"), Some("closed"))
    );
}

#[test]
fn a_record_stands_before_its_call_is_forwarded_where_that_is_asked_for() {
    let world = world("sync = true\n", "");
    let (key, _) = world.issue(&["crm:read"]);
    let mut gateway = world.serve();
    let mut connection = gateway.connect();
    for id in 0..20 {
        assert_eq!(call(&mut connection, &key, "crm.read_x", &id.to_string(), "{}").status, 200);
        // The upstream has the call, so its decision is on the disk.
        let decided = of_kind(&lines(&world), "decision").len();
        assert_eq!(decided, id + 1);
    }
    assert_eq!(call(&mut connection, &key, "crm.write_activity", "20", "{}").status, 403);
    assert!(gateway.stop());
    let records = records(&world);
    let (decisions, calls) = (of_kind(&records, "decision"), of_kind(&records, "call"));
    assert_eq!((decisions.len(), calls.len()), (20, 21), "a refusal forwards nothing");
    assert!(decisions.iter().zip(&calls).all(|(decision, call)| decision["request"] == call["request"]));
    assert!(decisions.iter().all(|decision| decision["id"].is_u64() && decision["status"].is_null()));
}

#[test]
fn a_flood_of_refusals_is_told_in_short() {
    let world = world("refusals = 5\n", "");
    let mut gateway = world.serve();
    let mut connection = gateway.connect();
    for number in 0..500 {
        assert_eq!(call(&mut connection, &format!("mcp_live_{number}"), "crm.read_x", "1", "{}").status, 401);
    }
    assert!(gateway.stop());
    let records = records(&world);
    let (told, short) = (of_kind(&records, "call").len() as u64, of_kind(&records, "refusals"));
    let counted: u64 = short.iter().map(|record| record["count"].as_u64().unwrap()).sum();
    assert_eq!(told + counted, 500, "each is told or counted");
    assert!(told >= 5 && told <= 5 * (short.len() as u64 + 1), "{told} told, {} times in short", short.len());
    assert!(short.iter().all(|record| record["reason"] == "invalid_key" && record["from"] == "127.0.0.1"));
}

#[test]
fn a_call_beyond_a_limit_that_only_warns_says_so() {
    let plan = "[keys]\ndefault_plan = \"standard\"\n[plans.standard]\ncalls = { rate = \"1/h\", burst = 1, warn_only = true }\n";
    let world = World::new(&format!("[audit]\nfolder = \"audit\"\n{plan}"), "");
    let (key, _) = world.issue(&["crm:read"]);
    let mut gateway = world.serve();
    let mut connection = gateway.connect();
    for id in ["1", "2"] {
        assert_eq!(call(&mut connection, &key, "crm.read_x", id, "{}").status, 200);
    }
    assert!(gateway.stop());
    let records = records(&world);
    let warned: Vec<_> = of_kind(&records, "call").iter().map(|call| call["warned"].as_bool()).collect();
    assert_eq!(warned, [None, Some(true)]);
}
