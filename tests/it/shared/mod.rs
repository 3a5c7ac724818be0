//! Limits that replicas share through Redis: what the ledger says, what gateways let through together,
//! and what happens when Redis or one of them is gone.

#![expect(clippy::cast_precision_loss, reason = "counts of calls in a test are far below 2^52")]

mod ledger;
mod outage;
mod told;
mod traffic;

use crate::registry::{Fleet, Server};
use crate::world::Gateway;

/// Gateways on one Redis under a plan's limit, or other settings.
struct Replicas {
    fleet: Fleet,
    gateways: Vec<Gateway>,
}

impl Replicas {
    fn new(server: &Server, count: usize, settings: &str) -> Self {
        let fleet = Fleet::new(server, count, settings);
        let gateways = fleet.serve();
        Self { fleet, gateways }
    }

    /// A key under a plan, which all gateways know.
    fn key(&self, plan: &str) -> (String, String) {
        self.issued(&["--plan", plan])
    }

    /// A key without one.
    fn key_without_plan(&self) -> (String, String) {
        self.issued(&[])
    }

    fn issued(&self, plan: &[&str]) -> (String, String) {
        let words = ["key", "issue", "--name", "t", "--scope", "crm:read", "--json"];
        let issued = self.fleet.run(&[&words, plan].concat());
        assert!(issued.ok, "{}", issued.err);
        let issued = issued.json();
        let text = |name: &str| issued[name].as_str().unwrap().to_owned();
        let (key, id) = (text("key"), text("key_id"));
        for gateway in &self.gateways {
            // A call would take a token; an unknown tool does not.
            let begun = std::time::Instant::now();
            while gateway.connect().call(&key, "unknown").reason() != "not_configured" {
                assert!(begun.elapsed() < std::time::Duration::from_secs(5), "the key does not arrive");
            }
        }
        (key, id)
    }
}

#[test]
fn the_ledger_gives_what_a_bucket_holds_and_no_more() {
    ledger::arithmetic(&Server::with(&[]));
}

#[test]
fn the_ledger_on_valkey_does_the_same() {
    ledger::arithmetic(&Server::valkey(&[]));
}

#[test]
fn a_redis_that_hangs_holds_the_ledger_for_a_moment() {
    ledger::hung();
}

#[test]
fn the_ledger_needs_the_documented_rights_and_no_more() {
    ledger::rights();
}

#[test]
fn the_ledger_is_spread_over_a_cluster_and_follows_its_failover() {
    ledger::cluster();
}

#[test]
fn replicas_together_let_through_what_the_limit_says() {
    traffic::skewed();
}

#[test]
fn a_tools_limit_is_that_of_all_keys_on_all_replicas() {
    traffic::of_a_tool();
}

#[test]
fn a_gateway_tells_what_is_left_of_all_where_it_shares_a_limit() {
    told::what_is_left_of_all();
}

#[test]
fn a_killed_replica_costs_its_lease() {
    traffic::killed();
}

#[test]
fn without_redis_each_replica_keeps_its_share() {
    outage::local_share();
}

#[test]
fn without_redis_calls_are_refused_where_that_is_chosen() {
    outage::refuse();
}

#[test]
fn without_redis_calls_are_allowed_where_that_is_chosen() {
    outage::allow();
}
