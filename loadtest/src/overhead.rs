//! `loadtest overhead`: the gateway beside the floor, round by round under the same load.

use std::path::PathBuf;

use clap::ValueEnum as _;

use crate::lineup::{GATEWAY, Lineup};
use crate::load::Protocol;
use crate::machine::Machine;
use crate::measurement::{Measurement, Parts};
use crate::report::{Report, ReportFiles};
use crate::rounds::Extent;
use crate::{Done, idle};

/// What the command line cannot show by itself.
const EXAMPLES: &str = "\
Two targets, the floor (a reverse proxy on hyper that checks nothing) and the gateway, take turns on
one core; load and upstream have another. The column '× floor' is what carries over to other
machines.

  loadtest overhead --gateway target/release/tollgate
  loadtest overhead --gateway target/release/tollgate --quick --protocols h2-tls --max-ratio 1.5
  loadtest overhead --gateway target/release/tollgate --latency --handshakes --idle-connections 10000";

/// `loadtest overhead`
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Options {
    /// The gateway's program, built for release.
    #[arg(long, value_name = "FILE")]
    gateway: PathBuf,
    #[command(flatten)]
    extent: Extent,
    #[command(flatten)]
    parts: Parts,
    #[command(flatten)]
    files: ReportFiles,
    /// Fail where the gateway's CPU per request is above this multiple of the floor's.
    #[arg(long, value_name = "RATIO")]
    max_ratio: Option<f64>,
}

/// Measures and reports.
pub(crate) fn run(options: &Options) -> Done {
    // Before this thread keeps to one core, and the machine would seem to have no other.
    let machine = Machine::here();
    idle::allow(options.parts.idle_connections)?;
    let lineup = Lineup::new(&options.gateway, options.extent.connections)?;
    let measurement = Measurement {
        lineup: &lineup,
        peers: &[],
        extent: &options.extent,
        parts: &options.parts,
        relay: false,
    };
    let report = measurement.report(machine)?;
    println!("{}", report.table());
    for note in &report.notes {
        println!("{note}");
    }
    options.files.write(&report)?;
    judge(&report, options.max_ratio)
}

/// An error where a figure is none, or the gateway's ratio is above the limit.
pub(crate) fn judge(report: &Report, max_ratio: Option<f64>) -> Done {
    for cell in &report.cells {
        let (target, protocol) = (&cell.target, &cell.protocol);
        if !cell.valid {
            return Err(format!("{target} with {protocol} had errors: no result"));
        }
        let ratio = cell.ratio_to_floor.unwrap_or(f64::INFINITY);
        let limited = cell.target == GATEWAY && Protocol::from_str(protocol, false).is_ok();
        if let Some(limit) = max_ratio.filter(|limit| limited && ratio > *limit) {
            return Err(format!(
                "{protocol}: {ratio:.3} times the floor's CPU, above the limit of {limit:.2}"
            ));
        }
    }
    Ok(())
}
