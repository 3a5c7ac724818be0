//! Limits of a key's own: over those of its plan, followed by a running gateway, and what it has left of
//! them, told and never taken.

mod at_once;
mod fit;

use std::time::{Duration, Instant};

use serde_json::json;
use tollgate::base::KeyId;
use tollgate::registry::{Embedded, KeyRecord, OwnLimit, OwnLimits, Registry as _};

use crate::admin;
use crate::world::{Gateway, Ran, World};

/// A plan of one an hour: what is taken is not there again while a test runs.
fn plan(burst: u32) -> String {
    format!(
        "[keys]\ndefault_plan = \"standard\"\n[plans.standard]\ncalls = {{ rate = \"1/h\", burst = {burst} }}\n"
    )
}

const SERVER: &str = r#"[servers.tools."crm.read_dear"]
scopes = ["crm:read"]
cost = 4
limits = [{ rate = "1/h", burst = 9 }, { rate = "2/h", burst = 20, per = "tool" }]
[servers.tools."crm.read_other"]
scopes = ["crm:admin"]
limit = { rate = "1/h", burst = 9, per = "tool" }
cost = 8
"#;

/// How many of so many calls are allowed.
fn allowed(gateway: &Gateway, key: &str, calls: usize) -> usize {
    let mut connection = gateway.connect();
    (0..calls).filter(|_| connection.call(key, "crm.read_x").status == 200).count()
}

fn done(ran: Ran) -> Ran {
    assert!(ran.ok, "{}", ran.err);
    ran
}

