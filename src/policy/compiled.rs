//! The policy as one value: servers by path, all rules in one row, served hosts.
//!
//! Rules have dense numbers over all servers, so that what a scope set may do is one bitset.
//! A policy never changes once made: a reload makes another.

use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use super::address::Clients;
use super::ids::{RuleId, ServerId};
use super::limits::{KeyLimits, Plans, RuleLimits, SharedLimits};
use super::scope::{Scope, ScopeSet};
use super::server::Server;
use crate::wire::inputs::InputRule;

/// What kind of thing a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleKind {
    /// `[servers.tools]`
    Tool,
    /// `[servers.prompts]`
    Prompt,
    /// `[servers.resources]`
    Resource,
}

impl RuleKind {
    /// The word in the configuration.
    pub fn word(self) -> &'static str {
        match self {
            Self::Tool => "tools",
            Self::Prompt => "prompts",
            Self::Resource => "resources",
        }
    }
}

/// One rule.
#[derive(Debug)]
pub struct Rule {
    /// What it is about.
    pub kind: RuleKind,
    /// Name, pattern or URI as configured; also the metric label.
    pub text: Box<str>,
    /// All of these are needed.
    pub scopes: Box<[Scope]>,
    /// Time until an answer begins, where the rule sets one.
    pub first_byte: Option<Duration>,
    /// How often it may be called.
    pub limits: RuleLimits,
    /// What may be written down of its calls' arguments; `None` for nothing. Shared: who writes does it later and elsewhere.
    pub inputs: Option<Arc<InputRule>>,
}

/// Everything that is decided by configuration alone.
#[derive(Debug, Default)]
pub struct Policy {
    servers: Vec<Server>,
    rules: Vec<Rule>,
    paths: HashMap<Box<str>, ServerId, RandomState>,
    hosts: Vec<Box<str>>,
    plans: Plans,
    shared: SharedLimits,
    clients: Clients,
}

impl Policy {
    /// A policy over these parts; `servers[n].id` is `n`, and rules stand in the order of
    /// their servers. `hosts` are lower case, without ports.
    pub fn new(
        servers: Vec<Server>,
        rules: Vec<Rule>,
        hosts: Vec<Box<str>>,
        plans: Plans,
        shared: SharedLimits,
    ) -> Self {
        let paths = servers.iter().map(|s| (format!("/{}/mcp", s.name).into(), s.id)).collect();
        Self { servers, rules, paths, hosts, plans, shared, clients: Clients::default() }
    }

    /// Limits that replicas share.
    pub fn shared(&self) -> &SharedLimits {
        &self.shared
    }

    /// The same, with what is decided by a client's address.
    #[must_use]
    pub fn with_clients(self, clients: Clients) -> Self {
        Self { clients, ..self }
    }

    /// What is decided by a client's address.
    #[inline]
    pub fn clients(&self) -> &Clients {
        &self.clients
    }

    /// The server at a request path.
    #[inline]
    pub fn server_at(&self, path: &str) -> Option<&Server> {
        self.paths.get(path).and_then(|id| self.server(*id))
    }

    /// A server by its place.
    #[inline]
    pub fn server(&self, id: ServerId) -> Option<&Server> {
        self.servers.get(id.0 as usize)
    }

    /// All servers.
    pub fn servers(&self) -> &[Server] {
        &self.servers
    }

    /// All rules, those of one server together.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// A rule by its place.
    pub fn rule(&self, id: RuleId) -> Option<&Rule> {
        self.rules.get(id.0 as usize)
    }

    /// Whether this listener serves a host (without port).
    #[inline]
    pub fn serves_host(&self, host: &str) -> bool {
        self.hosts.iter().any(|known| known.eq_ignore_ascii_case(host))
    }

    /// What a key with these scopes, this plan and limits of its own may do; computed once for all that
    /// have the same. A plan that is not configured has no limits.
    pub fn grants(&self, set: &ScopeSet, plan: Option<&str>, own: Option<&KeyLimits>) -> Grants {
        let satisfied = |rule: &Rule| rule.scopes.iter().all(|scope| set.grants(scope));
        let rules = Bits::collect(self.rules.iter().map(satisfied));
        let anything = |server: &Server| server.rules.clone().any(|rule| rules.has(rule));
        let servers = Bits::collect(self.servers.iter().map(anything));
        let of_plan = plan.and_then(|plan| self.plans.get(plan)).copied().unwrap_or_default();
        let limits = own.map_or(of_plan, |own| own.over(of_plan));
        Grants { rules, servers, limits }
    }
}

/// What one scope set may do under one policy, and how often under one plan and limits of its own.
#[derive(Clone, Debug, Default)]
pub struct Grants {
    rules: Bits,
    servers: Bits,
    /// How often.
    pub limits: KeyLimits,
}

impl Grants {
    /// Whether the set satisfies the rule.
    #[inline]
    pub fn rule(&self, rule: RuleId) -> bool {
        self.rules.has(rule.0)
    }

    /// Whether the set satisfies any rule of the server.
    #[inline]
    pub fn server(&self, server: ServerId) -> bool {
        self.servers.has(server.0)
    }
}

#[derive(Clone, Debug, Default)]
struct Bits(Box<[u64]>);

impl Bits {
    fn collect(bits: impl Iterator<Item = bool>) -> Self {
        let mut words = Vec::new();
        for (index, bit) in bits.enumerate() {
            if index % 64 == 0 {
                words.push(0_u64);
            }
            if let Some(word) = words.last_mut() {
                *word |= u64::from(bit) << (index % 64);
            }
        }
        Self(words.into_boxed_slice())
    }

    #[inline]
    fn has(&self, index: u32) -> bool {
        self.0.get((index / 64) as usize).is_some_and(|word| (word >> (index % 64)) & 1 == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::Bits;

    #[test]
    fn bits_are_read_back_beyond_one_word() {
        let bits = Bits::collect((0..130).map(|n| n % 3 == 0));
        for n in 0..130 {
            assert_eq!(bits.has(n), n % 3 == 0, "{n}");
        }
        assert!(!bits.has(130) && !bits.has(u32::MAX));
    }
}
