//! Registries: the contract that each keeps, and replicas that share one in Redis.

mod churn;
mod contract;
mod failover;
mod fleet;
mod hung;
mod load;
mod lost;
mod outage;
mod places;
mod replicas;
mod server;
mod wire;

pub use fleet::Fleet;
pub use places::documented_rights;
pub use server::{Server, free_port, params};

#[test]
fn many_keys_load_soon_and_their_changes_go_unnoticed() {
    crate::scale::in_redis();
}

#[test]
fn redis_is_reached_over_tls_with_the_documented_rights() {
    places::tls_and_users();
}

#[test]
fn a_failover_of_sentinel_is_followed() {
    places::sentinel();
}

#[test]
fn a_failover_of_a_cluster_is_followed() {
    places::cluster();
}

#[test]
fn the_embedded_registry_keeps_the_contract() {
    contract::embedded();
}

#[test]
fn the_registry_in_redis_keeps_the_contract() {
    contract::redis(&Server::with(&[]));
}

#[test]
fn the_registry_in_valkey_keeps_the_contract() {
    contract::redis(&Server::valkey(&[]));
}

#[test]
fn a_revoked_key_is_refused_by_every_replica_once_revoke_returned() {
    replicas::revocation(&Server::start());
}

#[test]
fn limits_of_a_keys_own_are_in_force_at_every_replica_once_set_returned() {
    replicas::own_limits(&Server::start());
}

#[test]
fn a_revoked_key_is_refused_by_every_replica_on_valkey() {
    replicas::revocation(&Server::valkey(&["--appendonly", "yes", "--appendfsync", "always"]));
}

#[test]
fn redis_away_is_served_from_memory_and_disk_or_refused() {
    outage::away();
}

#[test]
fn a_gateway_starts_from_its_disk_while_redis_is_away() {
    outage::restarted();
}

#[test]
fn a_redis_that_hangs_holds_no_writer_for_long() {
    hung::writers();
}

#[test]
fn nodes_of_a_cluster_that_hang_are_asked_within_one_limit() {
    hung::nodes();
}

#[test]
fn a_redis_that_hangs_while_a_connection_is_set_up_is_one_wait() {
    hung::set_up();
}

#[test]
fn a_primary_that_became_a_replica_is_left() {
    hung::replica();
}

#[test]
fn gateways_agree_after_a_failover_of_sentinel_under_load() {
    failover::sentinel();
}

#[test]
fn gateways_agree_after_a_killed_primary_of_a_cluster_under_load() {
    failover::cluster();
}

#[test]
fn gateways_agree_after_a_partition_under_load() {
    failover::parted();
}

#[test]
fn a_failover_that_lost_what_was_acknowledged_brings_nothing_back() {
    failover::lost();
}

#[test]
fn the_first_replica_waits_for_a_word() {
    replicas::first();
}

#[test]
fn a_replica_that_does_not_answer_is_named() {
    replicas::missing();
}

#[test]
fn a_name_is_one_gateways_until_that_has_crashed() {
    replicas::names();
}

#[test]
fn a_durable_revocation_says_whether_redis_replicas_have_it() {
    replicas::durable();
}

#[test]
fn nothing_that_was_taken_away_comes_back() {
    lost::comes_back();
}

#[test]
fn a_purged_key_does_not_come_back_from_an_old_copy() {
    lost::purged();
}

#[test]
fn an_old_copy_of_an_accepted_registry_is_not_accepted() {
    lost::accepted_once();
}

#[test]
fn a_gateway_that_is_cut_off_is_named_though_another_took_its_name() {
    replicas::namesake();
}

#[test]
fn what_was_lost_is_restored_or_accepted() {
    lost::restored_or_accepted();
}

#[test]
fn odd_entries_and_records_do_what_they_should() {
    lost::odd();
}
