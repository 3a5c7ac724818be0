//! Import and export as JSON Lines, one record a line.
//!
//! An import is all or nothing unless told to skip bad lines, and names every bad line with
//! its number. It never lowers a record's version, so an old backup cannot bring back what was
//! taken away; with force it writes the old content under a new version.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::BufRead;

use super::contract::{Edit, Fault, Registry};
use super::record::{KeyRecord, State};
use crate::base::{KeyId, bounds};

/// A line of an import, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Remark {
    /// Counted from 1.
    pub line: usize,
    /// Why.
    pub reason: String,
}

/// What an import did.
#[derive(Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Imported {
    /// Records that are new.
    pub added: usize,
    /// Records that replaced an older version.
    pub updated: usize,
    /// Records that were there already, word for word.
    pub unchanged: usize,
    /// Lines that were not imported.
    pub bad: Vec<Remark>,
    /// Lines that were imported, with limits that do not fit the configuration.
    pub warnings: Vec<Remark>,
}

/// How an import goes about it.
#[derive(Debug, Clone, Copy)]
pub struct Manner {
    /// Import the good lines and leave the bad.
    pub skip_bad: bool,
    /// Let content of an older or equal version replace a newer one, under a new version.
    pub force: bool,
}

/// What of a record's limits does not fit the configuration, a sentence each.
pub type Unfit<'a> = &'a dyn Fn(&KeyRecord) -> Vec<String>;

/// What comes of a line that is a record.
#[derive(Default)]
enum Verdict {
    #[default]
    Unchanged,
    Added(Vec<String>),
    Updated(Vec<String>),
    Bad(String),
}

