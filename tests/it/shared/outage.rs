//! Redis killed and started again under load, in each of the three ways that the configuration has.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::Replicas;
use super::traffic::Callers;
use crate::registry::Server;
use crate::world::strength;

const RATE: u32 = 60;
const BURST: u32 = 60;

fn settings(mode: &str) -> String {
    format!(
        "when_stale = \"serve\"\n[limits]\nwhen_redis_is_gone = \"{mode}\"\n[plans.p]\ncalls = {{ rate = \"{RATE}/s\", burst = {BURST}, shared = true }}"
    )
}

fn addresses(replicas: &Replicas) -> Vec<SocketAddr> {
    replicas.gateways.iter().map(|gateway| gateway.address).collect()
}

/// Three replicas, of which each has a third while Redis is gone.
pub(super) fn local_share() {
    let mut server = Server::start();
    let replicas = Replicas::new(&server, 3, &settings("local-share"));
    let (key, _) = replicas.key("p");
    // All of them have heard how many they are.
    std::thread::sleep(Duration::from_millis(600));
    let begun = Instant::now();
    let mut callers = Callers::start(&addresses(&replicas), &key, "crm.read_x", 4 * RATE);
    std::thread::sleep(Duration::from_secs(2));
    server.kill();
    std::thread::sleep(Duration::from_millis(1_500));
    for gateway in &replicas.gateways {
        gateway.await_said("redis is out of reach");
    }
    let (before, away) = (callers.admitted(), Instant::now());
    std::thread::sleep(Duration::from_secs(strength(3, 20) as u64));
    let (alone, passed) = (callers.admitted() - before, away.elapsed().as_secs_f64());
    let comes = f64::from(RATE) * passed;
    // Traffic is skewed: not every replica has as many calls as its share lets through.
    assert!(alone as f64 <= f64::from(BURST) + comes + 3.0, "{alone} of {comes} without redis");
    assert!(alone as f64 >= comes * 0.4, "{alone} of {comes} without redis");
    server.restart();
    for gateway in &replicas.gateways {
        gateway.await_said_times("limits are shared through redis", 2);
    }
    std::thread::sleep(Duration::from_secs(2));
    let admitted = callers.stop();
    // A bucket that Redis has forgotten is full, and each share of it was full once.
    let most = f64::from(RATE) * begun.elapsed().as_secs_f64() + 3.0 * f64::from(BURST) + 30.0;
    assert!(admitted as f64 <= most, "{admitted} of {most}");
}

pub(super) fn refuse() {
    let mut server = Server::start();
    let replicas = Replicas::new(&server, 2, &settings("refuse"));
    let ((key, _), (free, _)) = (replicas.key("p"), replicas.key_without_plan());
    let call = |key: &str| replicas.gateways[0].connect().call(key, "crm.read_x");
    assert_eq!(call(&key).status, 200);
    server.kill();
    let begun = Instant::now();
    let refused = loop {
        let answer = call(&key);
        if answer.status == 503 {
            break answer;
        }
        assert!(begun.elapsed() < Duration::from_secs(3), "{}", answer.text());
        std::thread::sleep(Duration::from_millis(20));
    };
    assert_eq!(
        (refused.reason(), refused.json()["error"]["code"].clone()),
        ("limits_unavailable".into(), 50304.into())
    );
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(call(&free).status, 200, "a key without a shared limit asks nobody");
    server.restart();
    let begun = Instant::now();
    while call(&key).status != 200 {
        assert!(begun.elapsed() < Duration::from_secs(5));
        std::thread::sleep(Duration::from_millis(20));
    }
}

pub(super) fn allow() {
    let mut server = Server::start();
    let replicas = Replicas::new(&server, 2, &settings("allow"));
    let (key, _) = replicas.key("p");
    let mut connection = replicas.gateways[0].connect();
    let mut admitted =
        |calls: usize| (0..calls).filter(|_| connection.call(&key, "crm.read_x").status == 200).count();
    let most = BURST as usize + RATE as usize / 2;
    assert!(admitted(2 * most) <= 2 * most - 20, "the limit holds");
    server.kill();
    replicas.gateways[0].await_said("redis is out of reach");
    // Calls go by the kernel's note of the time, which is up to 10 ms behind.
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(admitted(2 * most), 2 * most);
    server.restart();
    replicas.gateways[0].await_said_times("limits are shared through redis", 2);
    let begun = Instant::now();
    while admitted(50) == 50 {
        assert!(begun.elapsed() < Duration::from_secs(5), "the limit holds again");
    }
}
