//! From what the user typed to settings: every value parsed, every reference resolved.
//!
//! A check goes on after a fault with whatever stands in for the faulty value; settings are
//! handed out only when no fault was noted by anyone.

mod audit;
mod bounds;
mod inputs;
mod limits;
mod listen;
mod redis;
mod registry;
mod rules;
mod servers;
mod telemetry;

pub use audit::public_beside;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::fault::Faults;
use super::raw::{Keys, Plan, Raw, Registry, Server};
use super::settings::{AuditPlace, KeySettings, LogFormat, PlanSettings, Settings};
use super::{fault::member, units};
use crate::policy::Scope;

/// Checks everything that the schema cannot say.
pub(super) fn check(raw: Raw, folder: &Path, faults: Faults) -> Result<Settings, Faults> {
    let mut check = Check { folder, faults, files: Vec::new() };
    let log_format = if raw.log.format == "json" { LogFormat::Json } else { LogFormat::Text };
    let listen = check.listen(&raw.listen);
    let admin = check.admin(&raw.admin.address);
    let bounds = check.bounds(&raw.bounds);
    let when_gone = check.when_gone(&raw.limits);
    let (servers, log_level, log_requests) = (raw.servers, check.levels(&raw.log), raw.log.requests);
    let keys = check.keys(&raw.registry, raw.keys, &raw.scopes, raw.plans, &servers);
    let servers = check.servers(&servers, keys.scopes.as_ref());
    check.costs(&keys.plans, &servers);
    check.shares(&keys, &servers);
    let audit = check.audit(&raw.audit, &keys.registry.store);
    let otlp = check.otlp(&raw.otlp, &keys.registry);
    match listen {
        Some(listen) if check.faults.0.is_empty() => Ok(Settings {
            listen,
            keys,
            admin,
            audit,
            when_gone,
            bounds,
            log_level,
            log_format,
            log_requests,
            otlp,
            servers,
            files: check.files,
        }),
        _ => Err(check.faults),
    }
}

/// Checks what administering keys needs; faults elsewhere do not stand in its way.
pub(super) fn check_keys(raw: Raw, folder: &Path, faults: Faults) -> Result<KeySettings, Faults> {
    let mut check = Check { folder, faults, files: Vec::new() };
    check.faults.0.retain(|fault| {
        ["registry", "keys", "scopes", "plans", "TOLLGATE_"].iter().any(|part| fault.path.starts_with(part))
    });
    let keys = check.keys(&raw.registry, raw.keys, &raw.scopes, raw.plans, &raw.servers);
    if check.faults.0.is_empty() { Ok(keys) } else { Err(check.faults) }
}

/// Checks the admin listener alone.
pub(super) fn check_admin(raw: &Raw, folder: &Path, faults: Faults) -> Result<SocketAddr, Faults> {
    let mut check = Check { folder, faults, files: Vec::new() };
    check.faults.0.retain(|fault| ["admin", "TOLLGATE_"].iter().any(|part| fault.path.starts_with(part)));
    let admin = check.admin(&raw.admin.address);
    if check.faults.0.is_empty() { Ok(admin) } else { Err(check.faults) }
}

/// Checks where the audit log is.
pub(super) fn check_audit(raw: &Raw, folder: &Path, faults: Faults) -> Result<AuditPlace, Faults> {
    let mut check = Check { folder, faults, files: Vec::new() };
    check.faults.0.retain(|fault| ["audit", "TOLLGATE_"].iter().any(|part| fault.path.starts_with(part)));
    let place = check.audit_place(&raw.audit);
    if check.faults.0.is_empty() { Ok(place) } else { Err(check.faults) }
}

struct Check<'a> {
    folder: &'a Path,
    faults: Faults,
    files: Vec<PathBuf>,
}

impl Check<'_> {
    fn keys(
        &mut self,
        registry: &Registry,
        keys: Keys,
        scopes: &BTreeMap<String, String>,
        plans: BTreeMap<String, Plan>,
        servers: &[Server],
    ) -> KeySettings {
        let year = Duration::from_secs(366 * 86_400);
        let plan = |(name, plan)| (String::clone(&name), self.plan(&member("plans", &name), plan));
        let plans: BTreeMap<String, PlanSettings> = plans.into_iter().map(plan).collect();
        self.plans(&plans, keys.default_plan.as_ref());
        KeySettings {
            registry: self.registry(registry),
            overlap: self.duration("keys.overlap", &keys.overlap, Duration::ZERO, year),
            default_plan: keys.default_plan,
            scopes: self.scopes(scopes),
            plans,
            costly: limits::costly(servers),
        }
    }

    fn scopes(&mut self, raw: &BTreeMap<String, String>) -> Option<BTreeSet<Scope>> {
        let mut scopes = BTreeSet::new();
        for name in raw.keys() {
            match Scope::parse(name) {
                Ok(scope) => {
                    scopes.insert(scope);
                }
                Err(error) => {
                    self.faults.add(member("scopes", name), format!("the scope {name:?}"), error.to_string());
                }
            }
        }
        (!raw.is_empty()).then_some(scopes)
    }

    fn plans(&mut self, plans: &BTreeMap<String, PlanSettings>, default: Option<&String>) {
        for name in plans.keys().filter(|name| !is_name(name)) {
            self.faults.add(member("plans", name), format!("the name {name:?}"), NAME);
        }
        if let Some(plan) = default.filter(|plan| !plans.contains_key(*plan)) {
            let known = plans.keys().cloned().collect::<Vec<_>>().join(", ");
            let accepted = if known.is_empty() {
                "no plan, as [plans] has none".into()
            } else {
                format!("a plan of [plans]: {known}")
            };
            self.faults.add(
                "keys.default_plan",
                format!("the plan {plan:?}, which [plans] does not define"),
                accepted,
            );
        }
    }

    fn admin(&mut self, text: &str) -> SocketAddr {
        let address = self.address("admin.address", text);
        if !address.ip().is_loopback() {
            self.faults.add(
                "admin.address",
                format!("{address}, which other machines can reach"),
                "a loopback address, e.g. 127.0.0.1:9443",
            );
        }
        address
    }

    fn address(&mut self, path: &str, text: &str) -> SocketAddr {
        text.parse().unwrap_or_else(|_| {
            self.faults.add(
                path,
                format!("the string {text:?}"),
                "an IP address and a port, e.g. 127.0.0.1:8443 or [::]:8443",
            );
            SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
        })
    }

    fn duration(&mut self, path: &str, text: &str, least: Duration, most: Duration) -> Duration {
        match units::duration(text) {
            Some(duration) if (least..=most).contains(&duration) => duration,
            found => {
                let found = if found.is_some() { "out of range" } else { "no duration" };
                let (least, most) = (humantime::format_duration(least), humantime::format_duration(most));
                self.faults.add(
                    path,
                    format!("the string {text:?}, {found}"),
                    format!("a duration with its unit from {least} to {most}, e.g. 250ms, 10s, 24h"),
                );
                // Stands in for the faulty one; a fault was noted, so nobody uses it.
                Duration::from_secs(1)
            }
        }
    }

    /// A path relative to the configuration's folder.
    fn path_of(&self, text: &str) -> PathBuf {
        self.folder.join(text)
    }

    /// The path of a file that a reload reads again.
    fn file_of(&mut self, text: &str) -> PathBuf {
        let path = self.path_of(text);
        self.files.push(path.clone());
        path
    }
}

const NAME: &str = "1 to 64 lower-case letters, digits and dashes, beginning with a letter or digit";

fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && !text.starts_with('-')
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}
