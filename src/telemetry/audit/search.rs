//! Looks for records: by key, tool, server, time, how they ended; the last ones; those that come.
//!
//! It reads what stands and checks nothing: that is `verify`'s. In bounded memory: at most as many records as
//! were asked for.

use std::collections::VecDeque;
use std::io;
use std::path::Path;

use memchr::memmem;
use serde::Deserialize;

use super::chain::{LINE_BYTES, Line};
use super::folder::{LogFile, list};
use super::lines::{Lines, Piece};
use super::text::quote;

/// What is looked for; what is not said is not asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// The key's id.
    pub key: Option<String>,
    /// A tool; of prompts, resources and tasks as well.
    pub tool: Option<String>,
    /// The server's name.
    pub server: Option<String>,
    /// How it ended.
    pub outcome: Option<String>,
    /// Why it was refused.
    pub reason: Option<String>,
    /// From this time on: RFC 3339 in UTC with nine digits behind the point, as records have it.
    pub since: Option<String>,
    /// Before this time.
    pub until: Option<String>,
}

/// What is compared of a record.
#[derive(Deserialize)]
struct Seen<'s> {
    #[serde(borrow, default)]
    key_id: Text<'s>,
    #[serde(borrow, default)]
    server: Text<'s>,
    #[serde(borrow, default, alias = "prompt", alias = "resource", alias = "reference", alias = "task")]
    tool: Text<'s>,
    #[serde(borrow, default)]
    outcome: Text<'s>,
    #[serde(borrow, default)]
    reason: Text<'s>,
}

/// A text that is borrowed where it has no escapes.
#[derive(Deserialize, Default)]
struct Text<'t>(#[serde(borrow)] std::borrow::Cow<'t, str>);

impl Query {
    fn members(&self) -> [(&Option<String>, &'static str); 5] {
        [
            (&self.key, "key_id"),
            (&self.server, "server"),
            (&self.tool, ""),
            (&self.outcome, "outcome"),
            (&self.reason, "reason"),
        ]
    }

    /// Whether a line is what is looked for.
    fn takes(&self, line: &[u8], needles: &[Vec<u8>]) -> bool {
        // Most lines are told from what is looked for without reading them.
        if !needles.iter().all(|needle| memmem::find(line, needle).is_some()) {
            return false;
        }
        let Some(record) = Line::read(line) else { return false };
        let after = self.since.as_deref().is_none_or(|since| record.time >= since);
        let before = self.until.as_deref().is_none_or(|until| record.time < until);
        if !(after && before) {
            return false;
        }
        if needles.is_empty() {
            return true;
        }
        let Ok(seen) = serde_json::from_slice::<Seen<'_>>(line) else { return false };
        let texts = [&seen.key_id, &seen.server, &seen.tool, &seen.outcome, &seen.reason];
        let wanted = self.members().map(|(wanted, _)| wanted.as_deref());
        wanted.into_iter().zip(texts).all(|(wanted, text)| wanted.is_none_or(|wanted| wanted == text.0))
    }

    /// What has to stand in a line that is looked for.
    fn needles(&self) -> Vec<Vec<u8>> {
        let needle = |(wanted, name): (&Option<String>, &str)| {
            let mut needle = if name.is_empty() { Vec::new() } else { format!("\"{name}\":").into_bytes() };
            quote(&mut needle, wanted.as_deref()?);
            Some(needle)
        };
        self.members().into_iter().filter_map(needle).collect()
    }
}

/// Calls `each` with every record of a folder that is looked for, replica by replica in their order; or with
/// the last `most` of them.
pub fn search(
    folder: &Path,
    query: &Query,
    most: Option<usize>,
    mut each: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let needles = query.needles();
    let mut kept: VecDeque<Vec<u8>> = VecDeque::new();
    let mut buffer = Vec::new();
    let files = list(folder)?;
    for (at, file) in files.iter().enumerate() {
        // Everything in a file was over when the next was begun.
        if let (Some(since), Some(next)) = (&query.since, files.get(at + 1))
            && next.replica == file.replica
            && begun(next, &mut buffer)?.is_some_and(|begun| begun < *since)
        {
            continue;
        }
        let mut lines = Lines::open(file)?;
        while lines.next(&mut buffer)? == Piece::Line {
            if !query.takes(&buffer, &needles) {
                continue;
            }
            let Some(most) = most else {
                each(&buffer)?;
                continue;
            };
            if kept.len() >= most {
                kept.pop_front();
            }
            if most > 0 {
                kept.push_back(buffer.clone());
            }
        }
    }
    kept.iter().try_for_each(|line| each(line))
}

/// When a file was begun.
fn begun(file: &LogFile, buffer: &mut Vec<u8>) -> io::Result<Option<String>> {
    let piece = Lines::open(file)?.next(buffer)?;
    let line = Line::read(buffer).filter(|_| piece == Piece::Line);
    Ok(line.map(|line| line.time.to_owned()))
}

/// Follows the end of a folder's log.
pub struct Tail {
    /// Each replica's current file, and how far it was read.
    open: Vec<(LogFile, Lines, Vec<u8>)>,
}

impl Tail {
    /// The last `most` records of a folder, by time, and the place behind them.
    pub fn of(folder: &Path, most: usize) -> io::Result<(Vec<Vec<u8>>, Self)> {
        let (mut last, mut open, mut buffer) = (Vec::new(), Vec::new(), Vec::new());
        let files = list(folder)?;
        let mut chains: Vec<&[LogFile]> = files.chunk_by(|one, two| one.replica == two.replica).collect();
        for chain in &mut chains {
            let mut kept: VecDeque<Vec<u8>> = VecDeque::new();
            for (at, file) in chain.iter().enumerate().rev() {
                let (mut lines, mut own) = (Lines::open(file)?, VecDeque::new());
                let piece = loop {
                    let piece = lines.next(&mut buffer)?;
                    if piece != Piece::Line {
                        break piece;
                    }
                    own.push_back(buffer.clone());
                    if own.len() + kept.len() > most {
                        own.pop_front();
                    }
                };
                if at + 1 == chain.len() {
                    let begun =
                        if piece == Piece::Unfinished { std::mem::take(&mut buffer) } else { Vec::new() };
                    open.push((file.clone(), lines, begun));
                }
                own.append(&mut kept);
                kept = own;
                if kept.len() >= most {
                    break;
                }
            }
            last.extend(kept);
        }
        // Times have one length, and stand at the same place.
        last.sort_by(|one, two| one.get(..TIMED).cmp(&two.get(..TIMED)));
        let surplus = last.len().saturating_sub(most);
        Ok((last.split_off(surplus), Self { open }))
    }

