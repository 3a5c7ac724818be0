//! `loadtest soak`: mixed traffic with faults, for as long as one likes; memory and descriptors of
//! the gateway have to come back at the end.
//!
//! Good clients may fail only while the upstream is away or just back; anything else that a
//! client meets and should not is a failure of the run.

mod faults;
mod run;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::time::Duration;

use self::faults::Place;
use self::run::{Margin, Soak, Soaked, mebibytes};
use crate::load::Target;
use crate::machine::{self, Machine};
use crate::measure::lineup::GATEWAY;
use crate::report::{MemoryCurve, Report, ReportFiles};
use crate::targets::fixture::Fixture;
use crate::targets::server::{Program, Server, free_address};
use crate::traffic::Traffic;
use crate::transport::{Protocol, tls};
use crate::{Done, runtime};

/// `loadtest soak`
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The gateway's program, built for release.
    #[arg(long, value_name = "FILE")]
    gateway: PathBuf,
    /// What good clients speak.
    #[arg(long, default_value = "h1-tls")]
    protocol: Protocol,
    /// Seconds to soak.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=604_800))]
    seconds: u32,
    /// Minutes, in place of seconds.
    #[arg(long, conflicts_with = "seconds", value_parser = clap::value_parser!(u32).range(1..=10_080))]
    minutes: Option<u32>,
    /// Good clients, with a connection and a key each.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=512))]
    clients: u16,
    /// Seconds between two restarts of the upstream; a quarter of the length where it is not given.
    #[arg(long)]
    restart_every: Option<u32>,
    /// MiB that resident memory may lie above the base at the end.
    #[arg(long, default_value_t = 16)]
    memory_margin: u32,
    /// Descriptors that may be open above the base at the end.
    #[arg(long, default_value_t = 64)]
    descriptor_margin: u32,
    #[command(flatten)]
    files: ReportFiles,
}

/// Soaks and reports.
pub(crate) fn run(options: &Options) -> Done {
    let mut report = Report::new(Machine::here(), Vec::new());
    let cores = machine::take_cores()?;
    let upstream = free_address()?;
    let program = Program::own(&["stub", "--listen", &upstream.to_string()])?;
    let start = || Server::start(&program, cores.load, cores.load);
    let mut stub = Some(start()?);
    let fixture = Fixture::make(&options.gateway, upstream, usize::from(options.clients))?;
    let gateway = Server::start(&fixture.gateway(options.protocol), cores.target, cores.load)?;
    let (length, traffic) = (options.length(), Traffic::mixed());
    let soak = Soak {
        place: options.place(&fixture, &gateway)?,
        traffic: &traffic,
        clients: usize::from(options.clients),
        pid: gateway.pid(),
        length,
        restart_every: options
            .restart_every
            .map_or(length / 4, |every| Duration::from_secs(u64::from(every))),
        margin: options.margin(),
    };
    let restart = async |away| {
        drop(stub.take());
        tokio::time::sleep(away).await;
        stub = Some(start()?);
        Ok(())
    };
    let soaked = runtime()?.block_on(soak.run(restart))?;
    report.notes = told(&soaked, options);
    report.notes.iter().for_each(|note| println!("{note}"));
    report.memory.push(MemoryCurve {
        target: GATEWAY.to_owned(),
        load: format!("mixed traffic with faults, {}", options.protocol.name()),
        points: soaked.points,
    });
    options.files.write(&report)?;
    soaked.valid
}

impl Options {
    fn length(&self) -> Duration {
        let seconds = self.minutes.map_or(self.seconds, |minutes| minutes.saturating_mul(60));
        Duration::from_secs(u64::from(seconds))
    }

    fn margin(&self) -> Margin {
        Margin { bytes: u64::from(self.memory_margin) << 20, descriptors: self.descriptor_margin.into() }
    }

    fn place(&self, fixture: &Fixture, gateway: &Server) -> Done<Place> {
        let (protocol, address) = (self.protocol, gateway.address);
        let tls = tls::client(&fixture.certificate(), protocol.alpn())?;
        let target = Target { address, protocol, tls, keys: std::rc::Rc::clone(&fixture.keys) };
        Ok(Place { target, tls: tls::client(&fixture.certificate(), b"http/1.1")?, refuses: true })
    }
}

/// What was found, a sentence each.
fn told(soaked: &Soaked, options: &Options) -> Vec<String> {
    let (base, end, margin) = (&soaked.base, &soaked.end, options.margin());
    let most = soaked.points.iter().map(|point| point.rss_bytes).max().unwrap_or(0);
    let visits = soaked.visits.iter().map(|(fault, count)| format!("{count} {}", fault.name()));
    vec![
        format!(
            "{} calls were answered in {} s by {} clients, {} failed while the upstream was away ({} restarts)",
            soaked.answered,
            options.length().as_secs(),
            options.clients,
            soaked.failed_meanwhile,
            soaked.restarts,
        ),
        format!("clients that behave badly: {}", visits.collect::<Vec<_>>().join(", ")),
        format!(
            "memory: {:.1} MiB at the base, {:.1} at most, {:.1} at the end ({:.1} more are accepted)",
            mebibytes(base.resident),
            mebibytes(most),
            mebibytes(end.resident),
            mebibytes(margin.bytes),
        ),
        format!(
            "descriptors: {} at the base, {} at the end ({} more are accepted)",
            base.descriptors, end.descriptors, margin.descriptors,
        ),
    ]
}
