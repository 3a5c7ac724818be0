//! The embedded registry: one SQLite file that the command line and running gateways share.
//!
//! Write-ahead logging lets readers go on while one writes; every change of a record adds a
//! row to the change log in the same transaction. Commits are synced to disk before they
//! return: a revocation that was acknowledged survives the machine.

mod follow;
mod schema;
mod sealing;
mod write;

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _};

use super::brief;
use super::contract::{Change, Changes, Edit, Fault, Feed, Loaded, Position, Registry, Stored, Used};
use crate::base::{KeyId, SealingKey, UnixSeconds};

/// An open registry file.
pub struct Embedded {
    path: PathBuf,
    connection: Connection,
    epoch: u64,
    /// What the file's change counter showed at the last look.
    seen: Option<i64>,
    inode: u64,
}

impl Embedded {
    /// Opens the file, making it when it is not there. Only its owner may read it.
    pub fn open(path: &Path) -> Result<Self, Fault> {
        let place = || path.display().to_string();
        let (connection, epoch) =
            schema::open(path).map_err(|reason| Fault::Unavailable { place: place(), reason })?;
        Ok(Self { path: path.to_owned(), connection, epoch, seen: None, inode: inode(path) })
    }

    fn unavailable(&self, error: &rusqlite::Error) -> Fault {
        Fault::Unavailable { place: self.path.display().to_string(), reason: reason(error) }
    }
}

/// What SQLite says, in words for the operator.
fn reason(error: &rusqlite::Error) -> String {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DatabaseBusy) => {
            "another process has been writing to it for more than 5 s; try again".into()
        }
        Some(
            rusqlite::ErrorCode::ReadOnly
            | rusqlite::ErrorCode::CannotOpen
            | rusqlite::ErrorCode::PermissionDenied,
        ) => "this user may not write to the file or its folder".into(),
        Some(rusqlite::ErrorCode::DiskFull) => "the disk is full".into(),
        Some(rusqlite::ErrorCode::NotADatabase) => "it is no SQLite file".into(),
        _ => error.to_string(),
    }
}

fn inode(path: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata(path).map_or(0, |metadata| metadata.ino())
}

/// A row's texts as a stored record; `None` for a key id that is none.
fn stored(id: &str, record: &str) -> Option<Stored> {
    id.parse().ok().map(|id| Stored::read(id, record))
}

impl Feed for Embedded {
    fn entries(&mut self, each: &mut dyn FnMut(Loaded)) -> Result<Position, Fault> {
        let epoch = self.epoch;
        let mut entry = |id: &str, text: &str| {
            if let Ok(id) = id.parse() {
                each((id, brief::read(id, text)));
            }
        };
        follow::load(&self.connection, &mut entry)
            .map(|entry| Position { epoch, entry: (entry, 0), nonce: 0 })
            .map_err(|error| self.unavailable(&error))
    }

    fn changes(&mut self, since: Position) -> Result<Changes, Fault> {
        self.follow(since)
    }

    fn sealing_keys(
        &mut self,
        now: UnixSeconds,
        renew: Duration,
        keep: Duration,
    ) -> Result<Vec<SealingKey>, Fault> {
        sealing::keys(&mut self.connection, now, renew, keep).map_err(|error| self.unavailable(&error))
    }

    fn note_used(&mut self, used: &[Used]) -> Result<(), Fault> {
        write::note_used(&mut self.connection, used).map_err(|error| self.unavailable(&error))
    }
}

impl Registry for Embedded {
    fn load(&mut self, each: &mut dyn FnMut(Stored)) -> Result<(), Fault> {
        let mut record = |id: &str, text: &str| stored(id, text).into_iter().for_each(&mut *each);
        follow::load(&self.connection, &mut record).map(drop).map_err(|error| self.unavailable(&error))
    }

    fn get(&mut self, id: KeyId) -> Result<Option<Stored>, Fault> {
        let text: Option<String> = self
            .connection
            .query_row("SELECT record FROM keys WHERE key_id = ?1", [id.to_string()], |row| row.get(0))
            .optional()
            .map_err(|error| self.unavailable(&error))?;
        Ok(text.and_then(|text| stored(&id.to_string(), &text)))
    }

    fn change(&mut self, edits: &mut dyn Iterator<Item = (KeyId, Edit<'_>)>) -> Result<(), Fault> {
        self.write_records(edits)
    }

    fn purge(&mut self, ids: &[KeyId]) -> Result<(), Fault> {
        write::purge(&mut self.connection, ids).map_err(|error| self.unavailable(&error))
    }

    fn used(&mut self, id: Option<KeyId>) -> Result<Vec<Used>, Fault> {
        follow::used(&self.connection, id).map_err(|error| self.unavailable(&error))
    }
}
