//! Redis away under load: what gateways serve from memory and from their disks, when they refuse, and
//! how they come back.

use std::time::{Duration, Instant};

use super::fleet::{Fleet, call, ready, until};
use super::load::Load;
use super::server::Server;
use crate::admin;
use crate::metrics::Page;
use crate::world::{Gateway, strength};

const SOON: Duration = Duration::from_secs(5);
/// A look that waits for changes takes so long, and what it showed counts from when it was begun: two
/// of them lie between the last that counts and Redis' end at most.
const LOOKS: Duration = Duration::from_millis(2 * 250);
/// How soon after Redis is back a change that is made at once is known.
const RECOVERY: Duration = Duration::from_secs(3);
/// How old what is known may be in these tests.
const STALENESS: Duration = Duration::from_secs(2);

/// Two gateways: one serves on, one refuses.
fn serving_and_refusing(server: &Server) -> Fleet {
    let fleet = Fleet::new(server, 2, "max_staleness = \"2s\"\nwhen_stale = \"serve\"");
    fleet.worlds[1].edit("\"serve\"", "\"refuse\"");
    fleet
}

/// Sixty seconds in full. One gateway serves on, one refuses.
#[expect(clippy::print_stdout, reason = "the record of the full run")]
pub(super) fn away() {
    let mut server = Server::start();
    let fleet = serving_and_refusing(&server);
    let (key, id) = fleet.worlds[0].issue(&["crm:read"]);
    let gateways = fleet.serve();
    for gateway in &gateways {
        until(gateway, &key, "", SOON);
    }
    let serving = Load::start(&[&gateways[0]], &[&key], 500, str::is_empty);
    let refused =
        Load::start(&[&gateways[1]], &[&key], 500, |reason| reason.is_empty() || reason == "stale_registry");
    std::thread::sleep(Duration::from_secs(1));
    let gone = Instant::now();
    server.kill();
    let told = fleet.run(&["key", "list"]);
    assert!(
        !told.ok && told.err.contains("redis at 127.0.0.1") && told.err.contains("nothing listens"),
        "{}",
        told.err
    );
    until(&gateways[1], &key, "stale_registry", SOON);
    let told = admin::get(&gateways[1], "/readyz");
    assert!(told.status == 503 && told.json()["reasons"][0].as_str().unwrap().contains("max_staleness"));
    let up = |gateway: &Gateway| Page::of(gateway).whole("tollgate_redis_up", &[]);
    let page = Page::of(&gateways[1]);
    assert!(page.value("tollgate_snapshot_age_seconds", &[]).unwrap() > 1.0, "{}", page.text);
    assert_eq!([page.whole("tollgate_ready", &[]), up(&gateways[0])], [Some(0), Some(0)]);
    std::thread::sleep(Duration::from_secs(strength(3, 60) as u64).saturating_sub(gone.elapsed()));
    assert!(ready(&gateways[0]));
    // Back: nobody is restarted, and a change made at once arrives.
    server.restart();
    let back = Instant::now();
    let (other, _) = fleet.worlds[0].issue(&["crm:read"]);
    for gateway in &gateways {
        until(gateway, &other, "", RECOVERY);
    }
    until(&gateways[1], &key, "", RECOVERY);
    let recovered = back.elapsed();
    assert!(recovered < RECOVERY, "{recovered:?}");
    assert_eq!([up(&gateways[0]), up(&gateways[1])], [Some(1), Some(1)]);
    let (serving, refused) = (serving.stop(), refused.stop());
    assert!(serving.wrong.is_empty() && refused.wrong.is_empty(), "{:?} {:?}", serving.wrong, refused.wrong);
    let turns: Vec<&str> = refused.turns.iter().map(|(_, reason)| reason.as_str()).collect();
    assert_eq!(turns, ["", "stale_registry", ""]);
    let after = refused.turns[1].0.saturating_duration_since(gone);
    let slack = Duration::from_millis(strength(500, 30) as u64);
    assert!(after + LOOKS + slack >= STALENESS && after <= STALENESS + slack, "{after:?}");
    println!(
        "measured: Redis away for {:.0} s: {} calls served from memory, none failed; with \"refuse\" refused after {} ms of {} allowed; served again {} ms after it was back",
        (back - gone).as_secs_f64(),
        serving.calls,
        after.as_millis(),
        STALENESS.as_millis(),
        recovered.as_millis()
    );
    let revoked = fleet.run(&["key", "revoke", &id]);
    assert!(revoked.ok, "{}", revoked.err);
    for gateway in &gateways {
        assert_eq!(call(gateway, &key), "revoked_key");
    }
}

/// Restarted while Redis is away: what is on the disk serves, as old as it is, or is too old.
pub(super) fn restarted() {
    let mut server = Server::start();
    let fleet = serving_and_refusing(&server);
    let (key, id) = fleet.worlds[0].issue(&["crm:read"]);
    let mut gateways = fleet.serve();
    for gateway in &gateways {
        until(gateway, &key, "", SOON);
    }
    server.kill();
    assert!(gateways[0].stop());
    gateways[0] = fleet.worlds[0].serve();
    assert_eq!((call(&gateways[0], &key), ready(&gateways[0])), (String::new(), true));
    gateways[0].await_said("registry is away");
    until(&gateways[1], &key, "stale_registry", SOON);
    assert!(gateways[1].stop());
    let refused = fleet.worlds[1].run(&["serve"]);
    assert!(!refused.ok && refused.err.contains("more than registry.max_staleness"), "{}", refused.err);
    server.restart();
    let revoked = fleet.run(&["key", "revoke", &id, "--no-wait"]);
    assert!(revoked.ok, "{}", revoked.err);
    until(&gateways[0], &key, "revoked_key", Duration::from_secs(2));
}
