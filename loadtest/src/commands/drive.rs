//! `loadtest drive`: load for any endpoint, whoever serves it.
//!
//! At a rate that does not give way: whatever the target does, the next request is due when it
//! is, and latency counts from then. Or as fast as answers come, for what a request costs a
//! target whose core is full; that says nothing of latency.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::time::sleep;

use crate::load::{Load, Measured, Schedule, Target, check_with, open_with};
use crate::measure::observed::{Observation, Observed};
use crate::measure::rounds::WARM_UP;
use crate::traffic::Traffic;
use crate::transport::{Protocol, tls};
use crate::{Done, runtime};

/// `loadtest drive`
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Where the calls go.
    #[arg(long)]
    to: SocketAddr,
    /// What to speak.
    #[arg(long, default_value = "h1")]
    protocol: Protocol,
    /// Certificate in PEM that the target is trusted by; needed for TLS.
    #[arg(long, required_if_eq_any([("protocol", "h1-tls"), ("protocol", "h2-tls")]))]
    certificate: Option<PathBuf>,
    /// File with a raw key on each line.
    #[arg(long)]
    keys: Option<PathBuf>,
    /// Requests per second.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    rate: u32,
    /// In place of a rate: on each connection a call follows the other.
    #[arg(long, conflicts_with_all = ["rate", "poisson"])]
    saturate: bool,
    /// Gaps as of independent clients in place of equal ones.
    #[arg(long)]
    poisson: bool,
    /// Seconds that count.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=3600))]
    seconds: u16,
    /// Connections.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=4096))]
    connections: u16,
    #[command(flatten)]
    traffic: Traffic,
    /// Process of the target: what a request costs it, and what it holds.
    #[arg(long)]
    pid: Option<u32>,
    /// Print the figures and the percentile curve as JSON.
    #[arg(long)]
    json: bool,
}

/// Sends the load and prints what it found; fails where that is no result.
pub(crate) fn run(options: &Options) -> Done {
    let target = options.target()?;
    let runtime = runtime()?;
    runtime.block_on(check_with(&target, &options.traffic))?;
    if options.saturate {
        return runtime.block_on(options.saturate(&target));
    }
    let (measured, observed) = runtime.block_on(options.hold(&target))?;
    if options.json {
        println!("{:#}", json(&measured, observed.as_ref()));
    } else {
        println!("{}", text(&measured));
        if let Some(observed) = &observed {
            println!("{}", observed.text());
        }
    }
    measured.valid
}

impl Options {
    fn observe(&self) -> Done<Option<Observation>> {
        self.pid.map(Observation::start).transpose()
    }

    /// The open loop.
    async fn hold(&self, target: &Target) -> Done<(Measured, Option<Observed>)> {
        let schedule = Schedule {
            rate: f64::from(self.rate),
            poisson: self.poisson,
            seconds: f64::from(self.seconds),
            connections: usize::from(self.connections),
            seed: self.traffic.seed,
            ..Schedule::default()
        };
        let observation = self.observe()?;
        let measured = open_with(target, &self.traffic, &schedule).await?;
        let observed = observation.map(|observation| observation.stop(measured.sent_in_all)).transpose()?;
        Ok((measured, observed))
    }

    /// The closed loop.
    async fn saturate(&self, target: &Target) -> Done {
        let load = Load::start_with(target, &self.traffic, usize::from(self.connections))?;
        sleep(WARM_UP).await;
        let (observation, begun) = (self.observe()?, Instant::now());
        load.begin();
        sleep(Duration::from_secs(u64::from(self.seconds))).await;
        let (counted, took) = (load.counted(), begun.elapsed());
        let observed = observation.map(|observation| observation.stop(counted.requests)).transpose()?;
        load.stop().await?;
        let per_second = f64::from(u32::try_from(counted.requests).unwrap_or(u32::MAX)) / took.as_secs_f64();
        if self.json {
            let process = observed.as_ref().map(Observed::json);
            println!(
                "{:#}",
                json!({ "answered": counted.requests, "errors": counted.errors, "first_error": counted.first_error, "requests_per_second": per_second, "process": process, "valid": counted.errors == 0 })
            );
        } else {
            println!("{} answered ({per_second:.0}/s), {} errors", counted.requests, counted.errors);
            if let Some(observed) = &observed {
                println!("{}", observed.text());
            }
        }
        counted.first_error.map_or(Ok(()), Err)
    }

    fn target(&self) -> Done<Target> {
        let tls = match &self.certificate {
            Some(certificate) => tls::client(certificate, self.protocol.alpn())?,
            None => tls::trusting_nobody()?,
        };
        let keys = match &self.keys {
            Some(file) => std::fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))?,
            None => String::new(),
        };
        let keys = keys.lines().map(str::to_owned).collect::<Rc<[_]>>();
        Ok(Target { address: self.to, protocol: self.protocol, tls, keys })
    }
}

/// The figures for a person.
fn text(measured: &Measured) -> String {
    let [p50, p90, p99, p999, most] = [0.5, 0.9, 0.99, 0.999, 1.0].map(|at| measured.latency_us(at));
    format!(
        "{} sent, {} answered ({:.0}/s), {} errors, {} not sent, {} unanswered\n\
         latency from the due time, µs: p50 {p50:.0}, p90 {p90:.0}, p99 {p99:.0}, p99.9 {p999:.0}, most {most:.0}\n\
         the generator itself: late by {:.0} µs at p50, {:.0} at p99; busy for {:.0} % of the time{}",
        measured.sent,
        measured.answered,
        measured.per_second(),
        measured.errors,
        measured.not_sent,
        measured.unanswered,
        measured.late_us(0.5),
        measured.late_us(0.99),
        measured.generator_busy * 100.0,
        measured.core_busy.map_or_else(String::new, |busy| format!(", its core for {:.0} %", busy * 100.0)),
    )
}

fn json(measured: &Measured, observed: Option<&Observed>) -> serde_json::Value {
    json!({
        "sent": measured.sent,
        "answered": measured.answered,
        "errors": measured.errors,
        "first_error": measured.first_error,
        "not_sent": measured.not_sent,
        "unanswered": measured.unanswered,
        "requests_per_second": measured.per_second(),
        "latency_us": { "p50": measured.latency_us(0.5), "p99": measured.latency_us(0.99) },
        "curve_us": measured.curve(),
        "late_us": { "p50": measured.late_us(0.5), "p99": measured.late_us(0.99) },
        "handshakes": { "full": measured.handshakes.full, "resumed": measured.handshakes.resumed },
        "generator_busy": measured.generator_busy,
        "core_busy": measured.core_busy,
        "process": observed.map(Observed::json),
        "valid": measured.valid.is_ok(),
        "invalid_because": measured.valid.as_ref().err(),
    })
}
