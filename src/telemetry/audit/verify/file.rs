//! Follows a chain through a file, record by record.

use std::io;

use super::VerifyOptions;
use super::covered::Covered;
use super::report::{ChainReport, Checked, Problem, Wrong};
use crate::telemetry::audit::chain::{Head, Line};
use crate::telemetry::audit::folder::LogFile;
use crate::telemetry::audit::lines::{Lines, Piece};
use crate::telemetry::audit::own::{
    Before, CHECKPOINT, DELETED, Deleted, Ending, OPENED, Opened, Signed, State, signature,
};

/// A chain that is being followed.
pub(super) struct Walk<'o> {
    options: &'o VerifyOptions,
    /// Whether all files should be there.
    is_whole: bool,
    chain: Option<String>,
    replica: String,
    first: u64,
    reached: Option<Head>,
    records: u64,
    checked: Option<Checked>,
    end: Ending,
    covered: Covered,
    noted: Vec<Head>,
    unfinished: u64,
    left_out: Vec<(String, u64)>,
    files: usize,
}

impl<'o> Walk<'o> {
    pub(super) fn new(options: &'o VerifyOptions, is_whole: bool) -> Self {
        Self {
            options,
            is_whole,
            chain: None,
            replica: String::new(),
            first: 0,
            reached: None,
            records: 0,
            checked: None,
            end: Ending::Open,
            covered: Covered::default(),
            noted: Vec::new(),
            unfinished: 0,
            left_out: Vec::new(),
            files: 0,
        }
    }

    /// Follows a file. `claim` is what the next one says of how this one ended.
    pub(super) fn file(
        &mut self,
        file: &LogFile,
        is_last: bool,
        claim: Option<&Opened>,
    ) -> io::Result<Option<Problem>> {
        let (mut lines, mut buffer) = (Lines::open(file)?, Vec::new());
        self.files += 1;
        self.end = Ending::Open;
        let end = End::of(file, is_last, claim);
        loop {
            if end.is_reached(lines.offset) {
                break;
            }
            let piece = lines.next(&mut buffer)?;
            let wrong = match piece {
                Piece::Line => self.line(file, lines.count, &buffer).err(),
                Piece::Unfinished if is_last && self.end == Ending::Closed => Some(Wrong::AfterEnd),
                // A file that is being begun, unless there is no other.
                Piece::End | Piece::Unfinished if is_last && self.reached.is_some() => {
                    self.unfinished = buffer.len() as u64;
                    break;
                }
                Piece::End | Piece::Unfinished if lines.count < 2 => Some(Wrong::NotOpened),
                Piece::End => break,
                Piece::Unfinished => Some(Wrong::CutOff),
                Piece::TooLong => Some(Wrong::NoRecord),
            };
            if let Some(what) = wrong {
                let line = lines.count + u64::from(piece != Piece::Line);
                return Ok(Some(self.problem(file, line, what)));
            }
        }
        let wrong = self.ended(&end, file, &mut lines)?;
        Ok(wrong.map(|what| self.problem(file, lines.count, what)))
    }

    fn problem(&self, file: &LogFile, line: u64, what: Wrong) -> Problem {
        let name = file.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let seq = self.reached.map_or(file.first, |head| head.seq + 1);
        Problem { file: name, line, seq, what }
    }

    pub(super) fn broken(&self, file: &LogFile, error: &io::Error) -> Problem {
        self.problem(file, 0, Wrong::Broken(error.to_string()))
    }

    /// Takes a line: the `number`th of its file.
    fn line(&mut self, file: &LogFile, number: u64, text: &[u8]) -> Result<(), Wrong> {
        let line = Line::read(text).ok_or(Wrong::NoRecord)?;
        if !line.is_whole() {
            return Err(Wrong::Edited);
        }
        if line.replica != file.replica || (!self.replica.is_empty() && line.replica != self.replica) {
            return Err(Wrong::Foreign(format!("that of the replica {}", line.replica)));
        }
        if number == 1 {
            self.opens(file, &line, text)?;
        } else if number == 2 && line.kind != CHECKPOINT {
            return Err(Wrong::NotOpened);
        }
        self.follows(&line)?;
        match line.kind {
            kind if !self.end.takes(kind) => return Err(Wrong::AfterEnd),
            OPENED if number != 1 => return Err(Wrong::NotOpened),
            OPENED => self.covered.opens(),
            CHECKPOINT => self.checkpoint(&line, text)?,
            DELETED => {
                let deleted = serde_json::from_slice::<Deleted>(text).map_err(|_| Wrong::NoRecord)?;
                // The file that tells it is never one that goes.
                self.covered.tells_deleted(deleted.through.min(file.first.saturating_sub(1)));
            }
            _ => {}
        }
        self.records += 1;
        self.reached = Some(line.head());
        if self.options.heads.contains(&line.hash) {
            self.noted.push(line.head());
        }
        self.end = self.end.with(line.kind);
        Ok(())
    }

