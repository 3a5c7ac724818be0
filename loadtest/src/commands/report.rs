//! `loadtest report`: a report again, from the JSON that a command wrote.
//!
//! It measures nothing, and shows nothing that the file does not hold.

use std::path::PathBuf;

use crate::Done;
use crate::report::{Report, ReportFiles};

/// `loadtest report`
#[derive(clap::Args)]
pub(crate) struct Options {
    /// What a command wrote with --json.
    report: PathBuf,
    #[command(flatten)]
    files: ReportFiles,
}

/// Shows a report again, without measuring.
pub(crate) fn run(options: &Options) -> Done {
    let report = Report::read(&options.report)?;
    println!("{}", report.table());
    options.files.write(&report)
}
