//! The folder of an audit log: what its files are called, and that one process writes a chain.
//!
//! A file is called after its replica and the number of its first record, so that names in their order are
//! the chain in its order. Whoever reads needs no lock.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::record::is_replica_name;

/// Digits of a number in a name: names sort as numbers do.
const DIGITS: usize = 20;
pub(super) const PLAIN: &str = ".jsonl";
pub(super) const COMPRESSED: &str = ".jsonl.zst";
/// Of a compressed file that is being written.
pub(super) const UNFINISHED: &str = ".jsonl.zst.new";

/// Why a folder cannot be written to.
#[derive(Debug, thiserror::Error)]
pub enum FolderFault {
    /// The system.
    #[error("the audit folder {0} cannot be used: {1}")]
    Io(PathBuf, #[source] io::Error),
    /// Others may read or write it.
    #[error(
        "the audit folder {0} has mode {1:o}; accepted: one that others can neither read nor write, nor its group write (chmod 700)"
    )]
    Open(PathBuf, u32),
    /// Another process has it.
    #[error(
        "another process writes the audit log of the replica {1:?} in {0}; give each replica a name of its own (audit.replica), or stop the other"
    )]
    Taken(PathBuf, String),
}

/// A file of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFile {
    /// Where it is.
    pub path: PathBuf,
    /// Whose.
    pub replica: String,
    /// The number of its first record.
    pub first: u64,
    /// Whether it is compressed.
    pub is_compressed: bool,
}

impl LogFile {
    /// A file by its path, if it is called like one of a log.
    pub fn at(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        let (stem, is_compressed) = match name.strip_suffix(COMPRESSED) {
            Some(stem) => (stem, true),
            None => (name.strip_suffix(PLAIN)?, false),
        };
        let (replica, number) = stem.rsplit_once('-')?;
        let digits = number.len() == DIGITS && number.bytes().all(|byte| byte.is_ascii_digit());
        let first = number.parse().ok().filter(|_| digits && is_replica_name(replica))?;
        Some(Self { path: path.to_owned(), replica: replica.to_owned(), first, is_compressed })
    }

    /// What it is called before it is compressed.
    pub fn name(&self) -> String {
        name_of(&self.replica, self.first)
    }
}

/// What the file is called that begins with a record.
pub(super) fn name_of(replica: &str, first: u64) -> String {
    format!("{replica}-{first:0DIGITS$}{PLAIN}")
}

/// The log's files in a folder: by replica, and by number. Where one is there in both forms, since
/// a crash came between, the plain one is told.
pub fn list(folder: &Path) -> io::Result<Vec<LogFile>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        files.extend(LogFile::at(&entry?.path()));
    }
    files.sort_by(|one, two| {
        let order = |file: &LogFile| (file.first, file.is_compressed);
        one.replica.cmp(&two.replica).then(order(one).cmp(&order(two)))
    });
    files.dedup_by(|one, two| one.replica == two.replica && one.first == two.first);
    Ok(files)
}

/// A folder that this process writes one chain in.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    replica: String,
    /// Held for as long as this is.
    lock: File,
}

impl Folder {
    /// Makes the folder where it is not there, and takes its lock.
    pub(super) fn open(path: &Path, replica: &str) -> Result<Self, FolderFault> {
        let io = |error| FolderFault::Io(path.to_owned(), error);
        if !path.exists() {
            DirBuilder::new().mode(0o700).create(path).map_err(io)?;
        }
        let mode = path.metadata().map_err(io)?.mode() & 0o777;
        if mode & 0o027 != 0 {
            return Err(FolderFault::Open(path.to_owned(), mode));
        }
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        let lock = options.open(path.join(format!("{replica}.lock"))).map_err(io)?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self { path: path.to_owned(), replica: replica.to_owned(), lock }),
            Err(rustix::io::Errno::WOULDBLOCK) => {
                Err(FolderFault::Taken(path.to_owned(), replica.to_owned()))
            }
            Err(error) => Err(io(error.into())),
        }
    }

    /// Gives the lock up and takes it again, where somebody moved the folder, or put another in its place.
    pub(super) fn open_again(&mut self) -> io::Result<()> {
        if self.is_there() {
            return Ok(());
        }
        if !self.path.exists() {
            return Err(io::ErrorKind::NotFound.into());
        }
        flock(&self.lock, FlockOperation::Unlock)?;
        *self = Self::open(&self.path, &self.replica).map_err(io::Error::other)?;
        Ok(())
    }

    /// Whether what is locked is what is there.
    fn is_there(&self) -> bool {
        is_at(&self.lock, &self.path.join(format!("{}.lock", self.replica)))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn replica(&self) -> &str {
        &self.replica
    }

    /// The files of this replica.
    pub(super) fn files(&self) -> io::Result<Vec<LogFile>> {
        let mut files = list(&self.path)?;
        files.retain(|file| file.replica == self.replica);
        Ok(files)
    }

    /// Makes what was created, renamed or deleted in the folder last.
    pub(super) fn sync(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }
}

