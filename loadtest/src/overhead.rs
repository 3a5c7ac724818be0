//! `loadtest overhead`: the gateway beside the floor, round by round under the same load.
//!
//! The target has one core for itself, load and upstream share another. In every round each
//! target is measured once, and the order is reversed from round to round, so that drift of a
//! shared machine meets all alike. Before each cell one call is compared with the expected
//! answer.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::fixture::Fixture;
use crate::load::{Load, Protocol, Target, check};
use crate::machine::{self, Cores, Machine, Ticks};
use crate::progress::Progress;
use crate::report::{Cell, Report, ReportFiles, Sample};
use crate::server::Server;
use crate::{Done, runtime, tls};

/// Load before each cell that is not counted: connections, caches, allocator.
const WARM_UP: Duration = Duration::from_millis(400);
const FLOOR: &str = "floor";
const GATEWAY: &str = "tollgate";
/// The floor and the gateway.
const TARGETS: usize = 2;

/// `loadtest overhead`
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The gateway's program, built for release.
    #[arg(long)]
    gateway: PathBuf,
    /// What to speak, separated by commas.
    #[arg(long, value_delimiter = ',', default_values = ["h1", "h1-tls", "h2-tls"])]
    protocols: Vec<Protocol>,
    /// Rounds; at least five for a claim.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u8).range(1..=50))]
    rounds: u8,
    /// Seconds that a target is measured in each round.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=60))]
    seconds: u8,
    /// Calls in flight: connections, or with HTTP/2 streams, four on a connection.
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=1024))]
    connections: u16,
    #[command(flatten)]
    files: ReportFiles,
    /// Fail where the gateway's CPU per request is above this multiple of the floor's.
    #[arg(long)]
    max_ratio: Option<f64>,
}

/// Measures and reports.
pub(crate) fn run(options: &Options) -> Done {
    // Before this thread keeps to one core, and the machine would seem to have no other.
    let machine = Machine::here();
    let cores = machine::cores()?;
    machine::pin(cores.load)?;
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let stub = Server::start(&own, &["stub"], cores.load, cores.load)?;
    let fixture = Fixture::make(&options.gateway, stub.address, usize::from(options.connections))?;
    let mut cells = Vec::new();
    let steps = options.protocols.len() * usize::from(options.rounds) * TARGETS;
    let progress = Progress::new(steps, WARM_UP + Duration::from_secs(u64::from(options.seconds)));
    for protocol in &options.protocols {
        let bench = Bench { options, cores, fixture: &fixture, protocol: *protocol, progress: &progress };
        let targets: [_; TARGETS] = [(FLOOR, bench.floor(&own, &stub)?), (GATEWAY, bench.gateway()?)];
        let samples = runtime()?.block_on(bench.rounds(&targets))?;
        let floor = samples.first().cloned().unwrap_or_default();
        for ((name, _), samples) in targets.iter().zip(&samples) {
            cells.push(Cell::new(*name, *protocol, samples, &floor));
        }
    }
    progress.done();
    let report = Report::new(machine, cells);
    println!("{}", report.table());
    options.files.write(&report)?;
    judge(&report, options.max_ratio)
}

fn judge(report: &Report, max_ratio: Option<f64>) -> Done {
    for cell in &report.cells {
        let (target, protocol) = (&cell.target, cell.protocol.name());
        if !cell.valid {
            return Err(format!("{target} with {protocol} had errors: no result"));
        }
        let ratio = cell.ratio_to_floor.unwrap_or(f64::INFINITY);
        if let Some(limit) = max_ratio.filter(|limit| cell.target == GATEWAY && ratio > *limit) {
            return Err(format!(
                "{protocol}: {ratio:.3} times the floor's CPU, above the limit of {limit:.2}"
            ));
        }
    }
    Ok(())
}

/// All rounds with one protocol.
struct Bench<'o> {
    options: &'o Options,
    cores: Cores,
    fixture: &'o Fixture,
    protocol: Protocol,
    progress: &'o Progress,
}

impl Bench<'_> {
    fn floor(&self, own: &Path, stub: &Server) -> Done<Server> {
        let upstream = stub.address.to_string();
        let (certificate, key) = (self.fixture.certificate(), self.fixture.key_file());
        let (certificate, key) = (certificate.display().to_string(), key.display().to_string());
        let mut arguments = vec!["bare-proxy", "--upstream", &upstream];
        if self.protocol != Protocol::H1 {
            arguments.extend(["--certificate", &certificate, "--key", &key]);
        }
        Server::start(own, &arguments, self.cores.target, self.cores.load)
    }

    fn gateway(&self) -> Done<Server> {
        let config = self.fixture.config(self.protocol).display().to_string();
        let arguments = ["serve", "--workers", "1", "--config", &config];
        Server::start(&self.options.gateway, &arguments, self.cores.target, self.cores.load)
    }

    /// The samples of each target, in the order of the targets.
    async fn rounds(&self, targets: &[(&str, Server)]) -> Done<Vec<Vec<Sample>>> {
        let mut samples = vec![Vec::new(); targets.len()];
        for round in 0..self.options.rounds {
            let mut order: Vec<usize> = (0..targets.len()).collect();
            if round % 2 == 1 {
                order.reverse();
            }
            for index in order {
                let (Some((name, server)), Some(samples)) = (targets.get(index), samples.get_mut(index))
                else {
                    continue;
                };
                let (protocol, rounds) = (self.protocol.name(), self.options.rounds);
                self.progress.step(&format!("{name}, {protocol}, round {} of {rounds}", round + 1));
                let measured = self.cell(server).await;
                samples.push(measured.map_err(|error| format!("{name} with {protocol}: {error}"))?);
            }
        }
        Ok(samples)
    }

    async fn cell(&self, server: &Server) -> Done<Sample> {
        let target = Target {
            address: server.address,
            protocol: self.protocol,
            tls: tls::client(&self.fixture.certificate(), self.protocol.alpn())?,
            keys: std::rc::Rc::clone(&self.fixture.keys),
        };
        check(&target).await?;
        let load = Load::start(&target, usize::from(self.options.connections))?;
        sleep(WARM_UP).await;
        load.begin();
        let ticks = [self.cores.target, self.cores.load].map(Ticks::of);
        let (cpu, begun) = (machine::cpu_time(server.pid())?, Instant::now());
        sleep(Duration::from_secs(u64::from(self.options.seconds))).await;
        let counted = load.counted();
        let (cpu, took) = (machine::cpu_time(server.pid())?.saturating_sub(cpu), begun.elapsed());
        let [target_busy, load_busy] = [(self.cores.target, ticks[0]), (self.cores.load, ticks[1])]
            .map(|(core, before)| Ticks::of(core).busy_since(before));
        let rss = machine::resident(server.pid());
        load.stop().await?;
        if let Some(error) = counted.first_error {
            return Err(error);
        }
        // Below 2^32 for any run that the options allow.
        let requests = f64::from(u32::try_from(counted.requests).unwrap_or(u32::MAX)).max(1.0);
        Ok(Sample {
            cpu_us: cpu.as_secs_f64() * 1e6 / requests,
            per_second: requests / took.as_secs_f64(),
            p50_us: counted.p50_us,
            rss,
            target_busy,
            load_busy,
            errors: counted.errors,
            ..Sample::default()
        })
    }
}
