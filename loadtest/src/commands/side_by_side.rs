//! What `loadtest overhead` and `loadtest compare` share: how much is measured, who begins, and
//! what is told, written and judged at the end.
//!
//! It must never know who else takes part: that is the command's.

use std::path::Path;

use clap::ValueEnum as _;

use crate::Done;
use crate::measure::idle;
use crate::measure::lineup::{GATEWAY, Lineup};
use crate::measure::measurement::{Measurement, Parts};
use crate::measure::rounds::Extent;
use crate::report::{Report, ReportFiles};
use crate::targets::peers::Peer;
use crate::transport::Protocol;

/// Options of both; each flattens this behind its own.
#[derive(clap::Args)]
pub(super) struct SideBySide {
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

impl SideBySide {
    /// Starts what every target needs, and keeps this thread to its core.
    pub(super) fn lineup(&self, gateway: &Path) -> Done<Lineup> {
        idle::allow(self.parts.idle_connections)?;
        Lineup::new(gateway, self.extent.connections)
    }

    /// The measurement of floor and gateway, of peers, and of the relay where it takes part.
    pub(super) fn measurement<'m>(
        &'m self,
        lineup: &'m Lineup,
        peers: &'m [Peer],
        relay: bool,
    ) -> Measurement<'m> {
        Measurement { lineup, peers, extent: &self.extent, parts: &self.parts, relay }
    }

    /// Shows the report, writes it where it is asked for, and judges it, in this order: a limit
    /// that is exceeded takes no figure away.
    pub(super) fn tell(&self, report: &Report) -> Done {
        println!("{}", report.table());
        for note in &report.notes {
            println!("{note}");
        }
        self.files.write(report)?;
        self.judge(report)
    }

    /// An error where a figure is none, or the gateway's ratio is above the limit.
    fn judge(&self, report: &Report) -> Done {
        for cell in &report.cells {
            let (target, protocol) = (&cell.target, &cell.protocol);
            if !cell.valid {
                return Err(format!("{target} with {protocol} had errors: no result"));
            }
            let ratio = cell.ratio_to_floor.unwrap_or(f64::INFINITY);
            let limited = cell.target == GATEWAY && Protocol::from_str(protocol, false).is_ok();
            if let Some(limit) = self.max_ratio.filter(|limit| limited && ratio > *limit) {
                return Err(format!(
                    "{protocol}: {ratio:.3} times the floor's CPU, above the limit of {limit:.2}"
                ));
            }
        }
        Ok(())
    }
}