/// Waits until a call of the key is allowed, and takes it.
fn until_allowed(gateway: &Gateway, key: &str) {
    let begun = Instant::now();
    while allowed(gateway, key, 1) == 0 {
        assert!(begun.elapsed() < Duration::from_secs(5), "the change allows more");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Waits until the gateway tells this of a key's limit of calls.
fn until_told(gateway: &Gateway, id: &str, burst: u32) {
    let begun = Instant::now();
    while told(gateway, id)["limits"][0]["burst"] != burst {
        assert!(begun.elapsed() < Duration::from_secs(5), "{}", told(gateway, id));
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn told(gateway: &Gateway, id: &str) -> serde_json::Value {
    admin::get(gateway, &format!("/limits?key_id={id}")).json()
}

#[test]
fn a_limit_of_its_own_takes_the_place_of_the_plans_and_keeps_what_was_taken() {
    let world = World::new(&plan(3), "");
    let [(key, id), (other, _)] = std::array::from_fn(|_| world.issue(&["crm:read"]));
    let gateway = world.serve();
    assert_eq!(allowed(&gateway, &key, 5), 3);
    let set = |limit: &str| done(world.run(&["key", "set", &id, "--limit", limit]));
    // Five in all, of which three are taken.
    set("calls=1/h:5");
    until_allowed(&gateway, &key);
    assert_eq!(allowed(&gateway, &key, 5), 1);
    assert_eq!(allowed(&gateway, &other, 5), 3, "the plan's, still");
    // What is no call of its own is the plan's, which says nothing of it.
    set("other=1/h:1");
    let shown = world.run(&["key", "show", &id, "--json"]).json();
    assert_eq!(shown["limits"]["calls"], json!({"rate": "1/h", "burst": 5, "warn_only": false}));
    assert_eq!(shown["limits"]["other"]["burst"], 1);
    set("calls=1/h:1:warn");
    until_allowed(&gateway, &key);
    assert_eq!(allowed(&gateway, &key, 20), 20);
    set("none");
    assert!(world.run(&["key", "show", &id, "--json"]).json()["limits"].is_null());
    until_told(&gateway, &id, 3);
    assert_eq!(allowed(&gateway, &key, 3), 0, "the plan's again, over the same bucket");
    // A key can have them from the beginning, in a gateway that starts with it too.
    let issue = ["key", "issue", "--name", "n", "--scope", "crm:read", "--limit", "calls=1/h:2", "--json"];
    let issued = done(world.run(&issue)).json();
    assert_eq!(allowed(&world.serve(), issued["key"].as_str().unwrap(), 5), 2);
    let list = world.run(&["key", "list", "--json"]).json();
    let listed = list.as_array().unwrap().iter().find(|key| key["key_id"] == issued["key_id"]);
    assert_eq!(listed.unwrap()["limits"]["calls"]["rate"], "1/h");
}

#[test]
fn more_is_served_at_once_and_what_was_taken_of_it_stays_taken() {
    let world = World::new(&plan(3), "");
    let (key, id) = world.issue(&["crm:read"]);
    let gateway = world.serve();
    let set = |limit: &str| {
        done(world.run(&["key", "set", &id, "--limit", limit]));
        Instant::now()
    };
    assert_eq!(allowed(&gateway, &key, 5), 3);
    // Under the plan the next token comes in an hour.
    let given = set("calls=100/s:200");
    until_allowed(&gateway, &key);
    assert!(given.elapsed() < Duration::from_secs(1), "{:?}", given.elapsed());
    let mut connection = gateway.connect();
    while connection.call(&key, "crm.read_x").status == 200 {
        assert!(given.elapsed() < Duration::from_secs(20), "it ends");
    }
    // As many again in an hour each: there is what came until then, and no more.
    let used_up = Instant::now();
    set("calls=1/h:200");
    let begun = Instant::now();
    while told(&gateway, &id)["limits"][0]["rate"] != "1/h" {
        assert!(begun.elapsed() < Duration::from_secs(5), "{}", told(&gateway, &id));
    }
    // One of which a part was there already, and one as the limiter's time may be ten milliseconds behind.
    let came = used_up.elapsed().as_millis() / 10 + 2;
    let got = (0..200).take_while(|_| connection.call(&key, "crm.read_x").status == 200).count();
    assert!(got < 200 && got as u128 <= came, "{got} of {came}");
    let refused = connection.call(&key, "crm.read_x");
    assert_eq!((refused.status, refused.reason()), (429, "rate_limited".into()));
}

#[test]
fn what_a_newer_version_says_of_limits_survives_a_change_and_a_copy() {
    let (one, other) = (World::new(&plan(3), ""), World::new(&plan(3), ""));
    let (_, id) = one.issue(&["crm:read"]);
    done(one.run(&["key", "set", &id, "--limit", "calls=60/m:5"]));
    let export = one.run(&["key", "export"]).out;
    let newer = export
        .replace(r#""warn_only":false}"#, r#""warn_only":false,"shared":{"by":[1]}},"daily":{"most":2}"#);
    assert_ne!(newer, export);
    let file = other.folder.path().join("keys.jsonl");
    std::fs::write(&file, &newer).unwrap();
    done(other.run(&["key", "import", file.to_str().unwrap()]));
    assert_eq!(other.run(&["key", "export"]).out, newer, "word for word");
    done(other.run(&["key", "set", &id, "--limit", "calls=2/s:7:warn", "--name", "renamed"]));
    let limits = &other.run(&["key", "show", &id, "--json"]).json()["limits"];
    let expected = json!({
        "calls": {"rate": "2/s", "burst": 7, "warn_only": true, "shared": {"by": [1]}},
        "daily": {"most": 2},
    });
    assert_eq!(limits, &expected);
    done(other.run(&["key", "set", &id, "--limit", "calls=none"]));
    let limits = &other.run(&["key", "show", &id, "--json"]).json()["limits"];
    assert_eq!(limits, &json!({"daily": {"most": 2}}));
}

#[test]
fn limits_that_cannot_be_read_deny_the_key_and_nobody_else() {
    let world = World::new(&plan(3), "");
    let [(key, id), (other, _)] = std::array::from_fn(|_| world.issue(&["crm:read"]));
    let gateway = world.serve();
    assert_eq!(allowed(&gateway, &key, 1), 1);
    let mut registry = Embedded::open(&world.folder.path().join("tollgate.db")).unwrap();
    let id: KeyId = id.parse().unwrap();
    let calls = OwnLimit { rate: "many".into(), burst: 5, warn_only: false, unknown: serde_json::Map::new() };
    let limits = OwnLimits { calls: Some(calls), ..OwnLimits::default() };
    let mut edit = |before: Option<KeyRecord>| {
        let before = before.unwrap();
        Ok(Some(KeyRecord { limits: Some(limits.clone()), version: before.version + 1, ..before }))
    };
    registry.change(&mut std::iter::once((id, &mut edit as tollgate::registry::Edit<'_>))).unwrap();
    let begun = Instant::now();
    while gateway.connect().call(&key, "crm.read_x").reason() != "invalid_key" {
        assert!(begun.elapsed() < Duration::from_secs(5));
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(allowed(&gateway, &other, 1), 1);
    let shown = world.run(&["key", "show", &id.to_string()]);
    assert!(
        !shown.ok && shown.err.contains("limits.calls: a rate is a number in a time, e.g. 100/s"),
        "{}",
        shown.err
    );
    assert_eq!(admin::get(&gateway, &format!("/limits?key_id={id}")).status, 404);
    // It never gets so far by an import.
    let line = world
        .run(&["key", "export"])
        .out
        .replace("\"limits\":null", "\"limits\":{\"calls\":{\"rate\":\"1/s\"}}");
    let file = world.folder.path().join("bad.jsonl");
    std::fs::write(&file, line).unwrap();
    let imported = world.run(&["key", "import", file.to_str().unwrap()]);
    assert!(!imported.ok && imported.err.contains("line 1: missing field `burst`"), "{}", imported.err);
}

#[test]
fn a_gateway_tells_what_a_key_has_left_and_takes_nothing() {
    let world = World::new(&plan(9), SERVER);
    let (key, id) = world.issue(&["crm:read"]);
    let gateway = world.serve();
    done(world.run(&["key", "set", &id, "--limit", "calls=2/h:10", "--limit", "other=5/s:6:warn"]));
    until_told(&gateway, &id, 10);
    let full = told(&gateway, &id);
    assert_eq!((&full["key_id"], &full["plan"]), (&json!(id), &json!("standard")));
    // The key has no bucket with the tool, and another's scopes reach the other tool.
    let rule = json!({"server": "crm", "kind": "tools", "rule": "crm.read_dear", "per": "tool"});
    assert_eq!(
        full["limits"],
        json!([
            {"limit": "calls", "rate": "2/h", "burst": 10, "warn_only": false, "shared": false, "own": true, "tokens": 10, "full_in_seconds": 0.0},
            {"limit": "other", "rate": "5/s", "burst": 6, "warn_only": true, "shared": false, "own": true, "tokens": 6, "full_in_seconds": 0.0},
            {"limit": rule, "rate": "2/h", "burst": 20, "warn_only": false, "shared": false, "cost": 4, "tokens": 20, "full_in_seconds": 0.0},
        ])
    );
    assert!(admin::get(&gateway, "/metrics").text().contains("tollgate_limiter_buckets 0"), "none was made");
    assert_eq!(gateway.connect().call(&key, "crm.read_dear").status, 200);
    assert_eq!(allowed(&gateway, &key, 1), 1);
    for _ in 0..2 {
        let rows = told(&gateway, &id)["limits"].clone();
        let left = |row: usize| (rows[row]["limit"]["per"].clone(), rows[row]["tokens"].clone());
        assert_eq!((&rows[0]["limit"], &rows[0]["tokens"]), (&json!("calls"), &json!(5)));
        assert_eq!([left(2), left(3)], [(json!("key"), json!(5)), (json!("tool"), json!(16))]);
        let seconds = rows[0]["full_in_seconds"].as_f64().unwrap();
        assert!((8_990.0..=9_000.0).contains(&seconds), "{seconds}");
    }
    // What a call has left is what it gets.
    assert_eq!(allowed(&gateway, &key, 9), 5);
    for (path, status, told) in [
        ("/limits".to_owned(), 400, "accepted: /limits?key_id=mcp_live_"),
        ("/limits?key_id=nonsense".into(), 400, "accepted: /limits?key_id=mcp_live_"),
        (format!("/limits?key_id={key}"), 400, "before the dot"),
        ("/limits?key_id=mcp_live_0123456789abcdef".into(), 404, "tollgate key show ID"),
    ] {
        let answer = admin::get(&gateway, &path);
        let error = answer.json()["error"].as_str().unwrap().to_owned();
        assert!(answer.status == status && error.contains(told), "{path}: {} {error}", answer.status);
        assert!(!answer.text().contains(&key), "what was asked for is not repeated");
    }
}

#[test]
fn the_command_asks_the_gateway_and_fails_without_one() {
    let world = World::new(&plan(9), SERVER);
    let (key, id) = world.issue(&["crm:read"]);
    let unnamed = world.run(&["key", "limits", &id]);
    assert!(!unnamed.ok && unnamed.err.contains("a port of its choice"), "{}", unnamed.err);
    let mut gateway = world.serve();
    assert_eq!(gateway.connect().call(&key, "crm.read_x").status, 200);
    let named = format!("[admin]\naddress = \"{}\"", gateway.admin);
    world.edit("[admin]\naddress = \"127.0.0.1:0\"", &named);
    let said = done(world.run(&["key", "limits", &id])).out;
    for line in ["LIMIT", "calls", "1/h", "crm tools crm.read_dear, per tool", "the plan's", "a call costs 4"]
    {
        assert!(said.contains(line), "{line} in {said}");
    }
    let row: Vec<&str> =
        said.lines().find(|line| line.starts_with("calls")).unwrap().split_whitespace().collect();
    assert_eq!(row[1..4], ["1/h", "9", "8"]);
    let json = done(world.run(&["key", "limits", &id, "--json"])).json();
    assert_eq!((&json["key_id"], &json["limits"][0]["tokens"]), (&json!(id), &json!(8)));
    let unknown = world.run(&["key", "limits", "mcp_live_0123456789abcdef"]);
    assert!(!unknown.ok && unknown.err.contains("knows no such key"), "{}", unknown.err);
    assert!(gateway.stop());
    let gone = world.run(&["key", "limits", &id]);
    assert!(!gone.ok && gone.err.contains("no gateway answers at 127.0.0.1:"), "{}", gone.err);
    assert!(gone.err.lines().count() == 1 && gone.out.is_empty(), "{}{}", gone.out, gone.err);
}

#[test]
fn a_burst_that_a_call_never_fits_into_is_refused_where_it_is_set() {
    let world = World::new("", SERVER);
    let issue = |scope: &str, limit: &str| {
        world.run(&["key", "issue", "--name", "n", "--json", "--scope", scope, "--limit", limit])
    };
    let refused = issue("crm:read", "calls=1/s:3");
    let told = "a burst of 3 calls, less than the cost of \"crm.read_dear\" of the server crm, which is 4";
    assert!(!refused.ok && refused.err.contains(told), "{}", refused.err);
    // A warning refuses nothing, and what is no call costs one.
    assert!(issue("crm:read", "calls=1/s:3:warn").ok && issue("crm:read", "other=1/s:1").ok);
    let issued = done(issue("crm:read", "calls=1/s:4")).json();
    let id = issued["key_id"].as_str().unwrap();
    // The dearest call that its scopes reach, whichever of them changes.
    for arguments in [["--limit", "calls=1/s:2"], ["--scope", "crm:**"]] {
        let refused = world.run(&[&["key", "set", id], &arguments[..]].concat());
        assert!(
            !refused.ok && refused.err.contains("accepted: a burst that every call fits into"),
            "{}",
            refused.err
        );
    }
    done(world.run(&["key", "set", id, "--owner", "sales"]));
    let file = world.folder.path().join("keys.jsonl");
    let export = world.run(&["key", "export"]).out;
    let line = export.lines().find(|line| line.contains(id)).unwrap();
    std::fs::write(
        &file,
        line.replace("\"burst\":4", "\"burst\":1").replace("\"version\":2", "\"version\":3"),
    )
    .unwrap();
    let imported = done(world.run(&["key", "import", file.to_str().unwrap()]));
    assert!(imported.err.contains(&format!("warning: line 1: {id} has a burst of 1")), "{}", imported.err);
    done(world.run(&["key", "set", id, "--limit", "calls=1/s:4"]));
    // What the configuration came to say later, doctor tells.
    let well = world.run(&["doctor"]).out;
    assert!(well.contains("keys") && !well.contains("own limit"), "{well}");
    world.edit("cost = 4", "cost = 5");
    let doctor = world.run(&["doctor"]);
    assert!(!doctor.ok && doctor.out.contains(&format!("{id} has a burst of 4 calls")), "{}", doctor.out);
    for (arguments, told) in [
        (["--limit", "none", "--limit", "calls=1/s:9"], "stands alone"),
        (["--limit", "calls=1/s:9", "--limit", "calls=2/s:9"], "--limit calls is there twice"),
        (["--limit", "daily=1/s:9", "--name", "n"], "calls or other"),
        (["--limit", "streams=1/s:9", "--name", "n"], "concurrent or streams with a number"),
        (["--limit", "streams=1", "--limit", "streams=none"], "--limit streams is there twice"),
    ] {
        let refused = world.run(&[&["key", "set", id], &arguments[..]].concat());
        assert!(!refused.ok && refused.err.contains(told), "{}", refused.err);
    }
}

#[test]
fn explain_says_which_limits_a_call_takes_from() {
    let world = World::new(&plan(9), SERVER);
    let (_, id) = world.issue(&["crm:read"]);
    let explain = |tool: &str| {
        world.run(&["explain", "--key", &id, "--server", "crm", "--tool", tool, "--json"]).json()
    };
    let dear = explain("crm.read_dear");
    assert_eq!(
        (&dear["cost"], &dear["limits"]),
        (
            &json!(4),
            &json!([
                {"limit": "key", "rate": "1/h", "burst": 9, "warn_only": false, "own": false},
                {"limit": "key_and_tool", "rate": "1/h", "burst": 9, "warn_only": false, "own": false},
                {"limit": "tool", "rate": "2/h", "burst": 20, "warn_only": false, "own": false},
            ])
        )
    );
    done(world.run(&["key", "set", &id, "--limit", "calls=50/s:100"]));
    assert_eq!(
        explain("crm.read_x")["limits"],
        json!([{"limit": "key", "rate": "50/s", "burst": 100, "warn_only": false, "own": true}])
    );
    let text = done(world.run(&["explain", "--key", &id, "--server", "crm", "--tool", "crm.read_dear"])).out;
    assert!(
        text.contains("key 50/s with a burst of 100 (the key's own), key_and_tool 1/h with a burst of 9"),
        "{text}"
    );
    assert!(explain("crm.unheard_of")["limits"].is_null());
}
