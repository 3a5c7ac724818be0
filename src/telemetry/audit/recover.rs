//! Where a chain goes on after its process ended, however it did.
//!
//! The last file is read to its last good record, and the chain goes on in a new one that says so. Nothing that
//! stands in a file is changed: what a kill left unfinished stays where it is and does not count, and nothing behind
//! the end of a file that was closed ever does.

use std::io;

use super::chain::{Head, Line};
use super::checkpoint::PublicKey;
use super::folder::{Folder, LogFile};
use super::lines::{Lines, Piece};
use super::own::{Before, CHECKPOINT, Ending, OPENED, Opened, Signed, State, signature};

/// Where a chain goes on.
#[derive(Debug)]
pub(super) struct Recovered {
    pub(super) chain: String,
    pub(super) head: Head,
    pub(super) before: Before,
}

/// Finds the end of the chain; `None` where there is none yet. `key` is that of this gateway, where it has
/// one: who is to tell what was signed.
pub(super) fn recover(folder: &Folder, key: Option<PublicKey>) -> io::Result<Option<Recovered>> {
    let mut spoilt = false;
    for file in folder.files()?.iter().rev() {
        let scan = Scan::of(file, key)?;
        if let Some((chain, head)) = scan.end.clone() {
            let state = match () {
                () if scan.is_damaged || spoilt => State::Damaged,
                () if scan.ending == Ending::Closed => State::Closed,
                () => State::Killed,
            };
            let before = Before { file: file.name(), state, bytes: scan.good, left_out: scan.left_out };
            return Ok(Some(Recovered { chain, head, before }));
        }
        // A file without a single record: its writer was killed while it began it, unless there is more in it.
        if scan.has_lines {
            spoilt = true;
            std::fs::rename(&file.path, file.path.with_extension("spoilt"))?;
        } else {
            std::fs::remove_file(&file.path)?;
        }
    }
    Ok(None)
}

/// Whether a checkpoint is one that this gateway wrote, as far as that can be told.
fn is_ours(line: &Line<'_>, text: &[u8], chain: &str, key: Option<PublicKey>) -> bool {
    match signature(line, text, chain) {
        Signed::By(by) => key.is_none_or(|key| key == by),
        Signed::Not => key.is_none(),
        Signed::Wrong => false,
    }
}

/// Whether a record says of itself that it is the next behind another.
fn follows(line: &Line<'_>, head: &Head) -> bool {
    line.seq == head.seq + 1 && line.prev == head.hash
}

/// What a file holds.
#[derive(Default)]
struct Scan {
    /// The chain, and its last good record.
    end: Option<(String, Head)>,
    /// Where that one ends, in bytes.
    good: u64,
    /// Bytes behind it.
    left_out: u64,
    ending: Ending,
    /// Whether anything stands where no gateway and no crash leaves it: signed records behind what is no record, or
    /// anything behind the file's end.
    is_damaged: bool,
    /// Whether there is any line at all.
    has_lines: bool,
}

impl Scan {
    fn of(file: &LogFile, key: Option<PublicKey>) -> io::Result<Self> {
        let (mut lines, mut buffer) = (Lines::open(file)?, Vec::new());
        let (mut scan, mut is_good) = (Self::default(), true);
        loop {
            match lines.next(&mut buffer)? {
                Piece::End | Piece::Unfinished => break,
                Piece::Line | Piece::TooLong => scan.has_lines = true,
            }
            let line = Line::read(&buffer);
            let next = line.filter(|line| is_good && scan.goes_on(file, line, &buffer));
            is_good = next.is_some();
            if let Some(line) = next {
                scan.ending = scan.ending.with(line.kind);
                scan.good = lines.offset;
            } else if let (Some(line), Some((chain, head))) = (line, &scan.end) {
                // Everything in front of a checkpoint was on the disk before it was written.
                let later = line.kind == CHECKPOINT && line.seq > head.seq && line.is_whole();
                scan.is_damaged |= later && is_ours(&line, &buffer, chain, key);
                // No gateway wrote that.
                scan.is_damaged |= !scan.ending.takes(line.kind) && follows(&line, head) && line.is_whole();
            }
        }
        scan.left_out = lines.offset - scan.good;
        scan.is_damaged |= scan.ending == Ending::Closed && scan.left_out > 0;
        Ok(scan)
    }

    /// Takes a record where it is the chain's next.
    fn goes_on(&mut self, file: &LogFile, line: &Line<'_>, text: &[u8]) -> bool {
        if !self.ending.takes(line.kind) || line.replica != file.replica || !line.is_whole() {
            return false;
        }
        if let Some((_, head)) = &mut self.end {
            let follows = follows(line, head);
            if follows {
                *head = line.head();
            }
            return follows;
        }
        let opened = serde_json::from_slice::<Opened>(text).ok();
        let opened = opened.filter(|_| line.kind == OPENED && line.seq == file.first);
        self.end = opened.map(|opened| (opened.chain, line.head()));
        self.end.is_some()
    }
}
