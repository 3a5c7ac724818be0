//! How often an address may come without a right key: whose requests are counted together, what they are
//! told beyond the limit, and that a right key never waits for it.

mod announced;
mod forwarded;
mod haproxy;

use std::time::{Duration, Instant};

use crate::admin;
use crate::neighbours::frames;
use crate::world::{Answer, Connection, Gateway, World, call, call_headers, connect_from};

/// What every world allows.
const PLENTY: &str = "failed_keys = { rate = \"1000000/s\", burst = 1000000 }";
/// Well formed, and nobody's: of another registry.
const WRONG: &str = "mcp_live_0000000000000000.wrong";

/// A world whose addresses may come so often without a right key, and one an hour more.
fn world(burst: u32, listen: &str) -> World {
    let world = World::new("", "");
    world.edit(PLENTY, &format!("failed_keys = {{ rate = \"1/h\", burst = {burst} }}\n{listen}"));
    world
}

/// The reasons of so many calls with a wrong key.
fn reasons(connection: &mut Connection, extra: &[(&'static str, String)], calls: usize) -> Vec<String> {
    (0..calls).map(|_| ask(connection, extra).reason()).collect()
}

/// One call with a wrong key.
fn ask(connection: &mut Connection, extra: &[(&'static str, String)]) -> Answer {
    let key = ("Authorization", format!("Bearer {WRONG}"));
    let headers = [call_headers("crm.read_x"), vec![key], extra.to_vec()].concat();
    connection.request("POST", "/crm/mcp", &headers, &call("crm.read_x"))
}

/// So many that were told why, then so many that were told to slow down.
fn told(invalid: usize, limited: usize) -> Vec<String> {
    [vec!["invalid_key".to_owned(); invalid], vec!["address_limited".into(); limited]].concat()
}

fn until_told(gateway: &Gateway, line: &str) {
    let begun = Instant::now();
    while !admin::get(gateway, "/metrics").text().contains(line) {
        assert!(
            begun.elapsed() < Duration::from_secs(5),
            "{line}: {}",
            admin::get(gateway, "/metrics").text()
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn an_address_is_told_to_slow_down_and_a_right_key_passes() {
    let world = world(5, "");
    let (key, _) = world.issue(&["crm:read"]);
    let gateway = world.serve();
    let mut first = Connection::open_from("127.0.0.1", gateway.address);
    for _ in 0..5 {
        assert_eq!(ask(&mut first, &[]).status, 401);
        assert_eq!(first.call(&key, "crm.read_x").status, 200);
    }
    let refused = ask(&mut first, &[]);
    assert_eq!((refused.status, refused.reason()), (429, "address_limited".into()));
    let error = &refused.json()["error"];
    assert_eq!((&error["code"], &error["data"]["limit"]), (&42902.into(), &"address".into()));
    let seconds: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    let ms = error["data"]["retry_after_ms"].as_u64().unwrap();
    assert!((3_590..=3_600).contains(&seconds) && ms <= seconds * 1_000, "{seconds} {ms}");
    assert_eq!(refused.header("ratelimit-policy"), Some("\"address\";q=5;w=18000"));
    assert_eq!(refused.header("ratelimit"), Some(&*format!("\"address\";r=0;t={seconds}")));
    assert!(refused.header("www-authenticate").is_none());
    // Another connection of the address is told the same, a right key passes on both.
    let mut again = Connection::open_from("127.0.0.1", gateway.address);
    assert_eq!(reasons(&mut again, &[], 2), told(0, 2));
    for connection in [&mut first, &mut again] {
        assert_eq!(connection.call(&key, "crm.read_x").status, 200);
    }
    // Another address has its own.
    let mut other = Connection::open_from("127.0.0.2", gateway.address);
    assert_eq!(reasons(&mut other, &[], 6), told(5, 1));
    assert_eq!(other.call(&key, "crm.read_x").status, 200);
    let page = admin::get(&gateway, "/metrics").text().to_owned();
    assert!(page.contains(r#"tollgate_denials_total{server="crm",reason="address_limited"} 4"#), "{page}");
    until_told(&gateway, "tollgate_limiter_addresses 2.0\n");
    assert!(!page.contains("127.0.0"), "an address is a label");
}

#[test]
fn every_way_of_having_no_right_key_is_counted_and_nothing_else_is() {
    let world = world(6, "");
    let [(revoked, id), (key, _)] = std::array::from_fn(|_| world.issue(&["crm:read"]));
    assert!(world.run(&["key", "revoke", &id]).ok);
    let gateway = world.serve();
    let mut connection = gateway.connect();
    let mut with = |path: &str, keys: &[(&'static str, String)]| {
        let headers = [call_headers("crm.read_x"), keys.to_vec()].concat();
        connection.request("POST", path, &headers, &call("crm.read_x")).reason()
    };
    let bearer = |key: &str| vec![("Authorization", format!("Bearer {key}"))];
    let twice = [bearer(&key), vec![("X-API-Key", revoked.clone())]].concat();
    let mistyped = format!("{}{}", &key[..key.len() - 1], if key.ends_with('a') { 'b' } else { 'a' });
    for _ in 0..10 {
        assert_eq!(with("/nowhere/mcp", &[]), "route_unknown");
        let elsewhere = [bearer(&key), vec![("Host", "elsewhere.example".into())]].concat();
        assert_eq!(with("/crm/mcp", &elsewhere), "host_denied");
    }
    let found = [vec![], bearer("short"), bearer(WRONG), bearer(&mistyped), bearer(&revoked), twice.clone()]
        .map(|keys| with("/crm/mcp", &keys));
    let wanted =
        ["missing_key", "invalid_key", "invalid_key", "invalid_key", "revoked_key", "conflicting_keys"];
    assert_eq!(found, wanted);
    for keys in [vec![], bearer("short"), bearer(&mistyped), bearer(&revoked), twice] {
        assert_eq!(with("/crm/mcp", &keys), "address_limited");
    }
    assert_eq!(gateway.connect().call(&key, "crm.read_x").status, 200);
}

#[test]
fn a_reload_changes_the_limit_and_a_warning_refuses_nothing() {
    let world = world(3, "");
    let gateway = world.serve();
    let mut connection = gateway.connect();
    assert_eq!(reasons(&mut connection, &[], 4), told(3, 1));
    world.edit("burst = 3", "burst = 5");
    gateway.signal("HUP");
    gateway.await_said("configuration reloaded");
    assert_eq!(reasons(&mut connection, &[], 4), told(2, 2));
    world.edit("burst = 5", "burst = 5, warn_only = true");
    gateway.signal("HUP");
    let begun = Instant::now();
    while ask(&mut connection, &[]).status != 401 {
        assert!(begun.elapsed() < Duration::from_secs(5), "it only warns");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(reasons(&mut connection, &[], 4), told(4, 0));
    until_told(&gateway, "tollgate_limits_warned_total 5\n");
}

#[test]
fn http2_is_counted_with_the_rest_of_its_address() {
    let world = world(4, "");
    let trusting = world.secure();
    let (key, _) = world.issue(&["crm:read"]);
    let gateway = world.serve();
    let client = |from: &str| {
        let stream = connect_from(from, gateway.address).unwrap();
        frames::Client::over(trusting.over(stream, true, Duration::from_secs(10)).unwrap()).unwrap()
    };
    let mut first = client("127.0.0.1");
    let found: Vec<_> = (0..5).map(|n| over_http2(&mut first, 2 * n + 1, WRONG)).collect();
    assert_eq!(found, told(4, 1));
    assert_eq!(over_http2(&mut client("127.0.0.1"), 1, WRONG), "address_limited");
    assert_eq!(over_http2(&mut client("127.0.0.3"), 1, WRONG), "invalid_key");
    assert_eq!(over_http2(&mut first, 11, &key), "");
}

/// The reason of a call that was refused, nothing of one that was answered.
fn over_http2(client: &mut frames::Client, stream: u32, key: &str) -> String {
    client.call(stream, key, "crm.read_x").unwrap();
    reason_of(client, stream)
}

fn reason_of(client: &mut frames::Client, stream: u32) -> String {
    loop {
        let (kind, _, of, payload) = client.read().unwrap();
        if kind == frames::DATA && of == stream {
            let body: serde_json::Value = serde_json::from_slice(&payload).unwrap();
            return body["error"]["data"]["reason"].as_str().unwrap_or_default().into();
        }
    }
}

#[test]
fn settings_that_believe_nobody_or_anybody_are_refused() {
    let many = vec!["\"10.0.0.1\""; 65].join(", ");
    for (listen, said) in [
        ("client_address = \"proxy_protocol\"", "listen.proxies: found none"),
        ("client_address = \"x-forwarded-for\"", "listen.proxies: found none"),
        ("proxies = [\"10.0.0.1\"]", "listen.proxies: found proxies, while"),
        ("client_address = \"connection\"\nproxies = [\"::1\"]", "listen.proxies: found proxies, while"),
        ("client_address = \"forwarded\"\nproxies = [\"::1\"]", "listen.client_address: found the string"),
        ("client_address = \"proxy_protocol\"\nproxies = [\"10.0.0.1/8\"]", "listen.proxies[0]: found"),
        (
            "client_address = \"proxy_protocol\"\nproxies = [\"::1\", \"0.0.0.0/0\"]",
            "listen.proxies[1]: found",
        ),
        (
            &format!("client_address = \"proxy_protocol\"\nproxies = [{many}]"),
            "found 65 networks; accepted: at most 64",
        ),
    ] {
        let checked = world(5, listen).run(&["check"]);
        assert!(
            !checked.ok && checked.err.contains(said) && checked.err.lines().count() == 1,
            "{listen}: {}",
            checked.err
        );
    }
    for (limit, said) in [
        ("{ rate = \"5\" }", "listen.failed_keys.rate: found"),
        ("{ rate = \"1/d\" }", "listen.failed_keys: found 1/d with a burst of 50"),
        ("{ burst = 0 }", "listen.failed_keys: found 5/s with a burst of 0"),
        ("{ brust = 1 }", "listen.failed_keys.brust: found an unknown setting"),
    ] {
        let world = World::new("", "");
        world.edit(PLENTY, &format!("failed_keys = {limit}"));
        let checked = world.run(&["check"]);
        assert!(!checked.ok && checked.err.contains(said), "{limit}: {}", checked.err);
    }
}
