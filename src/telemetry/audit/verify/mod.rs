//! Whether a log is as the gateway wrote it, as far as that can be told, and where it is not.
//!
//! Every record up to the last checkpoint is vouched for by a signature. Behind it the chain holds each record
//! to the one before, which tells accidents and not somebody who writes the rest anew, or cuts it off: that is
//! told by a hash that was noted elsewhere (`head`). What stood there when a process was killed was signed over by the
//! next without knowing it, which is told. It reads a line at a time, and stops at the first that
//! is wrong.

mod covered;
mod file;
mod report;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::chain::{Hash, Line};
use super::checkpoint::PublicKey;
use super::folder::{LogFile, list};
use super::lines::{Lines, Piece};
use super::own::{OPENED, Opened};
pub use covered::Range;
use file::Walk;
pub use report::{ChainReport, Checked, Problem, Report, Wrong};

/// What to hold a log against.
#[derive(Clone, Debug, Default)]
pub struct VerifyOptions {
    /// Who may have signed checkpoints; nobody in particular where it is empty.
    pub keys: Vec<PublicKey>,
    /// Hashes of records that have to be there, each in any of the chains.
    pub heads: Vec<Hash>,
}

/// Which files.
#[derive(Clone, Debug)]
pub enum Source {
    /// All chains of a folder, each from its beginning.
    Folder(PathBuf),
    /// Files of one chain, in their order; others may have been in front of them.
    Files(Vec<PathBuf>),
}

/// Why nothing can be told.
#[derive(Debug, thiserror::Error)]
pub enum VerifyFault {
    /// A file or folder.
    #[error("{0} cannot be read: {1}")]
    Io(PathBuf, #[source] io::Error),
    /// Something else than a log.
    #[error(
        "{0} is no file of an audit log: found another name; accepted: REPLICA-NUMBER.jsonl or .jsonl.zst, as the gateway named it"
    )]
    NoLog(PathBuf),
    /// No files.
    #[error("{0} holds no audit log")]
    Empty(PathBuf),
}

/// Checks a log.
pub fn verify(source: &Source, options: &VerifyOptions) -> Result<Report, VerifyFault> {
    let (chains, is_whole) = match source {
        Source::Folder(folder) => (chains_of(folder)?, true),
        Source::Files(paths) => {
            let read = |path: &PathBuf| LogFile::at(path).ok_or_else(|| VerifyFault::NoLog(path.clone()));
            (vec![paths.iter().map(read).collect::<Result<_, _>>()?], false)
        }
    };
    let mut report = Report::default();
    for files in chains {
        let mut walk = Walk::new(options, is_whole);
        let problem = files_in_turn(&files, &mut walk)?;
        report.chains.push(walk.report(&files, problem));
    }
    let is_noted =
        |head: &Hash| report.chains.iter().any(|chain| chain.noted.iter().any(|noted| noted.hash == *head));
    report.missing_heads = options.heads.iter().copied().filter(|head| !is_noted(head)).collect();
    Ok(report)
}

fn chains_of(folder: &Path) -> Result<Vec<Vec<LogFile>>, VerifyFault> {
    let files = list(folder).map_err(|error| VerifyFault::Io(folder.to_owned(), error))?;
    if files.is_empty() {
        return Err(VerifyFault::Empty(folder.to_owned()));
    }
    let mut chains: BTreeMap<String, Vec<LogFile>> = BTreeMap::new();
    for file in files {
        chains.entry(file.replica.clone()).or_default().push(file);
    }
    Ok(chains.into_values().collect())
}

/// Checks files that follow each other, up to the first problem.
fn files_in_turn(files: &[LogFile], walk: &mut Walk<'_>) -> Result<Option<Problem>, VerifyFault> {
    for (at, file) in files.iter().enumerate() {
        // What the next file says of this one tells what has to be its end.
        let claim = match files.get(at + 1) {
            Some(next) => opening(next).map_err(|error| VerifyFault::Io(next.path.clone(), error))?,
            None => None,
        };
        let is_last = at + 1 == files.len();
        match walk.file(file, is_last, claim.as_ref()) {
            Ok(None) => {}
            Ok(problem) => return Ok(problem),
            // A compressed file that is damaged says so by itself.
            Err(error) if is_of_content(&error) => return Ok(Some(walk.broken(file, &error))),
            Err(error) => return Err(VerifyFault::Io(file.path.clone(), error)),
        }
    }
    Ok(walk.beginning(files))
}

/// What a file's first record says, where it can be read and is whole.
fn opening(file: &LogFile) -> io::Result<Option<Opened>> {
    let mut buffer = Vec::new();
    match Lines::open(file).and_then(|mut lines| lines.next(&mut buffer)) {
        Ok(Piece::Line) => {}
        Ok(_) => return Ok(None),
        Err(error) if is_of_content(&error) => return Ok(None),
        Err(error) => return Err(error),
    }
    let line = Line::read(&buffer).filter(|line| line.kind == OPENED && line.is_whole());
    Ok(line.and_then(|_| serde_json::from_slice(&buffer).ok()))
}

/// Whether an error tells of what a file holds, and not of how it is reached.
fn is_of_content(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidData, Other, UnexpectedEof};
    matches!(error.kind(), InvalidData | Other | UnexpectedEof) && error.raw_os_error().is_none()
}
