//! `loadtest open`: calls at a rate, to any endpoint, and the latency that they had.
//!
//! The rate does not give way: whatever the target does, the next request is due when it is.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;

use serde_json::json;

use crate::load::{Measured, Protocol, Schedule, Target, check_with, open_with};
use crate::observed::{Observation, Observed};
use crate::traffic::Traffic;
use crate::{Done, runtime, tls};

/// `loadtest open`
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
    let schedule = Schedule {
        rate: f64::from(options.rate),
        poisson: options.poisson,
        seconds: f64::from(options.seconds),
        connections: usize::from(options.connections),
        seed: options.traffic.seed,
        ..Schedule::default()
    };
    let target = options.target()?;
    let (mut observed, mut measured) = (None, None);
    runtime()?.block_on(async {
        check_with(&target, &options.traffic).await?;
        let observation = options.pid.map(Observation::start).transpose()?;
        let found = open_with(&target, &options.traffic, &schedule).await?;
        observed = observation.map(|observation| observation.stop(found.sent_in_all)).transpose()?;
        measured = Some(found);
        Done::Ok(())
    })?;
    let measured = measured.ok_or("nothing was measured")?;
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
