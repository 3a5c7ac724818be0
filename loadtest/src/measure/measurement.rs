//! One measurement: which targets, which parts, in which order, and the report that is made.
//!
//! Floor and gateway have to succeed; a peer that fails is named with what it said, and has no
//! figures.

use std::time::Duration;

use super::handshakes::Handshakes;
use super::lineup::{AUDITED, BARE_SERVER, Contender, FLOOR, GATEWAY, Lineup};
use super::rounds::Extent;
use super::{flood, idle, latency};
use crate::machine::Machine;
use crate::report::{Cell, Progress, Report, Sample};
use crate::targets::peers::Peer;
use crate::transport::Protocol;
use crate::{Done, runtime};

/// Floor and gateway.
const OWN: usize = 2;
const HANDSHAKES: [Handshakes; 2] = [Handshakes::Full, Handshakes::Resumed];

/// What is measured beside CPU per request.
#[derive(clap::Args)]
pub(crate) struct Parts {
    /// Also latency: an open loop at --rate, beside the upstream itself.
    #[arg(long)]
    latency: bool,
    /// Requests per second of the open loop; no target should be busy with it.
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(10..=100_000))]
    rate: u32,
    /// Also what good calls at --rate notice of ten times as many with wrong keys; p99 with and
    /// without.
    #[arg(long)]
    flood: bool,
    /// Also full and resumed TLS 1.3 handshakes (X25519, P-256): CPU per connection, beside a bare
    /// rustls server.
    #[arg(long)]
    handshakes: bool,
    /// Also memory for so many idle TLS connections; 0 for none.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=100_000))]
    pub(crate) idle_connections: u32,
}

/// A measurement that is about to be made.
pub(crate) struct Measurement<'m> {
    pub(crate) lineup: &'m Lineup,
    pub(crate) peers: &'m [Peer],
    pub(crate) extent: &'m Extent,
    pub(crate) parts: &'m Parts,
    /// Whether the relay takes part.
    pub(crate) relay: bool,
}

