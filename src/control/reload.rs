//! Reload: another configuration while requests go on, when its file changes or on a signal.
//!
//! A configuration with faults changes nothing: the last good one stays, and the log says
//! what is wrong. Settings that are fixed at the start (addresses, workers, registry, bounds)
//! are told to need a restart.

use std::path::PathBuf;

use http::{HeaderName, HeaderValue};

use super::compile::compile;
use super::publish::Publisher;
use crate::config::{Environment, Settings, Transport, load};
use crate::net::TlsListener;
use crate::telemetry::log::LogControl;
use crate::upstream::Trust;

/// What a reload needs.
pub struct ReloadParams {
    /// The configuration's file.
    pub file: PathBuf,
    /// The environment of the start.
    pub environment: Environment,
    /// Publishes the policy.
    pub publisher: Publisher,
    /// Takes the certificate; `None` with plaintext.
    pub tls: Option<TlsListener>,
    /// Takes the upstreams' certificate authorities.
    pub trust: Trust,
    /// Takes the log's levels.
    pub log: LogControl,
}

/// Watches one configuration.
pub struct Reload {
    params: ReloadParams,
    fixed: Fixed,
    seen: Vec<(PathBuf, Option<Stamp>)>,
}

type Stamp = (std::time::SystemTime, u64, u64);

impl Reload {
    /// Watches the configuration that `settings` came from; `fixed` is of them as they were read.
    pub fn new(params: ReloadParams, fixed: Fixed, settings: &Settings) -> Self {
        let mut reload = Self { fixed, params, seen: Vec::new() };
        reload.remember(settings);
        reload
    }

    /// Whether the file, or a file that it names, changed since the last look.
    pub fn changed(&self) -> bool {
        self.seen.iter().any(|(file, seen)| stamp(file) != *seen)
    }

    /// Loads and publishes; a fault is logged and leaves everything as it is.
    pub fn reload(&mut self) {
        for (file, seen) in &mut self.seen {
            *seen = stamp(file);
        }
        match load(&self.params.file, &self.params.environment) {
            Ok(settings) => self.apply(settings),
            Err(faults) => {
                for fault in faults.0 {
                    tracing::error!(%fault, "configuration not reloaded, the last good one stays");
                }
            }
        }
    }

    fn apply(&mut self, settings: Settings) {
        if Fixed::of(&settings) != self.fixed {
            tracing::warn!(
                "addresses, workers, bounds, registry, audit log, otlp and the log's format change with a restart only"
            );
        }
        self.remember(&settings);
        let policy = compile(&settings);
        let authorities = policy
            .servers()
            .iter()
            .filter(|s| s.endpoint.authority.tls)
            .map(|s| s.endpoint.authority.ca.clone());
        if let Err(fault) = self.params.trust.prepare(authorities) {
            tracing::error!(%fault, "configuration not reloaded, the last good one stays");
            return;
        }
        if let (Some(tls), Transport::Tls(chain)) = (&self.params.tls, settings.listen.transport)
            && let Err(fault) = tls.replace(chain.certificates, chain.key)
        {
            tracing::error!(%fault, "configuration not reloaded, the last good one stays");
            return;
        }
        self.params.publisher.replace_policy(policy);
        self.params.log.set(&settings.log_level, settings.log_requests);
        tracing::info!("configuration reloaded");
    }

    fn remember(&mut self, settings: &Settings) {
        let files = std::iter::once(self.params.file.clone()).chain(settings.files.iter().cloned());
        self.seen = files
            .map(|file| {
                let seen = stamp(&file);
                (file, seen)
            })
            .collect();
    }
}

/// What identifies a file's content without reading it; following links, so that a swapped
/// link (as container platforms update mounted files) is a change.
fn stamp(file: &std::path::Path) -> Option<Stamp> {
    use std::os::unix::fs::MetadataExt as _;
    let metadata = std::fs::metadata(file).ok()?;
    Some((metadata.modified().ok()?, metadata.len(), metadata.ino()))
}

/// Everything that a reload cannot change. To be taken before the start, which changes some of it: the
/// certificate goes, and connections are held to what the system allows.
#[derive(PartialEq, Eq)]
pub struct Fixed {
    /// What is no secret, in one comparable text.
    text: String,
    /// What the collector is sent, whose values no text shows.
    otlp_headers: Vec<(HeaderName, HeaderValue)>,
}

impl Fixed {
    /// What these settings say of it.
    pub fn of(settings: &Settings) -> Self {
        let plaintext = matches!(settings.listen.transport, Transport::Plaintext);
        let listen = &settings.listen;
        let registry = &settings.keys.registry;
        let peppers: Vec<_> = registry.peppers.iter().map(|(id, _)| id).collect();
        let text = format!(
            "{:?} {plaintext} {} {:?} {:?} {:?} {peppers:?} {:?} {:?} {:?} {:?}",
            listen.address,
            listen.workers,
            settings.admin,
            registry.store,
            registry.max_staleness,
            settings.bounds,
            settings.log_format,
            settings.audit,
            settings.otlp,
        );
        let otlp_headers = settings.otlp.as_ref().map(|otlp| otlp.headers.clone()).unwrap_or_default();
        Self { text, otlp_headers }
    }
}
