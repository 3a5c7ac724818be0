//! `loadtest overhead`: the gateway beside the floor, round by round under the same load.

use std::path::PathBuf;

use super::side_by_side::SideBySide;
use crate::Done;
use crate::machine::Machine;

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
    both: SideBySide,
}

/// Measures and reports.
pub(crate) fn run(options: &Options) -> Done {
    // Before this thread keeps to one core, and the machine would seem to have no other.
    let machine = Machine::here();
    let lineup = options.both.lineup(&options.gateway)?;
    let report = options.both.measurement(&lineup, &[], false).report(machine)?;
    options.both.tell(&report)
}
