//! Where a report is written, as every command that measures takes it.

use std::path::PathBuf;

use super::Report;
use crate::Done;

/// Files beside the table on the screen; commands flatten this.
#[derive(clap::Args)]
pub(crate) struct ReportFiles {
    /// Where to write the figures as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

impl ReportFiles {
    /// Writes what was asked for.
    pub(crate) fn write(&self, report: &Report) -> Done {
        if let Some(file) = &self.json {
            report.write(file)?;
        }
        Ok(())
    }
}
