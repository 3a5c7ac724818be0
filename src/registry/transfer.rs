//! Import and export as JSON Lines, one record a line.
//!
//! An import is all or nothing unless told to skip bad lines, and names every bad line with
//! its number. It never lowers a record's version, so an old backup cannot bring back what was
//! taken away; with force it writes the old content under a new version.

use std::collections::BTreeMap;
use std::io::BufRead;

use super::contract::{Edit, Fault, Registry};
use super::record::KeyRecord;
use crate::base::{KeyId, bounds};

/// A line that was not imported.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct BadLine {
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
    pub bad: Vec<BadLine>,
}

/// How an import goes about it.
#[derive(Debug, Clone, Copy)]
pub struct Manner {
    /// Import the good lines and leave the bad.
    pub skip_bad: bool,
    /// Let content of an older or equal version replace a newer one, under a new version.
    pub force: bool,
}

/// Whether a record fits the configuration, or why not.
pub type Fits<'a> = &'a dyn Fn(&KeyRecord) -> Result<(), String>;

/// Imports records; one that does not fit is a bad line. With bad lines and without `skip_bad` nothing is written; the caller
/// tells the lines apart by `bad`.
pub fn import(
    registry: &mut dyn Registry,
    lines: impl BufRead,
    manner: Manner,
    fits: Fits<'_>,
) -> Result<Imported, Fault> {
    let (records, mut outcome) = read(lines, fits)?;
    if !outcome.bad.is_empty() && !manner.skip_bad {
        return Ok(outcome);
    }
    // One transaction decides and writes. With a line that the registry refuses, and without
    // `skip_bad`, it is rolled back.
    let mut refused = false;
    let attempt = {
        let (outcome, refused) =
            (std::cell::RefCell::new(&mut outcome), std::cell::RefCell::new(&mut refused));
        let mut edits: Vec<_> = records
            .iter()
            .map(|(id, (line, record))| {
                let edit = |before: Option<KeyRecord>| match merge(before, record, manner.force) {
                    Ok(step) => Ok(outcome.borrow_mut().count(step)),
                    Err(reason) => {
                        **refused.borrow_mut() = true;
                        outcome.borrow_mut().bad.push(BadLine { line: *line, reason });
                        Ok(None)
                    }
                };
                (*id, edit)
            })
            .collect();
        let mut end = |_: Option<KeyRecord>| {
            if **refused.borrow() && !manner.skip_bad { Err(rolled_back()) } else { Ok(None) }
        };
        let last = edits.last().map(|(id, _)| *id);
        let all = edits.iter_mut().map(|(id, edit)| (*id, edit as Edit<'_>));
        registry.change(&mut all.chain(last.map(|id| (id, &mut end as Edit<'_>))))
    };
    outcome.bad.sort_by_key(|bad| bad.line);
    match attempt {
        Err(Fault::Refused(_)) if refused => Ok(Imported { bad: outcome.bad, ..Imported::default() }),
        Err(fault) => Err(fault),
        Ok(()) => Ok(outcome),
    }
}

fn rolled_back() -> Fault {
    Fault::Refused("the import was rolled back".into())
}

type Lines = BTreeMap<KeyId, (usize, KeyRecord)>;

fn read(mut lines: impl BufRead, fits: Fits<'_>) -> Result<(Lines, Imported), Fault> {
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
        match record.and_then(|record| fits(&record).map(|()| record)) {
            Ok(record) => {
                if let Some((first, _)) = records.get(&record.key_id) {
                    outcome.bad.push(BadLine {
                        line,
                        reason: format!("the key {} stands in line {first} already", record.key_id),
                    });
                } else {
                    records.insert(record.key_id, (line, record));
                }
            }
            Err(reason) => outcome.bad.push(BadLine { line, reason }),
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

enum Step {
    Add(KeyRecord),
    Update(KeyRecord),
    Keep,
}

fn merge(before: Option<KeyRecord>, record: &KeyRecord, force: bool) -> Result<Step, String> {
    let Some(before) = before else { return Ok(Step::Add(record.clone())) };
    if before == *record {
        return Ok(Step::Keep);
    }
    if before.version < record.version {
        return Ok(Step::Update(record.clone()));
    }
    if !force {
        return Err(format!(
            "{} is at version {} in the registry and at {} here; --force writes this content as version {}",
            record.key_id,
            before.version,
            record.version,
            before.version + 1
        ));
    }
    Ok(Step::Update(KeyRecord { version: before.version + 1, ..record.clone() }))
}

impl Imported {
    fn count(&mut self, step: Step) -> Option<KeyRecord> {
        match step {
            Step::Add(record) => {
                self.added += 1;
                Some(record)
            }
            Step::Update(record) => {
                self.updated += 1;
                Some(record)
            }
            Step::Keep => {
                self.unchanged += 1;
                None
            }
        }
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
