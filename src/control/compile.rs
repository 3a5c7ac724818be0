//! From checked settings to a policy and its metric cells.
//!
//! The settings were checked, so nothing fails here that a person could mend.

use std::sync::Arc;

use http::HeaderValue;
use http::header::{ACCEPT_ENCODING, HOST};

use crate::config::{LimitSettings, Per, RuleSettings, ServerSettings, Settings};
use crate::policy::compiled::{Rule, RuleKind};
use crate::policy::rules::{NameRules, UriRules};
use crate::policy::{
    Applied, Authority, Clients, Endpoint, Identity, KeyLimits, Plans, Policy, RuleId, RuleLimits, Server,
    ServerId, SharedLimits,
};
use crate::telemetry::{Metrics, PolicyCells};
use crate::wire::http1::Preamble;
use crate::wire::inputs::{InputRule, Inputs};

/// Compiles the policy.
pub fn compile(settings: &Settings) -> Policy {
    let mut rules = Vec::new();
    let servers = (0_u32..)
        .zip(&settings.servers)
        .map(|(number, server)| compile_server(ServerId(number), server, &mut rules))
        .collect::<Vec<_>>();
    let hosts = settings.listen.hosts.iter().map(|host| host.as_str().into()).collect();
    let plans = plans(settings);
    let named = shared(&plans, &servers, &rules);
    let shared = SharedLimits { when_gone: settings.when_gone, named };
    Policy::new(servers, rules, hosts, plans, shared).with_clients(clients(settings))
}

fn clients(settings: &Settings) -> Clients {
    let LimitSettings { limit, enforced, .. } = settings.listen.failed_keys;
    let failed_keys = Some(Applied::new(&["address", "failed_keys"], limit, enforced));
    Clients { source: settings.listen.client_address.clone(), failed_keys }
}

fn plans(settings: &Settings) -> Plans {
    let rules = settings.servers.iter().flat_map(ServerSettings::rules);
    let dearest = rules.map(|rule| rule.cost).max().unwrap_or(1);
    let plans = settings.keys.plans.iter().map(|(name, plan)| {
        let limit = |what: &str, limit: Option<LimitSettings>, dearest| {
            limit.map(|limit| shared_as(limit, Applied::of_key(what, limit.limit, limit.enforced), dearest))
        };
        let limits = KeyLimits {
            calls: limit("calls", plan.calls, dearest),
            other: limit("other", plan.other, 1),
            concurrent: plan.concurrent,
        };
        (name.as_str().into(), limits)
    });
    plans.collect()
}

/// A limit under a name; the dearest call that has it costs so much.
fn applied(name: &[&str], limit: LimitSettings, dearest: u32) -> Applied {
    shared_as(limit, Applied::new(name, limit.limit, limit.enforced), dearest)
}

fn shared_as(limit: LimitSettings, applied: Applied, dearest: u32) -> Applied {
    if limit.shared { applied.shared(dearest) } else { applied }
}

/// Limits that replicas share, by where they stand.
fn shared(plans: &Plans, servers: &[Server], rules: &[Rule]) -> Vec<(Box<str>, Applied)> {
    let mut named: Vec<(String, Option<Applied>)> = Vec::new();
    for (name, limits) in plans {
        named.push((format!("plans.{name}.calls"), limits.calls));
        named.push((format!("plans.{name}.other"), limits.other));
    }
    for server in servers {
        for rule in server.rules.clone().filter_map(|number| rules.get(number as usize)) {
            let place = format!("servers.{}.{}.{}", server.name, rule.kind.word(), rule.text);
            named.push((format!("{place}.key"), rule.limits.per_key));
            named.push((format!("{place}.tool"), rule.limits.per_tool));
        }
    }
    let shared = |(name, limit): (String, Option<Applied>)| {
        Some((name.into(), limit.filter(|limit| limit.shared.is_some())?))
    };
    named.into_iter().filter_map(shared).collect()
}

/// The limits of a rule, under a name that no other rule has.
fn limits(server: &str, kind: RuleKind, rule: &RuleSettings) -> RuleLimits {
    let mut limits = RuleLimits { cost: rule.cost, ..RuleLimits::NONE };
    for (per, limit) in &rule.limits {
        let (place, name) = match per {
            Per::Key => (&mut limits.per_key, "key"),
            Per::Tool => (&mut limits.per_tool, "tool"),
        };
        let name = ["servers", server, kind.word(), &rule.text, name];
        *place = Some(applied(&name, *limit, rule.cost));
    }
    limits
}

