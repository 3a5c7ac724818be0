//! Failure: how often an address may come without a right key.
//!
//! Only what authentication refused comes here, so that a right key costs nothing and passes whatever its
//! address has done. Beyond the limit the refusal becomes 429, for a server/discover too: nobody knows
//! yet what is asked, as nothing of a body is read before the key is proved.

use std::net::IpAddr;

use crate::base::Denial;
use crate::gateway::refusal::{Detail, Refusal, Retry};
use crate::policy::Clients;
use crate::state::limiter::Addresses;
use crate::wire::known::Known;
use crate::wire::lines::{Line, Lines};

/// What a request without a right key is told, which came over a connection of `from` with these headers:
/// why it was refused, or that there were too many.
#[cold]
pub(in crate::gateway) fn count_failure(
    addresses: &Addresses,
    clients: &Clients,
    (from, lines): (IpAddr, &Lines),
    refusal: Refusal,
) -> Refusal {
    // That the keys are too old to be decided by is nobody's fault but ours.
    let Some(applied) = clients.failed_keys.filter(|_| refusal.denial.is_of_key()) else { return refusal };
    let forwarded = lines.iter().rev().filter(|line| line.known() == Known::ForwardedFor).map(Line::value);
    let client = clients.source.client(from, forwarded);
    match addresses.count(client, applied) {
        Ok(()) => refusal,
        Err(wait) => {
            let retry = Some(Retry { wait, which: "address", limit: Some(applied.limit) });
            Refusal::detailed(Denial::AddressLimited, Detail { retry, ..Detail::default() })
        }
    }
}
