//! The ledger as the simulation has it: what `lease.lua` does, in the same order, with the same rounding.

use std::collections::HashMap;

use crate::base::lease::{Ask, LeaseId, Told};

/// Buckets by when they would be full again, in microseconds.
#[derive(Default)]
pub(crate) struct Ledger(HashMap<LeaseId, f64>);

impl Ledger {
    /// Answers a question at a time, in microseconds.
    pub(crate) fn settle(&mut self, ask: &Ask, now: f64) -> Told {
        let interval = ask.limit.interval() as f64 / 1_000.0;
        let burst = f64::from(ask.limit.burst());
        let mut full = self.0.get(&ask.id).copied().unwrap_or(0.0).max(now);
        full = (full - (f64::from(ask.back) * interval).floor()).max(now);
        full += (f64::from(ask.debt) * interval).ceil();
        let left = (burst - (full - now) / interval).floor();
        let granted = left.min(f64::from(ask.want)).max(0.0);
        full += (granted * interval).ceil();
        self.0.insert(ask.id, full);
        #[expect(clippy::cast_sign_loss, reason = "it is not below zero")]
        let told = Told { granted: granted as u32, level: (left - granted) as i64 };
        told
    }
}
