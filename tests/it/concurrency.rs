//! How much may be under way at once: what counts, what is refused beyond it, and that each place comes
//! back, whichever way a request ends.

use std::time::{Duration, Instant};

use crate::admin;
use crate::world::{Answer, Connection, Gateway, META, World, call, call_headers};

/// A world whose keys have a plan with these settings.
pub fn world(plan: &str, server: &str) -> World {
    let extra = format!("[keys]\ndefault_plan = \"standard\"\n[plans.standard]\n{plan}\n");
    World::new(&format!("[bounds]\nstream_comment = \"100ms\"\n{extra}"), server)
}

/// A call of which the upstream does what `script` says, in a connection of its own.
pub fn begin(gateway: &Gateway, key: &str, script: &str) -> Connection {
    let mut connection = gateway.connect();
    connection.send_call(key, &format!("crm.read_{script}"));
    connection
}

/// Opens a stream of the legacy era.
pub fn open(gateway: &Gateway, key: &str) -> Connection {
    let mut connection = gateway.connect();
    let get = format!(
        "GET /crm/mcp HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\nLast-Event-ID: silence\r\nAuthorization: Bearer {key}\r\n\r\n"
    );
    connection.send(get.as_bytes());
    connection
}

/// A modern request of any method; `script` is what the upstream does.
fn ask(gateway: &Gateway, key: &str, method: &str, params: &str, script: &str) -> Connection {
    let mut connection = gateway.connect();
    let body = format!(r#"{{"jsonrpc":"2.0","id":7,"method":"{method}","params":{{{params}{META}}}}}"#);
    let head = format!(
        "POST /crm/mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2026-07-28\r\nMcp-Method: {method}\r\nX-Request-Id: {script}\r\nAuthorization: Bearer {key}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    connection.send(format!("{head}{body}").as_bytes());
    connection
}

/// How much is under way, as the metrics tell it.
fn under_way(gateway: &Gateway, kind: &str) -> u64 {
    let page = admin::get(gateway, "/metrics");
    let name = format!("tollgate_under_way{{server=\"crm\",kind=\"{kind}\"}} ");
    let line = page.text().lines().find_map(|line| line.strip_prefix(&name)).map(str::to_owned);
    line.unwrap_or_else(|| panic!("{name} is not in {}", page.text())).parse().unwrap()
}

pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(5), "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

pub fn await_under_way(gateway: &Gateway, kind: &str, count: u64) {
    until(&format!("{count} {kind} are under way"), || under_way(gateway, kind) == count);
}

/// A refusal for want of a place, with all that is told of it.
pub fn crowded(answer: &Answer, limit: &str) {
    assert_eq!((answer.status, answer.reason()), (429, "concurrency_limited".into()), "{answer:?}");
    assert_eq!((answer.header("retry-after"), answer.header("ratelimit")), (Some("1"), None));
    let error = &answer.json()["error"];
    assert_eq!((&error["code"], &error["data"]["limit"]), (&42901.into(), &limit.into()));
    assert_eq!(error["data"]["retry_after_ms"], 1_000);
}

#[test]
fn a_place_comes_back_whichever_way_a_request_ends() {
    let tool = "[servers.tools.\"crm.read_brief\"]\nscopes = [\"crm:read\"]\nfirst_byte = \"1s\"\n";
    let world = world("concurrent = 1", tool);
    let (key, _) = world.issue(&["crm:read"]);
    let gateway = world.serve();
    let leave: fn(Connection) = drop;
    let answered: fn(Connection) = |mut connection| assert_eq!(connection.answer().status, 200);
    let failed: fn(Connection) = |mut connection| assert!(connection.answer().status >= 500);
    let cut: fn(Connection) = |mut connection| {
        assert_eq!(connection.head().status, 200);
        while connection.piece().is_some() {}
    };
    let leave_streaming: fn(Connection) = |mut connection| {
        assert_eq!((connection.head().status, connection.chunk().is_some()), (200, true));
    };
    for (script, end) in [
        ("silence", leave),
        ("event", leave_streaming),
        ("half_answer", leave),
        ("late", answered),
        ("events", answered),
        ("late_chunk_fault", cut),
        // Its upstream is silent for longer than the rule lets it.
        ("brief", failed),
    ] {
        let mut connection = gateway.connect();
        let mut headers = call_headers(&format!("crm.read_{script}"));
        headers.push(("Authorization", format!("Bearer {key}")));
        if script == "brief" {
            headers.push(("X-Request-Id", "silence".into()));
        }
        let (lines, body) = (crate::world::header_lines(&headers), call(&format!("crm.read_{script}")));
        let head = format!("POST /crm/mcp HTTP/1.1\r\nHost: localhost\r\n{lines}");
        connection.send(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes());
        // Some end by themselves before a page of metrics may have been read.
        if !["late_chunk_fault", "events"].contains(&script) {
            await_under_way(&gateway, "calls", 1);
            crowded(&gateway.connect().call(&key, "crm.read_x"), "key_concurrency");
        }
        end(connection);
        let ended = Instant::now();
        until(script, || gateway.connect().call(&key, "crm.read_x").status == 200);
        assert!(ended.elapsed() < Duration::from_secs(2), "{script}: {:?}", ended.elapsed());
        await_under_way(&gateway, "calls", 0);
    }
    // One that has sent as much ahead as is read, so that its end lies behind what is not.
    let mut connection = begin(&gateway, &key, "silence");
    connection.try_send(&vec![b'x'; 64 * 1024]);
    await_under_way(&gateway, "calls", 1);
    drop(connection);
    let ended = Instant::now();
    await_under_way(&gateway, "calls", 0);
    assert!(ended.elapsed() < Duration::from_secs(3), "sent ahead: {:?}", ended.elapsed());
    // What ends at once, in the upstream or at a later stage of the gateway.
    for script in ["close", "reset", "cut", "cut_json", "unauthorized", "status_500"] {
        let mut connection = begin(&gateway, &key, script);
        let _ = connection.head();
        drop(connection);
        await_under_way(&gateway, "calls", 0);
    }
    // Whoever has read the end of an answer may call again at once, on whichever connection.
    for script in ["x", "long", "events", "close", "discover_sse"] {
        for _ in 0..5 {
            let answer = begin(&gateway, &key, script).answer();
            assert_ne!(answer.status, 429, "{script}");
        }
    }
    let refused = ask(&gateway, &key, "tools/list", "", &key).answer();
    assert_eq!(refused.reason(), "malformed_request");
    assert_eq!(gateway.connect().call(&key, "crm.read_x").status, 200);
    await_under_way(&gateway, "calls", 0);
}

#[test]
fn a_call_without_a_place_loses_no_token_and_one_without_a_token_no_place() {
    let world = world("concurrent = 1\ncalls = { rate = \"1/h\", burst = 2 }", "");
    let (key, _) = world.issue(&["crm:read"]);
    let gateway = world.serve();
    let held = begin(&gateway, &key, "silence");
    await_under_way(&gateway, "calls", 1);
    for _ in 0..3 {
        crowded(&gateway.connect().call(&key, "crm.read_x"), "key_concurrency");
    }
    drop(held);
    await_under_way(&gateway, "calls", 0);
    assert_eq!(gateway.connect().call(&key, "crm.read_x").status, 200, "the second of two tokens");
    for _ in 0..3 {
        assert_eq!(gateway.connect().call(&key, "crm.read_x").reason(), "rate_limited");
    }
    assert_eq!(ask(&gateway, &key, "tools/list", "", "").answer().status, 200, "there is a place");
}

#[test]
fn keys_have_places_of_their_own_and_streams_are_counted_apart() {
    let world = world("concurrent = 2\nstreams = 2", "");
    let [(key, _), (other, _)] = std::array::from_fn(|_| world.issue(&["crm:read"]));
    let gateway = world.serve();
    let mut held: Vec<_> = (0..2).map(|_| begin(&gateway, &key, "silence")).collect();
    await_under_way(&gateway, "calls", 2);
    // One of each era; both are streams, whatever they were asked for with.
    held.push(open(&gateway, &key));
    held.push(ask(&gateway, &key, "subscriptions/listen", r#""notifications":{},"#, "event"));
    await_under_way(&gateway, "streams", 2);
    crowded(&gateway.connect().call(&key, "crm.read_x"), "key_concurrency");
    crowded(&ask(&gateway, &key, "tools/list", "", "").answer(), "key_concurrency");
    crowded(&open(&gateway, &key).answer(), "key_streams");
    let listen = ask(&gateway, &key, "subscriptions/listen", r#""notifications":{},"#, "event").answer();
    crowded(&listen, "key_streams");
    // Clients take a 4xx of a discover for a server of the legacy era.
    let discover = ask(&gateway, &key, "server/discover", "", "").answer();
    assert_eq!((discover.status, discover.reason()), (503, "overloaded".into()));
    assert_eq!(discover.header("retry-after"), Some("1"));
    // Another key has all of its own.
    held.extend((0..2).map(|_| begin(&gateway, &other, "silence")));
    held.push(open(&gateway, &other));
    await_under_way(&gateway, "calls", 4);
    await_under_way(&gateway, "streams", 3);
    crowded(&gateway.connect().call(&other, "crm.read_x"), "key_concurrency");
    assert_eq!(open(&gateway, &other).head().status, 200);
    drop(held);
    for kind in ["calls", "streams"] {
        await_under_way(&gateway, kind, 0);
    }
    assert_eq!(gateway.connect().call(&key, "crm.read_x").status, 200);
    assert_eq!(open(&gateway, &key).head().status, 200);
}

#[test]
fn what_a_call_may_be_waiting_for_is_let_in_beside_it() {
    let world = world("concurrent = 1", "");
    let (key, _) = world.issue(&["crm:read"]);
    let gateway = world.serve();
    let held = begin(&gateway, &key, "silence");
    await_under_way(&gateway, "calls", 1);
    let mut connection = gateway.connect();
    let headers = crate::world::legacy_headers(&key);
    let mut told = |script: &str, body: &str| {
        let mut headers = headers.clone();
        headers.push(("X-Request-Id", script.into()));
        connection.request("POST", "/crm/mcp", &headers, body)
    };
    let cancel = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}}"#;
    assert_eq!(told("", cancel).status, 202);
    assert_eq!(told("", r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#).reason(), "concurrency_limited");
    // As many again, and no more.
    let mut other = gateway.connect();
    let length = cancel.len();
    other.send(format!("POST /crm/mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\nX-Request-Id: silence\r\nAuthorization: Bearer {key}\r\nContent-Length: {length}\r\n\r\n{cancel}").as_bytes());
    await_under_way(&gateway, "calls", 2);
    assert_eq!(told("", cancel).reason(), "concurrency_limited");
    drop((held, other));
    await_under_way(&gateway, "calls", 0);
    assert_eq!(told("", cancel).status, 202);
}

#[test]
fn a_server_has_so_many_places_for_all_keys_and_workers_together() {
    let world = world("", "concurrent = 3\nstreams = 1");
    world.edit("workers = 1", "workers = 2");
    let keys: Vec<String> = (0..3).map(|_| world.issue(&["crm:read"]).0).collect();
    let gateway = world.serve();
    let mut held: Vec<_> = keys.iter().map(|key| begin(&gateway, key, "silence")).collect();
    held.push(open(&gateway, &keys[0]));
    await_under_way(&gateway, "calls", 3);
    await_under_way(&gateway, "streams", 1);
    // Connections enough to meet both workers.
    for _ in 0..10 {
        for key in &keys {
            crowded(&gateway.connect().call(key, "crm.read_x"), "server_concurrency");
        }
    }
    crowded(&open(&gateway, &keys[1]).answer(), "server_streams");
    held.pop();
    await_under_way(&gateway, "streams", 0);
    assert_eq!(open(&gateway, &keys[1]).head().status, 200);
    held.pop();
    await_under_way(&gateway, "calls", 2);
    for key in &keys {
        assert_eq!(gateway.connect().call(key, "crm.read_x").status, 200);
    }
    drop(held);
    await_under_way(&gateway, "calls", 0);
}

#[test]
fn a_reload_changes_limits_and_counts_what_is_under_way() {
    for (plan, server, limit) in
        [("concurrent = 2", "", "key_concurrency"), ("", "concurrent = 2", "server_concurrency")]
    {
        let world = world(plan, server);
        let (key, _) = world.issue(&["crm:read"]);
        let gateway = world.serve();
        let reloads = std::cell::Cell::new(0);
        let becomes = |from: &str, to: &str| {
            world.edit(from, to);
            gateway.signal("HUP");
            reloads.set(reloads.get() + 1);
            until("it is reloaded", || {
                gateway.said().matches("configuration reloaded").count() >= reloads.get()
            });
        };
        let call = || gateway.connect().call(&key, "crm.read_x");
        let mut held: Vec<_> = (0..2).map(|_| begin(&gateway, &key, "silence")).collect();
        await_under_way(&gateway, "calls", 2);
        crowded(&call(), limit);
        becomes("concurrent = 2", "concurrent = 3");
        until("there is one more place", || call().status == 200);
        held.push(begin(&gateway, &key, "silence"));
        await_under_way(&gateway, "calls", 3);
        crowded(&call(), limit);
        becomes("concurrent = 3", "concurrent = 1");
        held.pop();
        held.pop();
        await_under_way(&gateway, "calls", 1);
        crowded(&call(), limit);
        // Whoever was counted before the limit was away and came back gives back what it took.
        becomes("concurrent = 1", "# concurrent = 1");
        until("there is no limit", || call().status == 200);
        becomes("# concurrent = 1", "concurrent = 1");
        until("it is counted still", || call().status == 429);
        held.pop();
        await_under_way(&gateway, "calls", 0);
        assert_eq!(call().status, 200);
    }
}

#[test]
fn a_limit_that_only_warns_is_counted() {
    let warns = "concurrent = 1\nstreams = 1\nconcurrent_warn_only = true";
    let world = world(warns, warns);
    let (key, _) = world.issue(&["crm:read"]);
    let gateway = world.serve();
    let mut held: Vec<_> = (0..3).map(|_| begin(&gateway, &key, "silence")).collect();
    await_under_way(&gateway, "calls", 3);
    held.extend((0..2).map(|_| open(&gateway, &key)));
    await_under_way(&gateway, "streams", 2);
    // Two calls and one stream, of the key's limit and of the server's.
    until("it is counted", || {
        admin::get(&gateway, "/metrics").text().contains("tollgate_limits_warned_total 6\n")
    });
    drop(held);
    await_under_way(&gateway, "calls", 0);
}

#[test]
fn answers_tell_what_is_left_where_the_server_says_so() {
    let plan = "calls = { rate = \"2/m\", burst = 9 }";
    let tool = "[servers.tools.\"crm.read_event\"]\nscopes = [\"crm:read\"]\nlimits = [{ rate = \"1/m\", burst = 2 }, { rate = \"1/h\", burst = 1, per = \"tool\", warn_only = true }]\n";
    let told = |answer: &Answer| {
        ["ratelimit-policy", "ratelimit"].map(|name| answer.header(name).map(str::to_owned))
    };
    let world = world(plan, &format!("limit_headers = true\n{tool}"));
    let (key, _) = world.issue(&["crm:read"]);
    let gateway = world.serve();
    // The upstream tells limits of its own, which are nothing to the client.
    let answer = gateway.connect().call(&key, "crm.read_odd_headers");
    assert_eq!(
        told(&answer),
        [Some("\"key\";q=9;w=270".into()), Some("\"key\";r=8;t=30".into())],
        "{answer:?}"
    );
    // A stream tells it too; the nearest limit of those that refuse, which the tool's is not.
    let mut stream = begin(&gateway, &key, "event");
    let head = stream.head();
    assert_eq!(
        told(&head),
        [Some("\"key_and_tool\";q=2;w=120".into()), Some("\"key_and_tool\";r=1;t=60".into())]
    );
    // No success, or no limit.
    assert_eq!(told(&gateway.connect().call(&key, "crm.read_status_500")), [None, None]);
    assert_eq!(told(&ask(&gateway, &key, "tools/list", "", "").answer()), [None, None]);
    world.edit("limit_headers = true", "");
    gateway.signal("HUP");
    gateway.await_said("configuration reloaded");
    until("nothing is told", || {
        let answer = gateway.connect().call(&key, "crm.read_odd_headers");
        assert_eq!(answer.status, 200);
        told(&answer) == [None, None]
    });
}