    /// Calls `each` with the records that have come since; says whether there were any.
    pub fn follow(
        &mut self,
        folder: &Path,
        mut each: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<bool> {
        let (mut any, mut buffer) = (false, Vec::new());
        for (_, lines, begun) in &mut self.open {
            any |= advance(lines, begun, &mut buffer, &mut each)?;
        }
        let files = list(folder)?;
        for file in files {
            let known = self.open.iter().position(|(open, ..)| open.replica == file.replica);
            let is_new = |at: &usize| self.open.get(*at).is_some_and(|(open, ..)| open.first < file.first);
            match known {
                Some(at) if is_new(&at) => {
                    // Nothing comes any more to the one before, but what came since it was read.
                    if let Some((_, lines, begun)) = self.open.get_mut(at) {
                        advance(lines, begun, &mut buffer, &mut each)?;
                    }
                    let lines = Lines::open(&file)?;
                    if let Some(open) = self.open.get_mut(at) {
                        *open = (file, lines, Vec::new());
                    }
                    any = true;
                }
                None => {
                    let lines = Lines::open(&file)?;
                    self.open.push((file, lines, Vec::new()));
                    any = true;
                }
                Some(_) => {}
            }
        }
        Ok(any)
    }
}

/// `{"time":"` and a time.
const TIMED: usize = 39;

fn advance(
    lines: &mut Lines,
    begun: &mut Vec<u8>,
    buffer: &mut Vec<u8>,
    each: &mut impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<bool> {
    let mut any = false;
    loop {
        match lines.next(buffer)? {
            Piece::Line => {
                begun.append(buffer);
                each(begun)?;
                begun.clear();
                any = true;
            }
            // The rest of it comes later.
            Piece::Unfinished if begun.len() < LINE_BYTES => begun.append(buffer),
            Piece::Unfinished | Piece::TooLong => begun.clear(),
            Piece::End => return Ok(any),
        }
    }
}
