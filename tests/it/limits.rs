//! Limits: whose calls are counted together, what a client is told beyond them, and what a change of the
//! configuration leaves as it is.

use std::time::{Duration, Instant};

use crate::admin;
use crate::world::{Answer, META, World};

/// One an hour: what is taken is not there again while a test runs.
const SLOW: &str = "rate = \"1/h\"";

fn plan(extra: &str) -> String {
    format!("[keys]\ndefault_plan = \"standard\"\n[plans.standard]\n{extra}\n")
}

/// How many of so many calls were allowed.
fn allowed(world: &crate::world::Gateway, key: &str, tool: &str, calls: usize) -> usize {
    let mut connection = world.connect();
    (0..calls).filter(|_| connection.call(key, tool).status == 200).count()
}

fn method(gateway: &crate::world::Gateway, key: &str, method: &str) -> Answer {
    let headers = [
        ("Content-Type", "application/json".into()),
        ("Accept", "application/json, text/event-stream".into()),
        ("MCP-Protocol-Version", "2026-07-28".into()),
        ("Mcp-Method", method.to_owned()),
        ("Authorization", format!("Bearer {key}")),
    ];
    let body = format!(r#"{{"jsonrpc":"2.0","id":7,"method":"{method}","params":{{{META}}}}}"#);
    gateway.connect().request("POST", "/crm/mcp", &headers, &body)
}

#[test]
fn a_key_has_what_its_plan_says_and_is_told_when_it_has_more() {
    let world = World::new(
        &plan(&format!("calls = {{ rate = \"2/m\", burst = 3 }}\nother = {{ {SLOW}, burst = 2 }}")),
        "",
    );
    let [(key, _), (other, _)] = std::array::from_fn(|_| world.issue(&["crm:read"]));
    let gateway = world.serve();
    assert_eq!(allowed(&gateway, &key, "crm.read_x", 3), 3);
    let refused = gateway.connect().call(&key, "crm.read_y");
    assert_eq!((refused.status, refused.reason()), (429, "rate_limited".into()));
    let seconds: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((28..=30).contains(&seconds), "{seconds}");
    assert_eq!(refused.header("ratelimit-policy"), Some("\"key\";q=3;w=90"));
    assert_eq!(refused.header("ratelimit"), Some(&*format!("\"key\";r=0;t={seconds}")));
    let error = &refused.json()["error"];
    assert_eq!((&error["code"], &error["data"]["limit"]), (&42900.into(), &"key".into()));
    let ms = error["data"]["retry_after_ms"].as_u64().unwrap();
    assert!(ms <= seconds * 1_000 && ms + 1_000 > seconds * 1_000, "{ms}");
    assert_eq!(refused.json()["id"], 7);
    // Another key has its own, and looking around is counted apart.
    assert_eq!(allowed(&gateway, &other, "crm.read_x", 4), 3);
    assert_eq!(
        [method(&gateway, &key, "tools/list").status, method(&gateway, &key, "server/discover").status],
        [200, 200]
    );
    assert_eq!(method(&gateway, &key, "tools/list").reason(), "rate_limited");
    // Clients take a 4xx of a discover for a server of the legacy era.
    let discover = method(&gateway, &key, "server/discover");
    assert_eq!((discover.status, discover.reason()), (503, "overloaded".into()));
    assert!(discover.header("retry-after").is_some());
    let page = admin::get(&gateway, "/metrics");
    assert!(page.text().contains(r#"reason="rate_limited""#));
}

#[test]
fn a_tool_is_limited_for_each_key_and_for_all_together() {
    let server = format!(
        "[servers.tools.\"crm.read_both\"]\nscopes = [\"crm:read\"]\nlimits = [{{ {SLOW}, burst = 2 }}, {{ {SLOW}, burst = 3, per = \"tool\" }}]\n[servers.tools.\"crm.read_dear\"]\nscopes = [\"crm:read\"]\ncost = 4\n"
    );
    let world = World::new(&plan(&format!("calls = {{ {SLOW}, burst = 10 }}")), &server);
    let [(first, _), (second, _)] = std::array::from_fn(|_| world.issue(&["crm:read"]));
    let gateway = world.serve();
    assert_eq!(allowed(&gateway, &first, "crm.read_both", 4), 2);
    let refused = gateway.connect().call(&first, "crm.read_both");
    assert_eq!(refused.json()["error"]["data"]["limit"], "key_and_tool");
    assert_eq!(allowed(&gateway, &second, "crm.read_both", 4), 1);
    let refused = gateway.connect().call(&second, "crm.read_both");
    assert_eq!(refused.json()["error"]["data"]["limit"], "tool");
    // What was refused took nothing of the key's: it has 8 left, two dear calls.
    assert_eq!(allowed(&gateway, &first, "crm.read_dear", 4), 2);
    // However a tool of a pattern is spelt, the bucket is the key's.
    let spelt: usize = (0..5).map(|n| allowed(&gateway, &second, &format!("crm.read_{n}"), 2)).sum();
    assert_eq!(spelt, 9);
}

#[test]
fn a_limit_that_only_warns_is_counted() {
    let world = World::new(&plan(&format!("calls = {{ {SLOW}, burst = 2, warn_only = true }}")), "");
    let (key, _) = world.issue(&["crm:read"]);
    let gateway = world.serve();
    assert_eq!(allowed(&gateway, &key, "crm.read_x", 5), 5);
    let begun = Instant::now();
    while !admin::get(&gateway, "/metrics").text().contains("tollgate_limits_warned_total 3") {
        assert!(begun.elapsed() < Duration::from_secs(5), "{}", admin::get(&gateway, "/metrics").text());
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(admin::get(&gateway, "/metrics").text().contains("tollgate_limiter_buckets 1"));
}

#[test]
fn a_reload_changes_limits_and_leaves_the_buckets() {
    let world = World::new(&plan(&format!("calls = {{ {SLOW}, burst = 5 }}")), "");
    let (key, id) = world.issue(&["crm:read"]);
    let gateway = world.serve();
    assert_eq!(allowed(&gateway, &key, "crm.read_x", 4), 4);
    world.edit("burst = 5", "burst = 7");
    gateway.signal("HUP");
    gateway.await_said("configuration reloaded");
    assert_eq!(allowed(&gateway, &key, "crm.read_x", 5), 3);
    // Another plan is another set of limits over the same buckets.
    let more = format!("[plans.more]\ncalls = {{ {SLOW}, burst = 9 }}\n[plans.free]\n[plans.standard]");
    world.edit("[plans.standard]", &more);
    gateway.signal("HUP");
    let moved = |plan: &str| {
        let changed = world.run(&["key", "set", &id, "--plan", plan]);
        assert!(changed.ok, "{}", changed.err);
        let begun = Instant::now();
        while allowed(&gateway, &key, "crm.read_x", 1) == 0 {
            assert!(begun.elapsed() < Duration::from_secs(5), "the plan allows more");
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    moved("more");
    assert_eq!(allowed(&gateway, &key, "crm.read_x", 20), 1);
    moved("free");
    assert_eq!(allowed(&gateway, &key, "crm.read_x", 20), 20);
}

#[test]
fn limits_that_cannot_be_kept_are_refused() {
    for (extra, server, told) in [
        ("calls = { rate = \"100\", burst = 1 }", "", "plans.standard.calls.rate"),
        ("calls = { rate = \"1/s\", burst = 0 }", "", "plans.standard.calls"),
        ("calls = { rate = \"1/d\", burst = 1 }", "", "from 1/h"),
        ("calls = { rate = \"1/s\" }", "", "burst"),
        ("other = { rate = \"1/s\", burst = 1, shared = true }", "", "shared"),
        ("concurrent = 0", "", "plans.standard.concurrent"),
        ("streams = 1000001", "", "plans.standard.streams"),
        ("", "concurrent = 0", "servers[0].concurrent"),
        ("", "streams = -1", "servers[0].streams"),
        (
            "",
            "[servers.tools.t]\nscopes = [\"a\"]\nlimit = { rate = \"1/s\", burst = 1, per = \"agent\" }",
            "per",
        ),
        (
            "",
            "[servers.tools.t]\nscopes = [\"a\"]\ncost = 3\nlimit = { rate = \"1/s\", burst = 2 }",
            "a cost that every bucket can hold",
        ),
        ("", "[servers.tools.t]\nscopes = [\"a\"]\ncost = 0", "cost"),
        (
            "",
            "[servers.tools.t]\nscopes = [\"a\"]\nlimits = [{ rate = \"1/s\", burst = 1 }, { rate = \"2/s\", burst = 1 }]",
            "a second limit per the same",
        ),
        (
            "calls = { rate = \"1/s\", burst = 2 }",
            "[servers.tools.t]\nscopes = [\"a\"]\ncost = 3",
            "plans.standard",
        ),
    ] {
        let world = World::new(&plan(extra), server);
        let checked = world.run(&["check"]);
        let said = format!("{}{}", checked.out, checked.err);
        assert!(!checked.ok && said.contains(told), "{extra} {server}: {said}");
    }
}
