//! `loadtest size`: what a traffic needs, from measurements made now on this machine.
//!
//! It says what it measured, how far the rounds lay apart, and what it assumed; then it runs
//! one worker at the rate that it recommends and tells whether the p99 held.

mod plan;
mod probe;

use std::path::PathBuf;
use std::time::Duration;

use self::plan::{Asked, Costs, Estimate, Needed, plan};
use self::probe::{Probe, Requests, Share, holds};
use crate::machine::Machine;
use crate::measure::handshakes::Handshakes;
use crate::measure::idle;
use crate::measure::lineup::{GATEWAY, Lineup};
use crate::report::{Figure, Progress, Report, ReportFiles, Sizing};
use crate::traffic::Traffic;
use crate::transport::Protocol;
use crate::{Done, runtime};

/// Keys that are really imported; beyond, what each takes is multiplied.
const MOST_KEYS: u32 = 100_000;
/// Below this the memory of a few pages would be taken for that of keys.
const FEWEST_KEYS: u32 = 10_000;
/// Parts of a run, for the progress.
const STEPS: usize = 6;

/// `loadtest size`
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The gateway's program, built for release.
    #[arg(long, value_name = "FILE")]
    gateway: PathBuf,
    /// Requests per second, in all.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100_000_000))]
    rps: u32,
    /// Latency that 99 of 100 requests are to stay below, the upstream's own time left out.
    #[arg(long, default_value = "5ms", value_parser = humantime::parse_duration)]
    p99: Duration,
    /// Clients use TLS.
    #[arg(long)]
    tls: bool,
    /// Clients use HTTP/2, over TLS.
    #[arg(long)]
    http2: bool,
    /// Keys in the registry.
    #[arg(long, default_value_t = 1000)]
    keys: u32,
    /// Client connections that are open at a time.
    #[arg(long, default_value_t = 1000)]
    connections: u32,
    /// Connections that are opened in a second, with TLS a handshake each.
    #[arg(long, default_value_t = 0)]
    new_connections: u32,
    /// Percentage of the handshakes that resume a session.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u8).range(0..=100))]
    resumed: u8,
    /// Cores of one replica.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=1024))]
    replica_cores: u32,
    /// Percentage of cores and memory that stays free at this traffic.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u8).range(10..=90))]
    headroom: u8,
    /// Rounds for each figure.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=20))]
    rounds: u8,
    /// Seconds of each round.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=30))]
    seconds: u8,
    #[command(flatten)]
    traffic: Traffic,
    #[command(flatten)]
    files: ReportFiles,
}

/// Measures, computes, checks, and prints.
pub(crate) fn run(options: &Options) -> Done {
    // Before this thread keeps to one core, and the machine would seem to have no other.
    let mut report = Report::new(Machine::here(), Vec::new());
    idle::allow(options.connections.max(2000))?;
    let lineup = Lineup::new(&options.gateway, 32)?;
    let probe = Probe {
        lineup: &lineup,
        protocol: options.protocol(),
        traffic: &options.traffic,
        length: Duration::from_secs(u64::from(options.seconds)),
        rounds: options.rounds,
    };
    let progress = Progress::new(STEPS, probe.length.saturating_mul(u32::from(options.rounds) * 2));
    let asked = options.asked();
    let (costs, requests) = measure(&probe, options, &progress, &mut report)?;
    let share = match requests.share {
        Share::Holds(share) => share,
        // Nothing speaks against it; the check tells that nothing speaks for it either.
        Share::Untold => asked.share,
        Share::None => {
            let refused = requests.refused.join("; ");
            return Err(format!(
                "at no load of this machine did the p99 of {:?} hold: {refused}",
                options.p99
            ));
        }
    };
    let needed = plan(&asked, &costs, share.min(asked.share));
    progress.step("the recommendation, checked");
    let checked = check(&probe, &needed, &asked)?;
    progress.done();
    report.notes.push(format!("{GATEWAY} with one worker, {}", options.protocol().name()));
    report.sizing = Some(Sizing {
        asked: asked_figures(&asked),
        measured: cost_figures(&costs, &requests),
        needed: needed_figures(&needed),
        assumed: assumed(options, &needed, &requests),
        checked: Some(checked.clone().unwrap_or_else(|said| said)),
    });
    println!("{}", report.table());
    options.files.write(&report)?;
    checked.map(|_| ())
}

