//! Import and export as JSON Lines.

use std::fs::File;
use std::io::{BufRead, BufReader, stdin};
use std::path::Path;

use serde_json::json;

use super::Desk;
use crate::cli::{CommandFault, output, own_limits};
use crate::registry::KeyRecord;
use crate::registry::transfer::{self, Manner};

pub(super) fn import(
    desk: &mut Desk<'_, '_>,
    file: &Path,
    skip_bad: bool,
    force: bool,
) -> Result<(), CommandFault> {
    let lines: Box<dyn BufRead> = if file == Path::new("-") {
        Box::new(stdin().lock())
    } else {
        let open = File::open(file)
            .map_err(|error| CommandFault::said(format!("{} cannot be read: {error}", file.display())))?;
        Box::new(BufReader::new(open))
    };
    let settings = &desk.settings;
    // What was exported can be imported, whatever the configuration says of it meanwhile.
    let unfit = |record: &KeyRecord| {
        own_limits::misfits(settings, record).iter().map(|misfit| misfit.of(record.key_id)).collect()
    };
    let manner = Manner { skip_bad, force };
    let outcome = transfer::import(desk.opened.registry(), lines, manner, &unfit)?;
    for warning in &outcome.warnings {
        desk.session.warn(&format!("line {}: {}", warning.line, warning.reason));
    }
    if desk.json {
        output::json_line(desk.session.out, &json!(outcome))?;
    } else {
        let written = outcome.added + outcome.updated;
        writeln!(
            desk.session.out,
            "{written} keys written ({} added, {} updated), {} unchanged",
            outcome.added, outcome.updated, outcome.unchanged
        )?;
    }
    if outcome.bad.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> =
        outcome.bad.iter().map(|bad| format!("line {}: {}", bad.line, bad.reason)).collect();
    let told = lines.join("\n");
    if skip_bad {
        return Err(CommandFault::said(format!("{told}\n{} bad lines were skipped", lines.len())));
    }
    Err(CommandFault::said(format!(
        "{told}\nnothing was imported; mend the lines, or leave them out with --skip-bad"
    )))
}

pub(super) fn export(desk: &mut Desk<'_, '_>) -> Result<(), CommandFault> {
    let (mut written, mut unreadable) = (Ok(()), Vec::new());
    let out = &mut *desk.session.out;
    transfer::export(
        desk.opened.registry(),
        |line| {
            if written.is_ok() {
                written = writeln!(out, "{line}");
            }
        },
        |id, reason| unreadable.push(format!("{id}: {reason}")),
    )?;
    written?;
    if unreadable.is_empty() {
        return Ok(());
    }
    Err(CommandFault::said(format!(
        "{}\n{} records cannot be read and were left out",
        unreadable.join("\n"),
        unreadable.len()
    )))
}