/// Whether an open file is the one that a path leads to.
pub(super) fn is_at(file: &File, path: &Path) -> bool {
    let same =
        |one: &std::fs::Metadata, two: &std::fs::Metadata| (one.dev(), one.ino()) == (two.dev(), two.ino());
    matches!((file.metadata(), path.metadata()), (Ok(one), Ok(two)) if same(&one, &two))
}

/// Makes a file that must not be there yet, for its owner alone.
pub(super) fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use super::{Folder, FolderFault, LogFile, list, name_of};
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;

    #[test]
    fn names_are_read_as_they_are_written_and_sort_as_numbers() {
        let file = LogFile::at(Path::new("/x").join(name_of("gw-1", 42)).as_path()).unwrap();
        assert_eq!((file.replica.as_str(), file.first, file.is_compressed), ("gw-1", 42, false));
        assert_eq!(file.name(), "gw-1-00000000000000000042.jsonl");
        assert!(LogFile::at(Path::new("a-00000000000000000042.jsonl.zst")).unwrap().is_compressed);
        for other in [
            "a-42.jsonl",
            "a.jsonl",
            "a.lock",
            "a-00000000000000000042.jsonl.zst.new",
            "-00000000000000000042.jsonl",
        ] {
            assert_eq!(LogFile::at(Path::new(other)), None, "{other}");
        }
        let folder = tempfile::TempDir::new().unwrap();
        for (replica, first) in [("b", 100), ("a", 9), ("a", 10)] {
            std::fs::write(folder.path().join(name_of(replica, first)), "").unwrap();
        }
        std::fs::write(folder.path().join(format!("{}.zst", name_of("a", 9))), "").unwrap();
        let found: Vec<_> =
            list(folder.path()).unwrap().into_iter().map(|f| (f.replica, f.first, f.is_compressed)).collect();
        assert_eq!(found, [("a".into(), 9, false), ("a".into(), 10, false), ("b".into(), 100, false)]);
    }

    #[test]
    fn one_process_writes_a_replica_and_others_read_nothing() {
        let parent = tempfile::TempDir::new().unwrap();
        let path = parent.path().join("audit");
        let open = |replica| Folder::open(&path, replica);
        let folder = open("a").unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        assert!(matches!(open("a"), Err(FolderFault::Taken(..))));
        open("b").unwrap();
        drop(folder);
        open("a").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let told = open("a").unwrap_err().to_string();
        assert!(told.contains("755") && told.contains("chmod 700"), "{told}");
    }

    #[test]
    fn a_folder_that_was_moved_is_missed_and_taken_again() {
        let parent = tempfile::TempDir::new().unwrap();
        let (path, aside) = (parent.path().join("audit"), parent.path().join("aside"));
        let mut folder = Folder::open(&path, "a").unwrap();
        std::fs::rename(&path, &aside).unwrap();
        assert!(folder.open_again().is_err());
        std::fs::rename(&aside, &path).unwrap();
        folder.open_again().unwrap();
        std::fs::rename(&path, &aside).unwrap();
        std::fs::create_dir(&path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
        folder.open_again().unwrap();
        assert!(matches!(Folder::open(&path, "a"), Err(FolderFault::Taken(..))));
    }
}