impl Options {
    fn protocol(&self) -> Protocol {
        match (self.http2, self.tls) {
            (true, _) => Protocol::H2Tls,
            (false, true) => Protocol::H1Tls,
            (false, false) => Protocol::H1,
        }
    }

    fn asked(&self) -> Asked {
        let tls = self.protocol() != Protocol::H1;
        let new = if tls { f64::from(self.new_connections) } else { 0.0 };
        let resumed = f64::from(self.resumed) / 100.0;
        Asked {
            requests_per_second: f64::from(self.rps),
            p99: self.p99,
            connections: f64::from(self.connections),
            full_handshakes_per_second: new * (1.0 - resumed),
            resumed_handshakes_per_second: new * resumed,
            keys: f64::from(self.keys),
            replica_cores: self.replica_cores,
            share: 1.0 - f64::from(self.headroom) / 100.0,
        }
    }
}

fn measure(
    probe: &Probe<'_>,
    options: &Options,
    progress: &Progress,
    report: &mut Report,
) -> Done<(Costs, Requests)> {
    progress.step("what a key takes");
    let (key_bytes, base_bytes) = probe.keys(options.keys.clamp(FEWEST_KEYS, MOST_KEYS))?;
    let gateway = probe.gateway()?;
    progress.step("what a connection takes");
    let connections = probe.connections(&gateway)?;
    report.memory.push(connections.curve);
    let handshake = |kind| {
        progress.step(kind_name(kind));
        let measured = options.protocol() != Protocol::H1;
        if measured { probe.handshakes(&gateway, kind) } else { Ok(Estimate::exactly(0.0)) }
    };
    let (full_handshake, resumed_handshake) = (handshake(Handshakes::Full)?, handshake(Handshakes::Resumed)?);
    progress.step("what a request takes");
    let requests = probe.requests(&gateway, options.p99)?;
    let costs = Costs {
        request: requests.cost,
        worker: requests.worker,
        full_handshake,
        resumed_handshake,
        connection: connections.cpu,
        connection_bytes: connections.bytes,
        key_bytes,
        base_bytes,
    };
    Ok((costs, requests))
}

fn kind_name(kind: Handshakes) -> &'static str {
    match kind {
        Handshakes::Full => "what a full handshake takes",
        Handshakes::Resumed => "what a resumed handshake takes",
    }
}

/// One worker at its part of the traffic: what was found, or what did not hold.
fn check(probe: &Probe<'_>, needed: &Needed, asked: &Asked) -> Done<Done<String>> {
    let gateway = probe.gateway()?;
    let length = probe.length.saturating_mul(u32::from(probe.rounds));
    let (measured, taken) = runtime()?.block_on(probe.at(&gateway, needed.worker_rate, length))?;
    let (rate, p99) = (needed.worker_rate, measured.latency_us(0.99));
    let found = format!(
        "one worker at {rate:.0} requests/s, its part of the whole, for {} s: p99 {p99:.0} µs where {:.0} is asked, core busy for {:.0} % of the time",
        length.as_secs(),
        asked.p99.as_secs_f64() * 1e6,
        taken.busy * 100.0,
    );
    let what = if measured.valid.is_ok() { "did not hold here" } else { "could not be checked here" };
    let held = holds(&measured, asked.p99);
    Ok(held.map(|()| found.clone()).map_err(|said| format!("the recommendation {what}: {found}; {said}")))
}

