//! What a gateway tells of a limit that it shares: nothing of a bucket that it does not use, and of one that
//! it uses what is left of all.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Replicas;
use crate::admin;
use crate::registry::Server;
use crate::world::Gateway;

const BURST: u32 = 20;

fn told(gateway: &Gateway, id: &str) -> Value {
    admin::get(gateway, &format!("/limits?key_id={id}")).json()["limits"][0].clone()
}

/// Calls until so many were let through: between two answers of Redis there may be no token here.
fn take(gateway: &Gateway, key: &str, calls: u32) {
    let (begun, mut connection, mut admitted) = (Instant::now(), gateway.connect(), 0);
    while admitted < calls {
        assert!(begun.elapsed() < Duration::from_secs(10), "{admitted} of {calls}");
        admitted += u32::from(connection.call(key, "crm.read_x").status == 200);
    }
}

/// Waits until the gateway has heard of Redis what is left of a bucket, about this much.
fn until_left(gateway: &Gateway, id: &str, left: u32) {
    let begun = Instant::now();
    loop {
        let row = told(gateway, id);
        // The other gateway may hold a token that it took ahead of need.
        let tokens = row["tokens"].as_u64().and_then(|tokens| u32::try_from(tokens).ok());
        if tokens.is_some_and(|tokens| (left - 1..=left).contains(&tokens)) {
            let seconds = row["full_in_seconds"].as_f64().unwrap();
            assert!((f64::from(BURST - left) - 0.1) * 3_600.0 <= seconds, "{row}");
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(5), "{left} are left: {row}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

pub(super) fn what_is_left_of_all() {
    let server = Server::with(&[]);
    let plan = format!("[plans.p]\ncalls = {{ rate = \"1/h\", burst = {BURST}, shared = true }}");
    let replicas = Replicas::new(&server, 2, &plan);
    let (key, id) = replicas.key("p");
    let [one, two] = [&replicas.gateways[0], &replicas.gateways[1]];
    take(one, &key, 8);
    until_left(one, &id, BURST - 8);
    let unknown = json!({
        "limit": "calls", "rate": "1/h", "burst": BURST, "warn_only": false, "shared": true, "own": false,
        "tokens": null, "full_in_seconds": null,
    });
    assert_eq!(
        told(two, &id),
        unknown,
        "a gateway that does not use it says nothing, and not that it is full"
    );
    let world = &replicas.fleet.worlds[1];
    world.edit("[admin]\naddress = \"127.0.0.1:0\"", &format!("[admin]\naddress = \"{}\"", two.admin));
    let row = || {
        let said = world.run(&["key", "limits", &id]).out;
        said.lines().find(|line| line.starts_with("calls")).unwrap_or_else(|| panic!("{said}")).to_owned()
    };
    let unused = row();
    assert!(unused.contains("the plan's, all replicas together, not used here of late"), "{unused}");
    // What the other spent is booked by now, and what it did not use is back: this one hears of Redis at its
    // own calls alone.
    std::thread::sleep(Duration::from_secs(1));
    take(two, &key, 1);
    until_left(two, &id, BURST - 9);
    let used = row();
    assert!(used.ends_with("the plan's, all replicas together"), "{used}");
    let left: Vec<&str> = used.split_whitespace().skip(1).take(3).collect();
    assert!([["1/h", "20", "10"], ["1/h", "20", "11"]].iter().any(|row| left == row), "{used}");
}