/// Imports records. With bad lines and without `skip_bad` nothing is written; the caller tells the lines
/// apart by `bad`. Limits that do not fit are a warning, of keys in force that did not have them before.
pub fn import(
    registry: &mut dyn Registry,
    lines: impl BufRead,
    manner: Manner,
    unfit: Unfit<'_>,
) -> Result<Imported, Fault> {
    let (records, mut outcome) = read(lines)?;
    if !outcome.bad.is_empty() && !manner.skip_bad {
        return Ok(outcome);
    }
    // One transaction decides and writes. With a line that the registry refuses, and without
    // `skip_bad`, it is rolled back.
    let refused = Cell::new(false);
    let mut verdicts: Vec<Verdict> = records.iter().map(|_| Verdict::default()).collect();
    let attempt = {
        let mut edits: Vec<_> = records
            .iter()
            .zip(&mut verdicts)
            .map(|((id, (_, record)), verdict)| {
                // Where somebody else writes meanwhile the registry asks again; the last word counts.
                let edit = |before: Option<KeyRecord>| {
                    let (said, written) = merge(before, record, manner.force, unfit);
                    refused.set(refused.get() || matches!(said, Verdict::Bad(_)));
                    *verdict = said;
                    Ok(written)
                };
                (*id, edit)
            })
            .collect();
        let mut end = |_: Option<KeyRecord>| {
            if refused.get() && !manner.skip_bad { Err(rolled_back()) } else { Ok(None) }
        };
        let last = edits.last().map(|(id, _)| *id);
        let all = edits.iter_mut().map(|(id, edit)| (*id, edit as Edit<'_>));
        registry.change(&mut all.chain(last.map(|id| (id, &mut end as Edit<'_>))))
    };
    for ((line, _), verdict) in records.values().zip(verdicts) {
        outcome.count(*line, verdict);
    }
    outcome.bad.sort_by_key(|bad| bad.line);
    outcome.warnings.sort_by_key(|warning| warning.line);
    match attempt {
        Err(Fault::Refused(_)) if refused.get() => Ok(Imported { bad: outcome.bad, ..Imported::default() }),
        Err(fault) => Err(fault),
        Ok(()) => Ok(outcome),
    }
}

fn rolled_back() -> Fault {
    Fault::Refused("the import was rolled back".into())
}

type Lines = BTreeMap<KeyId, (usize, KeyRecord)>;

fn read(mut lines: impl BufRead) -> Result<(Lines, Imported), Fault> {
    let (mut records, mut outcome) = (Lines::new(), Imported::default());
    let mut text = Vec::new();
    for line in 1.. {
        text.clear();
        // A line is read up to its bound: a file without line ends cannot fill the memory.
        let read = lines
            .by_ref_take(&mut text)
            .map_err(|error| Fault::Refused(format!("line {line} cannot be read: {error}")))?;
        if read == 0 {
            break;
        }
        let trimmed = text.trim_ascii();
        if trimmed.is_empty() {
            continue;
        }
        let record = std::str::from_utf8(trimmed).map_err(|_| "not UTF-8".to_owned());
        let record = record.and_then(|text| KeyRecord::parse(text).map_err(|fault| fault.to_string()));
        match record {
            Ok(record) => {
                if let Some((first, _)) = records.get(&record.key_id) {
                    outcome.bad.push(Remark {
                        line,
                        reason: format!("the key {} stands in line {first} already", record.key_id),
                    });
                } else {
                    records.insert(record.key_id, (line, record));
                }
            }
            Err(reason) => outcome.bad.push(Remark { line, reason }),
        }
    }
    Ok((records, outcome))
}

trait Bounded: BufRead {
    /// Reads one line; of a longer one only so much that it is known to be too long.
    fn by_ref_take(&mut self, into: &mut Vec<u8>) -> std::io::Result<usize> {
        let most = bounds::RECORD_BYTES as u64 + 2;
        let read = std::io::Read::take(&mut *self, most).read_until(b'\n', into)?;
        if !into.ends_with(b"\n") && read as u64 == most {
            self.skip_until(b'\n')?;
        }
        Ok(read)
    }
}

impl<R: BufRead> Bounded for R {}

/// What comes of a record, and what is written for it.
fn merge(
    before: Option<KeyRecord>,
    record: &KeyRecord,
    force: bool,
    unfit: Unfit<'_>,
) -> (Verdict, Option<KeyRecord>) {
    let is_new = before.as_ref().is_none_or(|before| before.limits != record.limits);
    let told = || if is_new && record.status == State::Active { unfit(record) } else { Vec::new() };
    let Some(before) = before else { return (Verdict::Added(told()), Some(record.clone())) };
    if before == *record {
        return (Verdict::Unchanged, None);
    }
    if before.version < record.version {
        return (Verdict::Updated(told()), Some(record.clone()));
    }
    if !force {
        let reason = format!(
            "{} is at version {} in the registry and at {} here; --force writes this content as version {}",
            record.key_id,
            before.version,
            record.version,
            before.version + 1
        );
        return (Verdict::Bad(reason), None);
    }
    (Verdict::Updated(told()), Some(KeyRecord { version: before.version + 1, ..record.clone() }))
}

impl Imported {
    fn count(&mut self, line: usize, verdict: Verdict) {
        let warnings = match verdict {
            Verdict::Bad(reason) => return self.bad.push(Remark { line, reason }),
            Verdict::Unchanged => {
                self.unchanged += 1;
                return;
            }
            Verdict::Added(warnings) => {
                self.added += 1;
                warnings
            }
            Verdict::Updated(warnings) => {
                self.updated += 1;
                warnings
            }
        };
        self.warnings.extend(warnings.into_iter().map(|reason| Remark { line, reason }));
    }
}

/// Hands every record to `each` as one line of JSON, unreadable ones to `unreadable`.
pub fn export(
    registry: &mut dyn Registry,
    mut each: impl FnMut(&str),
    mut unreadable: impl FnMut(KeyId, &str),
) -> Result<(), Fault> {
    registry.load(&mut |stored| match &stored.record {
        Ok(record) => each(&record.to_json()),
        Err(reason) => unreadable(stored.id, reason),
    })?;
    Ok(())
}
