//! `X-Forwarded-For`: believed from the proxies that are named, from nobody else.

use super::haproxy::Haproxy;
use super::{Connection, ask, reason_of, reasons, told, world};
use crate::neighbours::frames;
use crate::world::connect_from;
use std::time::Duration;

const LISTEN: &str = "client_address = \"x-forwarded-for\"\nproxies = [\"127.0.0.8/31\"]";

fn line(value: impl Into<String>) -> (&'static str, String) {
    ("X-Forwarded-For", value.into())
}

#[test]
fn what_a_stranger_says_is_ignored() {
    let world = world(3, LISTEN);
    let (key, _) = world.issue(&["crm:read"]);
    let gateway = world.serve();
    let mut stranger = Connection::open_from("127.0.0.1", gateway.address);
    let found: Vec<_> =
        (0..5).map(|n| ask(&mut stranger, &[line(format!("198.51.100.{n}"))]).reason()).collect();
    assert_eq!(found, told(3, 2));
    // Nor is anybody else harmed by it.
    let mut proxy = Connection::open_from("127.0.0.8", gateway.address);
    assert_eq!(reasons(&mut proxy, &[line("198.51.100.1")], 4), told(3, 1));
    let mut named = crate::world::call_headers("crm.read_x");
    named.extend([("Authorization", format!("Bearer {key}")), line("198.51.100.1")]);
    let answer = proxy.request("POST", "/crm/mcp", &named, &crate::world::call("crm.read_x"));
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(!world.recorder.last_head().contains("forwarded"), "{}", world.recorder.last_head());
}

#[test]
fn a_proxy_is_believed_as_far_as_proxies_reach() {
    let world = world(2, LISTEN);
    let gateway = world.serve();
    let mut proxy = Connection::open_from("127.0.0.9", gateway.address);
    // One client, however it forges what stands before its own address, over whichever proxies.
    assert_eq!(ask(&mut proxy, &[line("198.51.100.1")]).reason(), "invalid_key");
    assert_eq!(ask(&mut proxy, &[line("203.0.113.1, 198.51.100.1")]).reason(), "invalid_key");
    for lines in [
        vec![line("203.0.113.2, 198.51.100.1,127.0.0.8")],
        vec![line("203.0.113.3"), line("198.51.100.1"), line("127.0.0.8, 127.0.0.9")],
        vec![line("::ffff:198.51.100.1")],
        vec![line("198.51.100.1:4711")],
    ] {
        assert_eq!(ask(&mut proxy, &lines).reason(), "address_limited", "{lines:?}");
    }
    assert_eq!(reasons(&mut proxy, &[line("198.51.100.2")], 3), told(2, 1));
    // A /64 is one client. What cannot be read is counted under the proxy that passed it on.
    let found: Vec<_> = (0..3).map(|n| ask(&mut proxy, &[line(format!("2001:db8::{n}"))]).reason()).collect();
    assert_eq!(found, told(2, 1));
    let odd = ["unknown", "198.51.100.2, unknown", ""].map(|odd| ask(&mut proxy, &[line(odd)]).reason());
    assert_eq!(odd.to_vec(), told(2, 1));
}

#[test]
fn proxies_come_and_go_with_a_reload() {
    let world = world(2, LISTEN);
    let gateway = world.serve();
    let mut coming = Connection::open_from("127.0.0.5", gateway.address);
    assert_eq!(reasons(&mut coming, &[line("198.51.100.1")], 3), told(2, 1));
    world.edit("127.0.0.8/31", "127.0.0.5");
    gateway.signal("HUP");
    gateway.await_said("configuration reloaded");
    assert_eq!(reasons(&mut coming, &[line("198.51.100.1")], 3), told(2, 1));
    let mut gone = Connection::open_from("127.0.0.8", gateway.address);
    assert_eq!(reasons(&mut gone, &[line("198.51.100.2")], 3), told(2, 1));
    assert_eq!(reasons(&mut coming, &[line("198.51.100.2")], 3), told(2, 1));
}

#[test]
fn haproxy_tells_the_address_in_a_header() {
    let world = world(3, "client_address = \"x-forwarded-for\"\nproxies = [\"127.0.0.1\"]");
    let (key, _) = world.issue(&["crm:read"]);
    let gateway = world.serve();
    let haproxy = Haproxy::start(gateway.address, "http\n  option forwardfor", "");
    let connect = |from: &str| {
        let mut connection = Connection::open_from(from, haproxy.address);
        connection.host = "localhost".into();
        connection
    };
    let (mut first, mut second) = (connect("127.0.0.2"), connect("127.0.0.3"));
    assert_eq!(reasons(&mut first, &[], 5), told(3, 2));
    assert_eq!(reasons(&mut second, &[line("127.0.0.2")], 5), told(3, 2));
    assert_eq!(first.call(&key, "crm.read_x").status, 200);
}

#[test]
fn http2_tells_it_as_well() {
    let world = world(2, LISTEN);
    let trusting = world.secure();
    let gateway = world.serve();
    let client = |from: &str, forwarded: &str| {
        let stream = connect_from(from, gateway.address).unwrap();
        let secure = trusting.over(stream, true, Duration::from_secs(10)).unwrap();
        let mut client = frames::Client::over(secure).unwrap();
        let mut block = frames::call_block(super::WRONG, "/crm/mcp", "crm.read_x");
        block.extend(frames::line("x-forwarded-for", forwarded));
        client.frame(frames::HEADERS, frames::END_HEADERS, 1, &block).unwrap();
        client
            .frame(frames::DATA, frames::END_STREAM, 1, crate::world::call("crm.read_x").as_bytes())
            .unwrap();
        reason_of(&mut client, 1)
    };
    let found: Vec<_> = (0..3).map(|_| client("127.0.0.8", "198.51.100.1")).collect();
    assert_eq!(found, told(2, 1));
    assert_eq!(client("127.0.0.8", "198.51.100.2"), "invalid_key");
    let forged: Vec<_> = (5..8).map(|n| client("127.0.0.1", &format!("198.51.100.{n}"))).collect();
    assert_eq!(forged, told(2, 1));
}
