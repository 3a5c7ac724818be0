//! Every limit of `[bounds]`: what is above it ends or is refused, what is below it passes.
//!
//! The table names each setting with the test that holds it; a setting without one is a fault.

mod ceilings;
mod sizes;
mod times;
mod upstreams;

use std::time::{Duration, Instant};

use crate::world::{Gateway, World};

macro_rules! table {
    ($($setting:ident: $holds:path,)*) => {
        const SETTINGS: &[&str] = &[$(stringify!($setting)),*];
        $(#[test] fn $setting() { $holds(); })*
    };
}

table! {
    body: sizes::body,
    handshake: times::handshake,
    head: times::head,
    body_idle: times::body_idle,
    body_total: times::body_total,
    connect: upstreams::connect,
    first_byte: upstreams::first_byte,
    upstream_idle: upstreams::upstream_idle,
    bodies: ceilings::bodies,
    head_size: sizes::head_size,
    idle: times::idle,
    write_idle: times::write_idle,
    answer_idle: upstreams::answer_idle,
    stream_idle: upstreams::stream_idle,
    stream_comment: upstreams::stream_comment,
    session: times::session,
    memory: ceilings::memory,
    connections: ceilings::connections,
    requests: ceilings::requests,
    streams: ceilings::streams,
    buckets: ceilings::buckets,
    addresses: ceilings::addresses,
}

#[test]
fn every_setting_is_in_the_table() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/config/tollgate.toml")).unwrap();
    let section = text.split("[bounds]\n").nth(1).unwrap().split("\n[").next().unwrap();
    let mut documented = Vec::new();
    let mut reason = false;
    for line in section.lines() {
        match line.split_once(" = ") {
            // A setting that is commented out counts as well.
            Some((name, _)) if !name.trim_start_matches("# ").contains(' ') => {
                assert!(reason, "{name} has no reason above it");
                documented.push(name.trim_start_matches("# "));
                reason = false;
            }
            _ => reason = line.starts_with('#'),
        }
    }
    let (mut here, mut there) = (SETTINGS.to_vec(), documented);
    here.sort_unstable();
    there.sort_unstable();
    assert_eq!(here, there, "settings with a test, settings that there are");
}

/// A world with these bounds, a key, and its gateway.
fn bounded(bounds: &str) -> (World, String, Gateway) {
    let world = World::new(&format!("[bounds]\n{bounds}\n"), "");
    let (key, _) = world.issue(&["crm:read"]);
    let gateway = world.serve();
    (world, key, gateway)
}

/// Something ended after a limit: not before it, and at most a second after.
fn in_time(what: &str, begun: Instant, limit: Duration) {
    let took = begun.elapsed();
    // Clocks of two processes tick apart by less than that.
    let least = limit.saturating_sub(Duration::from_millis(5));
    assert!(took >= least && took <= limit + Duration::from_secs(1), "{what}: {took:?}, limit {limit:?}");
}

/// A refusal for want of room: status, reason, when to come again; and the admin listener works.
fn overloaded(answer: &crate::world::Answer, gateway: &Gateway) {
    let told = (answer.status, answer.reason(), answer.header("retry-after"));
    assert_eq!(told, (503, "overloaded".into(), Some("1")), "{answer:?}");
    assert_eq!(crate::admin::get(gateway, "/readyz").status, 200);
    assert!(crate::admin::get(gateway, "/metrics").text().contains(r#"reason="overloaded""#));
}

/// Waits until something holds, for at most ten seconds.
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
