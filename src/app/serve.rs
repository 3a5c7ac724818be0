//! `tollgate serve`: a gateway from a configuration file, until it is told to stop.

use std::path::PathBuf;

use super::gateway::{Gateway, StartFault};
use super::signals;
use crate::config::{Environment, Faults, LogFormat, load};
use crate::control::{Fixed, Reload, ReloadParams};
use crate::telemetry::log;

/// What the command line says.
pub struct ServeOptions {
    /// The configuration file.
    pub config: PathBuf,
    /// Workers, instead of the configuration's number.
    pub workers: Option<usize>,
}

/// Why serving ended in failure.
#[derive(Debug, thiserror::Error)]
pub enum ServeFault {
    /// The configuration; one line for each fault.
    #[error("{0}")]
    Config(#[from] Faults),
    /// A part did not start.
    #[error(transparent)]
    Start(#[from] StartFault),
    /// The system.
    #[error("the system does not deliver signals: {0}")]
    Signals(#[from] std::io::Error),
}

/// Serves until SIGINT or SIGTERM.
pub fn serve(options: ServeOptions, environment: Environment) -> Result<(), ServeFault> {
    let mut settings = load(&options.config, &environment)?;
    let json = settings.log_format == LogFormat::Json;
    let log = log::init(&settings.log_level, json, settings.log_requests);
    let plaintext = matches!(settings.listen.transport, crate::config::Transport::Plaintext);
    let workers = options.workers.unwrap_or(settings.listen.workers);
    let fixed = Fixed::of(&settings);
    let gateway = Gateway::start(&mut settings, workers, &log)?;
    tracing::info!(address = %gateway.address, admin = %gateway.admin, workers, servers = settings.servers.len(), "serving");
    if plaintext {
        tracing::warn!("plaintext, for clients on this machine only");
    }
    let reload = ReloadParams {
        file: options.config,
        environment,
        publisher: gateway.publisher.clone(),
        tls: gateway.tls.clone(),
        trust: gateway.trust.clone(),
        log,
    };
    let outcome = signals::wait(Some(Reload::new(reload, fixed, &settings)));
    tracing::info!("stopping");
    gateway.stop();
    Ok(outcome?)
}