    fn opens(&mut self, file: &LogFile, line: &Line<'_>, text: &[u8]) -> Result<(), Wrong> {
        let opened = serde_json::from_slice::<Opened>(text).ok().filter(|_| line.kind == OPENED);
        let opened = opened.ok_or(Wrong::NotOpened)?;
        if line.seq != file.first {
            return Err(Wrong::Misnamed(file.first));
        }
        match &self.chain {
            Some(chain) if *chain != opened.chain => {
                Err(Wrong::Foreign(format!("the chain {}", opened.chain)))
            }
            // Only the first file of all follows none.
            Some(_) if opened.before.is_none() => Err(Wrong::NotOpened),
            Some(_) => Ok(()),
            None => {
                (self.chain, self.replica, self.first) =
                    (Some(opened.chain), line.replica.to_owned(), line.seq);
                Ok(())
            }
        }
    }

    fn follows(&self, line: &Line<'_>) -> Result<(), Wrong> {
        let Some(head) = self.reached else { return Ok(()) };
        let next = head.seq + 1;
        match line.seq {
            seq if seq > next => Err(Wrong::Missing(next, seq - 1)),
            seq if seq < next => Err(Wrong::OutOfOrder(seq)),
            _ if line.prev != head.hash => Err(Wrong::Replaced),
            _ => Ok(()),
        }
    }

    fn checkpoint(&mut self, line: &Line<'_>, text: &[u8]) -> Result<(), Wrong> {
        let keys = &self.options.keys;
        let by = match signature(line, text, self.chain.as_deref().unwrap_or_default()) {
            Signed::Wrong => return Err(Wrong::Forged),
            Signed::By(key) if !keys.is_empty() && !keys.contains(&key) => return Err(Wrong::OtherKey(key)),
            Signed::Not if !keys.is_empty() => return Err(Wrong::Unsigned),
            Signed::By(key) => Some(key),
            Signed::Not => None,
        };
        self.covered.checkpoint(line.seq, by.is_some());
        let is_trusted = by.is_some() && !keys.is_empty();
        self.checked = Some(Checked { head: line.head(), time: line.time.to_owned(), by, is_trusted });
        Ok(())
    }

    /// Looks at how a file ended, and at what stands behind its end.
    fn ended(&mut self, end: &End<'_>, file: &LogFile, lines: &mut Lines) -> io::Result<Option<Wrong>> {
        let before = match end {
            End::Last | End::Unknown => return Ok(None),
            End::Gap(name) => return Ok(Some(Wrong::Gap((*name).to_owned()))),
            End::Told(before) => before,
        };
        let at = lines.offset;
        let rest = lines.rest()?;
        let last = self.reached.map_or(0, |head| head.seq);
        self.covered.ends((file.first, last), before.state);
        Ok(match before.state {
            _ if at < before.bytes => Some(Wrong::CutOff),
            // A record that reaches beyond the end.
            _ if at > before.bytes => Some(Wrong::Surplus),
            State::Damaged => Some(Wrong::Damaged),
            State::Closed if self.end != Ending::Closed => Some(Wrong::CutOff),
            State::Closed if rest > 0 => Some(Wrong::Surplus),
            State::Killed if rest != before.left_out => Some(Wrong::Surplus),
            State::Closed => None,
            State::Killed | State::Failed => {
                self.left_out.push((file.name(), rest));
                None
            }
        })
    }

    /// Whether a chain that should be whole has its beginning, or says what became of it.
    pub(super) fn beginning(&self, files: &[LogFile]) -> Option<Problem> {
        let file = files.first().filter(|_| self.is_whole)?;
        let is_told = self.first <= 1 || self.covered.deleted() + 1 >= self.first;
        (!is_told).then(|| self.problem(file, 0, Wrong::NoBeginning(self.first)))
    }

    pub(super) fn report(self, files: &[LogFile], problem: Option<Problem>) -> ChainReport {
        let named = files.first().map(|file| file.replica.clone()).unwrap_or_default();
        ChainReport {
            replica: if self.replica.is_empty() { named } else { self.replica },
            chain: self.chain.unwrap_or_default(),
            files: self.files,
            records: self.records,
            first: self.first,
            last: self.reached.unwrap_or_default(),
            noted: self.noted,
            checked: self.checked,
            is_closed: problem.is_none() && self.unfinished == 0 && self.end == Ending::Closed,
            unfinished: self.unfinished,
            left_out: self.left_out,
            stood_unsigned: self.covered.into_unsigned(),
            problem,
        }
    }
}

/// How a file has to end.
enum End<'c> {
    /// However it does: it is the last one.
    Last,
    /// As the next file says.
    Told(&'c Before),
    /// The next file follows another one.
    Gap(&'c str),
    /// The next file says nothing that can be read; what is wrong with it is told when it is its turn.
    Unknown,
}

impl<'c> End<'c> {
    fn of(file: &LogFile, is_last: bool, claim: Option<&'c Opened>) -> Self {
        match claim {
            _ if is_last => Self::Last,
            Some(Opened { before: Some(before), .. }) if before.file == file.name() => Self::Told(before),
            Some(Opened { before: Some(before), .. }) => Self::Gap(&before.file),
            Some(Opened { before: None, .. }) | None => Self::Unknown,
        }
    }

    /// Whether what comes next does not count.
    fn is_reached(&self, offset: u64) -> bool {
        matches!(self, Self::Told(before) if offset >= before.bytes)
    }
}
