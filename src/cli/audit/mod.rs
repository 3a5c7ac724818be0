//! `tollgate audit …`: reads the audit log of a folder, with or without a gateway that writes it.
//!
//! What clients chose is shown and never obeyed: nothing of a record gets to a terminal but as letters.

mod args;
mod key;
mod show;
mod verify;

use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

pub(super) use args::AuditCommand;
use args::{SearchArguments, TailArguments};
use show::Shown;
pub(super) use show::seen;

use super::{CommandFault, Common, Session, config_file};
use crate::base::denial::TABLE;
use crate::config::{AuditPlace, load_audit, units};
use crate::telemetry::Outcome;
use crate::telemetry::audit::search::{Query, Tail, search};

/// How often a followed log is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// Runs a subcommand.
pub(super) fn run(
    command: AuditCommand,
    common: &Common,
    session: &mut Session<'_>,
) -> Result<(), CommandFault> {
    match command {
        AuditCommand::Verify(what) => verify::verify(&what, common, session),
        AuditCommand::Tail(what) => tail(&what, common, session),
        AuditCommand::Search(what) => find(what, common, session),
        AuditCommand::Key { out } => key::make(&out, common.json, session),
    }
}

/// The folder that was named, or the configuration's.
fn folder_of(named: Option<&Path>, common: &Common, session: &Session<'_>) -> Result<PathBuf, CommandFault> {
    match named {
        Some(folder) => Ok(folder.to_owned()),
        None => place(common, session).map(|(folder, _)| folder),
    }
}

/// The configuration's folder, and where its public key should be.
fn place(common: &Common, session: &Session<'_>) -> Result<(PathBuf, Option<PathBuf>), CommandFault> {
    let file = config_file(common.config.as_deref());
    let AuditPlace { folder, public_key } = load_audit(&file, &session.environment)?;
    let folder = folder.ok_or_else(|| {
        let file = file.display();
        CommandFault::said(format!("{file} names no audit.folder; name the folder behind the command"))
    })?;
    Ok((folder, public_key))
}

fn unreadable(folder: &Path, error: &std::io::Error) -> CommandFault {
    match error.kind() {
        // Whoever reads what is written has gone.
        std::io::ErrorKind::BrokenPipe => CommandFault::said("Broken pipe"),
        _ => CommandFault::said(format!("the audit log in {} cannot be read: {error}", folder.display())),
    }
}

fn tail(what: &TailArguments, common: &Common, session: &mut Session<'_>) -> Result<(), CommandFault> {
    let folder = folder_of(what.folder.as_deref(), common, session)?;
    let failed = |error| unreadable(&folder, &error);
    let shown = Shown::new(common.json, &session.environment);
    let (last, mut tail) = Tail::of(&folder, what.lines).map_err(failed)?;
    last.iter().try_for_each(|line| shown.line(session.out, line)).map_err(failed)?;
    if !what.follow {
        return Ok(());
    }
    loop {
        session.out.flush()?;
        if !tail.follow(&folder, |line| shown.line(session.out, line)).map_err(failed)? {
            std::thread::park_timeout(LOOK);
        }
    }
}

fn find(what: SearchArguments, common: &Common, session: &mut Session<'_>) -> Result<(), CommandFault> {
    let folder = folder_of(what.folder.as_deref(), common, session)?;
    if let Some(outcome) = &what.outcome {
        let known: Vec<&str> = Outcome::ALL.iter().map(|outcome| outcome.label()).collect();
        known_word("outcome", outcome, &known)?;
    }
    if let Some(reason) = &what.reason {
        let known: Vec<&str> = TABLE.iter().map(|row| row.reason).collect();
        known_word("reason", reason, &known)?;
    }
    let time = |text: &Option<String>| text.as_deref().map(|text| time(text, session)).transpose();
    let query = Query {
        since: time(&what.since)?,
        until: time(&what.until)?,
        key: what.key.map(|key| key.to_string()),
        tool: what.tool,
        server: what.server,
        outcome: what.outcome,
        reason: what.reason,
    };
    let shown = Shown::new(common.json, &session.environment);
    let found = search(&folder, &query, what.limit, |line| shown.line(session.out, line));
    found.map_err(|error| unreadable(&folder, &error))
}

fn known_word(what: &str, word: &str, known: &[&str]) -> Result<(), CommandFault> {
    if known.contains(&word) {
        return Ok(());
    }
    Err(CommandFault::said(format!("found the {what} {word:?}; accepted: {}", known.join(", "))))
}

/// A time as records have it.
fn time(text: &str, session: &Session<'_>) -> Result<String, CommandFault> {
    let age =
        units::duration(text).map(|age| Duration::from_millis(session.clock.now_ms()).saturating_sub(age));
    let time = age.map(|since| UNIX_EPOCH + since).or_else(|| humantime::parse_rfc3339(text).ok());
    let time = time.ok_or_else(|| {
        CommandFault::said(format!(
            "found {text:?}; accepted: an age such as 2h, or a time such as 2026-11-23T08:00:00Z"
        ))
    })?;
    Ok(humantime::format_rfc3339_nanos(time).to_string())
}