fn figure(name: &str, value: Estimate, factor: f64, unit: &str) -> Figure {
    let value = value.times(factor);
    let range = (value.low < value.high).then_some((value.low, value.high));
    Figure { name: name.to_owned(), value: value.value, unit: unit.to_owned(), range }
}

fn asked_figures(asked: &Asked) -> Vec<Figure> {
    let one = |name, value, unit| figure(name, Estimate::exactly(value), 1.0, unit);
    vec![
        one("requests", asked.requests_per_second, "per second"),
        one("p99", asked.p99.as_secs_f64() * 1e3, "ms"),
        one("open connections", asked.connections, ""),
        one("full handshakes", asked.full_handshakes_per_second, "per second"),
        one("resumed handshakes", asked.resumed_handshakes_per_second, "per second"),
        one("keys", asked.keys, ""),
    ]
}

fn cost_figures(costs: &Costs, requests: &Requests) -> Vec<Figure> {
    let one = |name, value, unit| figure(name, Estimate::exactly(value), 1.0, unit);
    let mut figures = vec![
        figure("a request", costs.request, 1.0, "µs"),
        figure("a worker, however few they are", costs.worker, 100.0, "% of a core"),
        figure("an idle connection", costs.connection_bytes, 1.0 / 1024.0, "KiB"),
        figure("an idle connection, CPU", costs.connection, 1.0, "µs per second"),
        figure("a key", costs.key_bytes, 1.0, "bytes"),
        one("the gateway with few keys", costs.base_bytes / 1_048_576.0, "MiB"),
        one("a full core answers", requests.capacity, "requests per second"),
    ];
    for (name, cost) in
        [("a full handshake", costs.full_handshake), ("a resumed handshake", costs.resumed_handshake)]
    {
        // Without TLS there was none to measure.
        if cost.value > 0.0 {
            figures.push(figure(name, cost, 1.0, "µs"));
        }
    }
    figures
}

fn needed_figures(needed: &Needed) -> Vec<Figure> {
    let (low, high) = (f64::from(needed.cores_low), f64::from(needed.cores_high));
    let cores = Estimate { value: f64::from(needed.cores), low, high };
    vec![
        figure("cores in all", cores, 1.0, "cores"),
        figure("replicas", Estimate::exactly(f64::from(needed.replicas)), 1.0, ""),
        figure(
            "cores of each replica",
            Estimate::exactly(f64::from(needed.cores / needed.replicas)),
            1.0,
            "cores",
        ),
        figure("memory of each replica", needed.memory, 1.0 / 1_048_576.0, "MiB"),
        figure("of it in use", needed.used_bytes, 1.0 / 1_048_576.0, "MiB"),
        figure("cores busy at this traffic", needed.busy, 1.0, "cores"),
        figure(
            "busy when one replica is gone",
            Estimate::exactly(needed.one_gone * 100.0),
            1.0,
            "% of the rest",
        ),
    ]
}

fn assumed(options: &Options, needed: &Needed, requests: &Requests) -> Vec<String> {
    let mut assumed = vec![
        format!("the cores are like those of this machine, and {} % of them and of the memory stay free", options.headroom),
        "clients are independent (exponential gaps) and connections are spread evenly over workers".to_owned(),
        "workers and replicas share nothing that waits, so what one does, several do each".to_owned(),
        "the p99 is the gateway's with an upstream that answers at once; a slow one adds its own time, and its requests hold memory meanwhile".to_owned(),
        format!("{} replicas are enough to lose one", needed.replicas),
    ];
    if options.keys > MOST_KEYS {
        assumed.push(format!("memory of {} keys is that of {MOST_KEYS}, multiplied", options.keys));
    }
    match (requests.share, requests.refused.last()) {
        (Share::Untold, Some(said)) => {
            assumed.push(format!(
                "cores may be used as far as the headroom lets them: no run could tell; at {said}"
            ));
        }
        (_, Some(said)) => {
            assumed.push(format!("cores are used less than the headroom lets them, for at {said}"));
        }
        (_, None) => {}
    }
    assumed
}
