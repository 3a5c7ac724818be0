//! What a check found: how far each chain is vouched for, and what is wrong with it.

use std::fmt;

use super::covered::Range;
use crate::telemetry::audit::chain::{Hash, Head};
use crate::telemetry::audit::checkpoint::PublicKey;

/// What was found.
#[derive(Debug, Default)]
pub struct Report {
    /// Each chain.
    pub chains: Vec<ChainReport>,
    /// Hashes of records that had to be there and are in no chain.
    pub missing_heads: Vec<Hash>,
}

impl Report {
    /// Whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.missing_heads.is_empty() && self.chains.iter().all(|chain| chain.problem.is_none())
    }
}

/// What was found of one chain.
#[derive(Debug, Default)]
pub struct ChainReport {
    /// Whose.
    pub replica: String,
    /// Which.
    pub chain: String,
    /// Files that were read.
    pub files: usize,
    /// Records that were found right, and the numbers of the first and the last of them.
    pub records: u64,
    /// See `records`.
    pub first: u64,
    /// See `records`.
    pub last: Head,
    /// Records that had to be there and are.
    pub noted: Vec<Head>,
    /// The last checkpoint that was found right.
    pub checked: Option<Checked>,
    /// Whether the log was ended: nothing follows that could have been cut off unnoticed.
    pub is_closed: bool,
    /// Bytes at the end that are no whole record: one that is being written, or that a kill left.
    pub unfinished: u64,
    /// Files that were not closed, as the next says, and how many bytes at their ends do not count.
    pub left_out: Vec<(String, u64)>,
    /// Records that nobody had signed when their writer was killed, and that the next one went on behind: who could
    /// write the files then could have written them.
    pub stood_unsigned: Vec<Range>,
    /// What is wrong.
    pub problem: Option<Problem>,
}

/// A checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// Its place.
    pub head: Head,
    /// Its time.
    pub time: String,
    /// Who signed it.
    pub by: Option<PublicKey>,
    /// Whether that is one of the keys that were asked for.
    pub is_trusted: bool,
}

/// The first thing that is wrong with a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub file: String,
    /// The line, from 1; 0 where it is the file as a whole.
    pub line: u64,
    /// The number of the record that should stand there.
    pub seq: u64,
    /// What.
    pub what: Wrong,
}

/// What can be wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// The line is no record.
    NoRecord,
    /// The record was edited: its hash is not that of what it holds.
    Edited,
    /// Records are missing: these numbers.
    Missing(u64, u64),
    /// A record with a number that was before: written twice, inserted, or in another's place.
    OutOfOrder(u64),
    /// The record before it is not the one that it follows.
    Replaced,
    /// Another replica's record, or one of another chain.
    Foreign(String),
    /// The file begins with another record than it is called after.
    Misnamed(u64),
    /// The file does not begin as each does.
    NotOpened,
    /// A checkpoint that its key did not sign.
    Forged,
    /// A checkpoint that another key signed.
    OtherKey(PublicKey),
    /// A checkpoint that nobody signed.
    Unsigned,
    /// The file ends before it should: records are missing at its end.
    CutOff,
    /// More stands behind its end than was left there.
    Surplus,
    /// Something stands behind the end of a file that was closed.
    AfterEnd,
    /// The next file follows another than this one.
    Gap(String),
    /// The gateway found the file changed when it started.
    Damaged,
    /// It cannot be decompressed.
    Broken(String),
    /// The chain's beginning is not there, and no record says that it was deleted.
    NoBeginning(u64),
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRecord => f.write_str("this is no record: it was edited"),
            Self::Edited => f.write_str("it was edited: its hash is not that of what it holds"),
            Self::Missing(from, to) if from == to => write!(f, "record {from} is missing: it was deleted"),
            Self::Missing(from, to) => write!(f, "records {from} to {to} are missing: they were deleted"),
            Self::OutOfOrder(seq) => {
                write!(f, "record {seq} stands here: it was moved, repeated or inserted")
            }
            Self::Replaced => {
                f.write_str("the record before it is not the one that it follows: one of them was replaced")
            }
            Self::Foreign(whose) => write!(f, "it belongs to another log: {whose}"),
            Self::Misnamed(seq) => {
                write!(f, "the file is called after record {seq}: it was renamed or exchanged")
            }
            Self::NotOpened => f.write_str("the file does not begin with a record 'opened' and a checkpoint"),
            Self::Forged => f.write_str(
                "the checkpoint is not signed by the key that it names: what is before it was changed",
            ),
            Self::OtherKey(key) => write!(f, "the checkpoint is signed by another key, {key}"),
            Self::Unsigned => f.write_str("the checkpoint is not signed"),
            Self::CutOff => f.write_str("the file ends before it should: records were cut off"),
            Self::Surplus => f.write_str("more stands here than the gateway left: it was added"),
            Self::AfterEnd => f.write_str("the file was closed in front of this: it was added"),
            Self::Gap(file) => write!(f, "the next file follows {file}, which is missing"),
            Self::Damaged => f.write_str(
                "the gateway found this changed when it started: signed records follow what is none, or something the file's end",
            ),
            Self::Broken(error) => write!(f, "the compressed file is damaged: {error}"),
            Self::NoBeginning(first) => write!(
                f,
                "the log begins with record {first}, and none says that those before it were deleted when their time was over, with a checkpoint behind it in the same file"
            ),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, seq, what } = self;
        if *line == 0 {
            write!(f, "{file}: {what}")
        } else {
            write!(f, "{file} line {line}, where record {seq} should be: {what}")
        }
    }
}
