//! The current file: begun, written at its end, synced, ended.
//!
//! It knows bytes and no records. What was written and not synced may be lost, also where syncing fails: the
//! kernel then forgets what it could not write, so a file of which a sync failed is never written again.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use super::begun::Beginnings;
use super::folder::{Folder, LogFile, create, is_at, name_of};
use super::keeper::{Job, Keeper};
use super::own::{Before, State};
use super::retain::{Gone, Retention, gone};

/// How files are kept.
#[derive(Clone, Debug)]
pub struct FileParams {
    /// Where.
    pub folder: PathBuf,
    /// Bytes of a file before the next is begun.
    pub rotate_size: u64,
    /// For how long a file is written before the next is begun.
    pub rotate_age: Duration,
    /// What is kept.
    pub retention: Retention,
}

/// The files of this replica.
#[derive(Debug)]
pub(super) struct Files {
    folder: Folder,
    params: FileParams,
    current: Option<Current>,
    /// How the file before the current one ended, or the next.
    before: Option<Before>,
    /// A file that was begun in vain and could not be taken away either.
    spoilt: Option<PathBuf>,
    beginnings: Beginnings,
    keeper: Keeper,
}

#[derive(Debug)]
struct Current {
    file: File,
    path: PathBuf,
    name: String,
    /// Bytes that were written, and of them those that are safe.
    written: u64,
    synced: u64,
    begun: Instant,
}

impl Files {
    pub(super) fn new(
        folder: Folder,
        params: FileParams,
        before: Option<Before>,
        beginnings: Beginnings,
    ) -> io::Result<Self> {
        let keeper = Keeper::start()?;
        Ok(Self { folder, params, current: None, before, spoilt: None, beginnings, keeper })
    }

    pub(super) fn before(&self) -> Option<&Before> {
        self.before.as_ref()
    }

    /// Begins the file whose first record has this number, with its first bytes, which are synced.
    pub(super) fn begin(&mut self, first: u64, content: &[u8]) -> io::Result<()> {
        self.folder.open_again()?;
        let name = name_of(self.folder.replica(), first);
        let path = self.folder.path().join(&name);
        if self.spoilt.take_if(|spoilt| *spoilt == path).is_some() {
            let _ = std::fs::remove_file(&path);
        }
        let file = create(&path)?;
        let begun =
            file.write_all_at(content, 0).and_then(|()| file.sync_all()).and_then(|()| self.folder.sync());
        if let Err(error) = begun {
            // None of its records counts; the next try needs its name.
            if std::fs::remove_file(&path).is_err() {
                self.spoilt = Some(path);
            }
            return Err(error);
        }
        let written = content.len() as u64;
        self.current = Some(Current { file, path, name, written, synced: written, begun: Instant::now() });
        self.compress_others();
        Ok(())
    }

    /// Writes at the end of the current file.
    pub(super) fn write(&mut self, content: &[u8]) -> io::Result<()> {
        let current = self.current.as_mut().ok_or(io::ErrorKind::NotFound)?;
        current.file.write_all_at(content, current.written)?;
        current.written += content.len() as u64;
        Ok(())
    }

    /// Makes what was written last.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        let current = self.current.as_mut().ok_or(io::ErrorKind::NotFound)?;
        if current.written == current.synced {
            return Ok(());
        }
        current.file.sync_data()?;
        if !is_at(&current.file, &current.path) {
            return Err(io::Error::other("the file was moved or deleted, or its folder was"));
        }
        current.synced = current.written;
        Ok(())
    }

    /// Whether the current file has come to its size or age.
    pub(super) fn is_full(&self) -> bool {
        self.current.as_ref().is_some_and(|current| {
            current.written >= self.params.rotate_size || current.begun.elapsed() >= self.params.rotate_age
        })
    }

    /// Ends the current file; what follows goes into another.
    pub(super) fn end(&mut self, state: State) {
        let Some(current) = self.current.take() else { return };
        let left_out = current.written - current.synced;
        if state == State::Failed {
            // It does not count, so that this may fail, and the disk may have room again for it.
            let _ = current.file.set_len(current.synced);
        }
        self.before = Some(Before { file: current.name, state, bytes: current.synced, left_out });
    }

    /// Which files have been kept for long enough. Where the folder cannot be read none are known.
    pub(super) fn gone(&mut self, now: SystemTime) -> Vec<Gone> {
        let Some(current) = self.current.as_ref().and_then(|current| LogFile::at(&current.path)) else {
            return Vec::new();
        };
        let mut files = self.folder.files().unwrap_or_default();
        // What is called after a later record is no file of this log.
        files.retain(|file| file.first <= current.first);
        gone(&files, &mut self.beginnings, self.params.retention, now)
    }

    /// Deletes a file, some time.
    pub(super) fn delete(&self, gone: Gone) {
        self.keeper.give(Job::Delete(gone.file));
    }

    fn compress_others(&self) {
        let files = self.folder.files().unwrap_or_default();
        let is_current =
            |file: &LogFile| self.current.as_ref().is_some_and(|current| current.path == file.path);
        let plain = files.into_iter().filter(|file| !file.is_compressed && !is_current(file));
        plain.for_each(|file| self.keeper.give(Job::Compress(file)));
    }
}
