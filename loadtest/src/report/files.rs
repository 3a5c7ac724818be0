//! Where a report is written, as every command that measures takes it, and read again.

use std::path::{Path, PathBuf};

use super::{Report, page, plot};
use crate::Done;

/// Files beside the table on the screen; commands flatten this.
#[derive(clap::Args)]
pub(crate) struct ReportFiles {
    /// Where to write the figures as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Where to write them as one page with plots, which needs no other file.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Where to write the plot of CPU per request alone, for a document to show.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

impl ReportFiles {
    /// Writes what was asked for.
    pub(crate) fn write(&self, report: &Report) -> Done {
        if let Some(file) = &self.json {
            report.write(file)?;
        }
        if let Some(file) = &self.html {
            write(file, &page::page(report))?;
        }
        if let Some(file) = &self.svg {
            let plot = plot::cpu(report).ok_or("no cell is a result: there is no CPU per request to plot")?;
            write(file, &plot.file())?;
        }
        Ok(())
    }
}

impl Report {
    /// A report again, from the JSON that a command wrote.
    pub(crate) fn read(file: &Path) -> Done<Self> {
        let text = std::fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
        serde_json::from_slice(&text)
            .map_err(|error| format!("{} is no report in JSON: {error}", file.display()))
    }
}

fn write(file: &Path, text: &str) -> Done {
    std::fs::write(file, text).map_err(|error| format!("{}: {error}", file.display()))
}
