//! Limits: rates and bursts that can be kept, and what a call costs.

use std::collections::BTreeMap;

use super::Check;
use crate::base::lease::{Ahead, WhenGone};
use crate::base::{Limit, LimitFault};
use crate::config::fault::member;
use crate::config::raw::{FailedKeys, Limits, Plan, PlanLimit, Rule, RuleLimit, Server};
use crate::config::settings::{Costly, KeySettings, LimitSettings, Per, PlanSettings, ServerSettings, Store};
use crate::policy::{Concurrent, Scope};

/// Rules whose calls cost more than one token, the dearest first; one with a fault is left out.
pub(super) fn costly(servers: &[Server]) -> Vec<Costly> {
    let rules = servers.iter().flat_map(|server| {
        [&server.tools, &server.prompts, &server.resources]
            .into_iter()
            .flatten()
            .map(move |rule| (server, rule))
    });
    let costly = rules.filter(|(_, (_, rule))| rule.cost > 1).filter_map(|(server, (text, rule))| {
        let scopes = rule.scopes.iter().map(|scope| Scope::parse(scope)).collect::<Result<_, _>>().ok()?;
        Some(Costly { server: server.name.clone(), rule: text.clone(), scopes, cost: rule.cost })
    });
    let mut costly: Vec<Costly> = costly.collect();
    costly.sort_by_key(|rule| std::cmp::Reverse(rule.cost));
    costly
}

impl Check<'_> {
    pub(super) fn plan(&mut self, path: &str, raw: Plan) -> PlanSettings {
        let mut limit = |name: &str, raw: Option<PlanLimit>| {
            let raw = raw?;
            let limit = self.limit(&format!("{path}.{name}"), &raw.rate, raw.burst, raw.warn_only)?;
            Some(LimitSettings { shared: raw.shared, ..limit })
        };
        let (calls, other) = (limit("calls", raw.calls), limit("other", raw.other));
        let concurrent =
            Concurrent { calls: raw.concurrent, streams: raw.streams, warn_only: raw.concurrent_warn_only };
        PlanSettings { description: raw.description, calls, other, concurrent }
    }

    /// A rule's limits: one for each key, one for all, or both.
    pub(super) fn rule_limits(&mut self, path: &str, rule: &Rule) -> Vec<(Per, LimitSettings)> {
        let mut limits: Vec<(Per, LimitSettings)> = Vec::new();
        let single = rule.limit.iter().map(|raw| (format!("{path}.limit"), raw));
        let more =
            (0..).zip(&rule.limits).map(|(index, raw): (usize, _)| (format!("{path}.limits[{index}]"), raw));
        for (at, raw) in single.chain(more) {
            let RuleLimit { rate, burst, per, warn_only, shared } = raw;
            let per = if per == "tool" { Per::Tool } else { Per::Key };
            let Some(limit) = self.limit(&at, rate, *burst, *warn_only) else { continue };
            if limits.iter().any(|(other, _)| *other == per) {
                self.faults.add(&at, "a second limit per the same", "one limit per key and one per tool");
            }
            if rule.cost > limit.limit.burst() {
                let found =
                    format!("a cost of {}, more than the burst of {}", rule.cost, limit.limit.burst());
                self.faults.add(format!("{path}.cost"), found, "a cost that every bucket can hold");
            }
            limits.push((per, LimitSettings { shared: *shared, ..limit }));
        }
        if rule.cost == 0 {
            self.faults.add(format!("{path}.cost"), "0", "a number from 1");
        }
        limits
    }

    /// A call that costs more than a key's bucket ever holds would be refused for ever.
    pub(super) fn costs(&mut self, plans: &BTreeMap<String, PlanSettings>, servers: &[ServerSettings]) {
        let rules = servers.iter().flat_map(|server| server.rules().map(move |rule| (server, rule)));
        let Some((server, dearest)) = rules.max_by_key(|(_, rule)| rule.cost) else { return };
        for (name, plan) in plans {
            let Some(burst) =
                plan.calls.map(|calls| calls.limit.burst()).filter(|burst| *burst < dearest.cost)
            else {
                continue;
            };
            let found = format!(
                "a burst of {burst}, less than the cost of {:?} of the server {}, which is {}",
                dearest.text, server.name, dearest.cost
            );
            self.faults.add(member("plans", name) + ".calls", found, "a burst that every call fits into");
        }
    }

    /// Limits that replicas share need what they share it through, and buckets that do not run over between
    /// two questions.
    pub(super) fn shares(&mut self, keys: &KeySettings, servers: &[ServerSettings]) {
        let dearest = servers.iter().flat_map(ServerSettings::rules).map(|rule| rule.cost).max().unwrap_or(1);
        let mut shared: Vec<(String, Limit, u32)> = Vec::new();
        for (name, plan) in &keys.plans {
            let path = member("plans", name);
            let limits = [("calls", plan.calls, dearest), ("other", plan.other, 1)];
            shared.extend(limits.into_iter().filter_map(|(what, limit, cost)| {
                let limit = limit.filter(|limit| limit.shared)?;
                Some((format!("{path}.{what}"), limit.limit, cost))
            }));
        }
        for server in servers {
            for rule in server.rules() {
                let limits = rule.limits.iter().filter(|(_, limit)| limit.shared);
                let path = format!("servers.{}.{:?}", server.name, rule.text);
                shared.extend(limits.map(|(_, limit)| (path.clone(), limit.limit, rule.cost)));
            }
        }
        for (path, limit, dearest) in shared {
            if !matches!(keys.registry.store, Store::Redis(_)) {
                let found = "shared = true, with a registry that this gateway alone has";
                self.faults.add(&path, found, "shared = true with registry.kind = \"redis\", or without it");
            } else if !Ahead::of(limit, dearest).fits(limit) {
                let found = format!("a shared limit with a burst of {}", limit.burst());
                self.faults.add(&path, found, "a burst of at least what comes in a tenth of a second");
            }
        }
    }

    /// What holds while Redis is out of reach.
    pub(super) fn when_gone(&mut self, raw: &Limits) -> WhenGone {
        match raw.when_redis_is_gone.as_str() {
            "local-share" => WhenGone::LocalShare,
            "refuse" => WhenGone::Refuse,
            "allow" => WhenGone::Allow,
            other => {
                let found = format!("{other:?}");
                let accepted = "\"local-share\", \"refuse\" or \"allow\"";
                self.faults.add("limits.when_redis_is_gone", found, accepted);
                WhenGone::Refuse
            }
        }
    }

    /// How many requests without a right key an address may send.
    pub(super) fn failed_keys(&mut self, raw: &FailedKeys) -> Option<LimitSettings> {
        self.limit("listen.failed_keys", &raw.rate, raw.burst, raw.warn_only)
    }

    fn limit(&mut self, path: &str, rate: &str, burst: u32, warn_only: bool) -> Option<LimitSettings> {
        let limit = match Limit::parse(rate, burst) {
            Ok(limit) => Some(limit),
            Err(LimitFault::Rate) => {
                if !self.faults.touches(&format!("{path}.rate")) {
                    let found = format!("the string {rate:?}");
                    self.faults.add(
                        format!("{path}.rate"),
                        found,
                        "a number in a time, e.g. 100/s, 30/m, 5/h, 24/d",
                    );
                }
                None
            }
            Err(LimitFault::Range) => {
                let found = format!("{rate} with a burst of {burst}");
                self.faults.add(path, found, "from 1/h to 1000000/s, and a burst from 1 to 1000000");
                None
            }
        };
        limit.map(|limit| LimitSettings { limit, enforced: !warn_only, shared: false })
    }
}