/// What may be written down of a rule's calls; one that wants nothing is none.
fn inputs(rule: &RuleSettings) -> Option<Arc<InputRule>> {
    let inputs = rule.inputs.as_ref().filter(|rule| rule.inputs != Inputs::None)?;
    Some(Arc::new(inputs.clone()))
}

/// Lays the metric cells out like a policy. Labels are configured names and patterns.
pub(super) fn compile_cells(policy: &Policy, metrics: &Metrics) -> PolicyCells {
    let mut cells = PolicyCells::default();
    for server in policy.servers() {
        cells.servers.push(metrics.server(&server.name));
        let names = [&server.name, &server.endpoint.name].map(|name| metrics.names.number(name));
        cells.server_names.push(names.into());
    }
    for (number, rule) in (0_u32..).zip(policy.rules()) {
        let owner = policy.servers().iter().find(|server| server.owns(RuleId(number)));
        let server = owner.map_or("_none", |server| &server.name);
        let tool = if rule.kind == RuleKind::Tool { &rule.text } else { "_other" };
        cells.rules.push(metrics.requests(server, tool));
        cells.rule_names.push(metrics.names.number(&rule.text));
    }
    cells
}

fn compile_server(id: ServerId, settings: &ServerSettings, rules: &mut Vec<Rule>) -> Server {
    let first = number(rules);
    let mut tools = NameRules::default();
    let mut prompts = NameRules::default();
    let mut resources = UriRules::default();
    // A rule that cannot be added was a fault of the configuration; without it the thing is
    // denied.
    let name = &settings.name;
    add(name, &settings.tools, RuleKind::Tool, rules, |text, id| tools.add(text, id).is_ok());
    add(name, &settings.prompts, RuleKind::Prompt, rules, |text, id| prompts.add(text, id).is_ok());
    add(name, &settings.resources, RuleKind::Resource, rules, |text, id| resources.add(text, id).is_ok());
    Server {
        id,
        name: settings.name.as_str().into(),
        endpoint: endpoint(settings),
        origins: settings.origins.iter().map(|origin| origin.as_str().into()).collect(),
        identity: Identity {
            key_id: settings.identity_key_id.clone(),
            owner: settings.identity_owner.clone(),
        },
        forward_headers: settings.forward_headers.iter().cloned().collect(),
        deny_with_ok: settings.deny_with_ok,
        concurrent: settings.concurrent,
        limit_headers: settings.limit_headers,
        tools,
        prompts,
        resources,
        rules: first..number(rules),
    }
}

fn add(
    server: &str,
    settings: &[RuleSettings],
    kind: RuleKind,
    rules: &mut Vec<Rule>,
    mut table: impl FnMut(&str, RuleId) -> bool,
) {
    for rule in settings {
        if table(&rule.text, RuleId(number(rules))) {
            rules.push(Rule {
                kind,
                text: rule.text.as_str().into(),
                scopes: rule.scopes.iter().cloned().collect(),
                first_byte: rule.first_byte,
                limits: limits(server, kind, rule),
                inputs: inputs(rule),
            });
        }
    }
}

fn number(rules: &[Rule]) -> u32 {
    // 1,024 servers of 3 × 4,096 rules are far below 2^32.
    u32::try_from(rules.len()).unwrap_or(u32::MAX)
}

fn endpoint(settings: &ServerSettings) -> Endpoint {
    let url = &settings.upstream;
    let scheme = if url.tls { "https" } else { "http" };
    Endpoint {
        name: format!("{scheme}://{}:{}{}", url.host, url.port, url.path).into(),
        authority: Authority {
            host: url.host.as_str().into(),
            port: url.port,
            tls: url.tls,
            ca: settings.ca.as_ref().map(|file| file.to_string_lossy().into()),
        },
        path: url.path.clone(),
        preamble: preamble(settings),
        credential: settings.credential.as_ref().map(|(name, _)| name.clone()),
    }
}

/// What no client decides about: the host, that answers which are looked into come as they are,
/// and the gateway's own credential, which wins over both.
fn preamble(settings: &ServerSettings) -> Preamble {
    let host = HeaderValue::from_str(&settings.upstream.authority);
    let host = host.unwrap_or_else(|_| HeaderValue::from_static(""));
    let identity = HeaderValue::from_static("identity");
    let credential = settings.credential.as_ref();
    let always = [(&HOST, &host), (&ACCEPT_ENCODING, &identity)];
    let always = always.into_iter().filter(|(name, _)| credential.is_none_or(|(own, _)| own != *name));
    Preamble::new(&settings.upstream.path, always.chain(credential.map(|(name, value)| (name, value))))
}