impl Measurement<'_> {
    /// About how long it takes; starts and stops are small beside the cells.
    pub(crate) fn estimate(&self) -> Duration {
        let cells = u32::try_from(self.steps()).unwrap_or(u32::MAX);
        let idle = Duration::from_secs(u64::from(self.parts.idle_connections / idle::PER_SECOND));
        let growing = u32::try_from(self.targets(Protocol::H1Tls)).unwrap_or(u32::MAX);
        self.extent.cell().saturating_mul(cells) + idle.saturating_mul(growing)
    }

    fn targets(&self, protocol: Protocol) -> usize {
        let relay = usize::from(self.relay && protocol == Protocol::H1);
        OWN + relay + self.peers.iter().filter(|peer| peer.speaks(protocol)).count()
    }

    /// Cells of all rounds.
    fn steps(&self) -> usize {
        let spoken = &self.extent.protocols;
        // With an audit log and without.
        let saturated: usize = spoken.iter().map(|protocol| self.targets(*protocol) + 1).sum();
        // The same, and the upstream itself.
        let paced = if self.parts.latency { saturated + spoken.len() } else { 0 };
        let kinds = if self.parts.handshakes { HANDSHAKES.len() } else { 0 };
        let flooded = if self.parts.flood { spoken.len() } else { 0 };
        let each = saturated + paced + flooded + kinds * (self.targets(Protocol::H1Tls) + 1);
        each * usize::from(self.extent.count())
    }

    /// Makes it.
    pub(crate) fn report(&self, machine: Machine) -> Done<Report> {
        let mut report = Report::new(machine, Vec::new());
        report.targets = self.lineup.own_targets();
        let progress = Progress::new(self.steps(), self.extent.cell());
        for protocol in &self.extent.protocols {
            self.spoken(*protocol, &progress, &mut report)?;
        }
        if self.parts.flood {
            self.flood(&progress, &mut report)?;
        }
        if self.parts.handshakes {
            self.handshakes(&progress, &mut report)?;
        }
        if self.parts.idle_connections > 0 {
            self.idle(&mut report)?;
        }
        progress.done();
        let (cells, latency, memory) = (&report.cells, &report.latency, &report.memory);
        report.targets.retain(|target| {
            let name = &target.name;
            cells.iter().any(|cell| cell.target == *name)
                || latency.iter().any(|row| row.target == *name)
                || memory.iter().any(|curve| curve.target == *name)
        });
        Ok(report)
    }

    /// Floor, gateway, relay where it can be, and the peers that start; what is said of the others goes to the notes.
    fn contenders(&self, protocol: Protocol, connections: u32, report: &mut Report) -> Done<Vec<Contender>> {
        let mut contenders = vec![self.lineup.floor(protocol)?, self.lineup.gateway(protocol)?];
        if self.relay && protocol == Protocol::H1 {
            contenders.push(self.lineup.relay()?);
        }
        for peer in self.peers.iter().filter(|peer| peer.speaks(protocol)) {
            match self.lineup.peer(peer, protocol, connections) {
                Ok(contender) => contenders.push(contender),
                Err(said) => note(report, failed(&peer.name, protocol.name(), &said)),
            }
        }
        Ok(contenders)
    }

    /// CPU per request, and latency where it is asked for, of the same servers.
    fn spoken(&self, protocol: Protocol, progress: &Progress, report: &mut Report) -> Done {
        let mut contenders = self.contenders(protocol, u32::from(self.extent.connections), report)?;
        contenders.push(self.lineup.audited(protocol)?);
        let cores = self.lineup.cores;
        let outcomes = runtime()?.block_on(self.extent.interleave(
            &contenders,
            protocol.name(),
            progress,
            async |contender| self.extent.saturated(contender, cores).await,
        ));
        cells(protocol.name(), &contenders, outcomes, report)?;
        if self.parts.latency {
            contenders.push(self.lineup.direct()?);
            let measured = latency::measure(&contenders, protocol, self.extent, self.parts.rate, progress);
            report.latency.extend(runtime()?.block_on(measured));
        }
        Ok(())
    }

    fn flood(&self, progress: &Progress, report: &mut Report) -> Done {
        for protocol in &self.extent.protocols {
            let (gateway, strangers) = (self.lineup.gateway(*protocol)?, self.lineup.strangers(16)?);
            let measured =
                flood::measure(&gateway, strangers, *protocol, self.extent, self.parts.rate, progress);
            report.latency.extend(runtime()?.block_on(measured));
        }
        Ok(())
    }

    fn handshakes(&self, progress: &Progress, report: &mut Report) -> Done {
        // The first is what the others are compared with: of TLS, this is the floor.
        let mut contenders = vec![self.lineup.bare_server()?];
        contenders.extend(self.contenders(Protocol::H1Tls, u32::from(self.extent.connections), report)?);
        let (cores, certificate) = (self.lineup.cores, self.lineup.certificate());
        for kind in HANDSHAKES {
            let outcomes = runtime()?.block_on(self.extent.interleave(
                &contenders,
                kind.name(),
                progress,
                async |contender| kind.cell(contender, &certificate, cores, self.extent.length()).await,
            ));
            cells(kind.name(), &contenders, outcomes, report)?;
        }
        Ok(())
    }

    fn idle(&self, report: &mut Report) -> Done {
        let protocol = Protocol::H1Tls;
        for contender in self.contenders(protocol, self.parts.idle_connections, report)? {
            let grown = runtime()?.block_on(idle::grow(&contender, self.parts.idle_connections));
            match grown {
                Ok(curve) => {
                    report.notes.push(idle::told(&curve));
                    report.memory.push(curve);
                }
                Err(said) if needed(&contender.name) => return Err(said),
                Err(said) => note(report, failed(&contender.name, protocol.name(), &said)),
            }
        }
        Ok(())
    }
}

/// Whether a measurement without it is none.
fn needed(target: &str) -> bool {
    [FLOOR, BARE_SERVER, GATEWAY, AUDITED].contains(&target)
}

/// Once: a peer that does not start says so in every part.
fn note(report: &mut Report, sentence: String) {
    if !report.notes.contains(&sentence) {
        report.notes.push(sentence);
    }
}

fn failed(target: &str, with: &str, said: &str) -> String {
    format!("{target} with {with} has no figures: {said}")
}

/// Cells of all targets; ratios are against the first.
fn cells(
    protocol: &str,
    contenders: &[Contender],
    outcomes: Vec<Done<Vec<Sample>>>,
    report: &mut Report,
) -> Done {
    let floor = outcomes.first().and_then(|outcome| outcome.as_ref().ok()).cloned().unwrap_or_default();
    for (contender, outcome) in contenders.iter().zip(outcomes) {
        match outcome {
            Ok(samples) => report.cells.push(Cell::new(&contender.name, protocol, &samples, &floor)),
            Err(said) if needed(&contender.name) => {
                return Err(format!("{} with {protocol}: {said}", contender.name));
            }
            Err(said) => note(report, failed(&contender.name, protocol, &said)),
        }
    }
    Ok(())
}
