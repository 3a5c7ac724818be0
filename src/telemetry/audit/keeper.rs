//! The thread that compresses finished files and deletes those that go, slowly: neither the writer nor a worker
//! waits for it.
//!
//! A compressed file is written aside, synced, and put in place by its name before the plain one goes: a crash
//! leaves one of the two whole, or both.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufReader, Read as _, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::folder::{COMPRESSED, LogFile, PLAIN, UNFINISHED, create};

/// Jobs that may wait.
const JOBS: usize = 64;
/// What is compressed in one go, and the pause behind it: some 50 MiB a second at most, a sixth of a core, which is
/// more than one writer writes. Where others want the core it gets next to nothing of it (see [`NICE`]).
const CHUNK: usize = 128 * 1024;
const PAUSE: Duration = Duration::from_millis(2);
/// Records become a seventh, most of which are the hashes, in 3 ns a byte. The levels 2 and 3 take 1.3 and 2.3
/// times as long and find less, as they look for short matches in what is random.
const LEVEL: i32 = 1;
/// Beneath everything that serves requests: of a core that is wanted all the time it gets 1.5 %. Files that are
/// finished in a rush wait, plain, for its end; retention counts them as they are.
const NICE: i32 = 19;

/// What is to be done to a finished file.
#[derive(Clone, Debug)]
pub(super) enum Job {
    Compress(LogFile),
    Delete(LogFile),
}

impl Job {
    /// Its file's name without its form, which compressing changes.
    fn stem(&self) -> String {
        let (Self::Compress(file) | Self::Delete(file)) = self;
        stem(&file.path)
    }

    fn deletes(&self) -> bool {
        matches!(self, Self::Delete(_))
    }
}

/// What waits and what is being done, no file twice. Deleting goes first: it is what makes room on the disk.
#[derive(Debug, Default)]
struct Jobs {
    waiting: VecDeque<Job>,
    /// What is at work.
    at: Option<Job>,
}

impl Jobs {
    fn add(&mut self, job: Job) {
        let same = |known: &Job| known.stem() == job.stem() && known.deletes() == job.deletes();
        if self.at.iter().chain(&self.waiting).any(same) {
            return;
        }
        if job.deletes() {
            // It need not be compressed any more, and there is always room for it.
            self.waiting.retain(|known| known.deletes() || known.stem() != job.stem());
            if self.waiting.len() >= JOBS {
                if self.waiting.back().is_some_and(Job::deletes) {
                    return;
                }
                self.waiting.pop_back();
            }
            let behind = self.waiting.iter().take_while(|known| known.deletes()).count();
            self.waiting.insert(behind, job);
        } else if self.waiting.len() < JOBS {
            self.waiting.push_back(job);
        }
    }
}

/// The thread; it ends after what it is at when this is dropped.
#[derive(Debug)]
pub(super) struct Keeper {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    jobs: Mutex<Jobs>,
    new: Condvar,
    stop: AtomicBool,
}

impl Shared {
    fn jobs(&self) -> MutexGuard<'_, Jobs> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next job, once there is one; nothing where it is time to stop.
    fn next(&self) -> Option<Job> {
        let mut jobs = self.jobs();
        jobs.at = None;
        loop {
            if self.stop.load(Ordering::Relaxed) {
                return None;
            }
            if let Some(job) = jobs.waiting.pop_front() {
                jobs.at = Some(job.clone());
                return Some(job);
            }
            jobs = self.new.wait(jobs).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Keeper {
    pub(super) fn start() -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("audit-files".into()).spawn(move || keep(&theirs))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Takes a job, where there is room; one that found none is found again when the next file is finished.
    pub(super) fn give(&self, job: Job) {
        self.shared.jobs().add(job);
        self.shared.new.notify_one();
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        {
            // Under the lock: a thread that has just looked would sleep through it.
            let _jobs = self.shared.jobs();
            self.shared.stop.store(true, Ordering::Relaxed);
        }
        self.shared.new.notify_one();
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

fn keep(shared: &Shared) {
    let _ = rustix::process::setpriority_process(None, NICE);
    while let Some(job) = shared.next() {
        let (what, file, done) = match job {
            Job::Compress(file) => ("compressed", file.clone(), compress(&file, &shared.stop)),
            Job::Delete(file) => ("deleted", file.clone(), delete(&file)),
        };
        match done {
            Ok(()) => tracing::debug!(file = %file.path.display(), what, "audit file"),
            Err(error) => {
                tracing::warn!(file = %file.path.display(), %error, what, "audit file could not be");
            }
        }
    }
}

fn delete(file: &LogFile) -> io::Result<()> {
    // It may have been compressed since.
    let stem = stem(&file.path);
    let mut found = Err(io::ErrorKind::NotFound.into());
    for form in [PLAIN, COMPRESSED] {
        found = std::fs::remove_file(format!("{stem}{form}")).or(found);
    }
    found
}

fn stem(path: &Path) -> String {
    let path = path.to_string_lossy();
    let path = path.strip_suffix(COMPRESSED).unwrap_or(&path);
    path.strip_suffix(PLAIN).unwrap_or(path).to_owned()
}

fn compress(file: &LogFile, stop: &AtomicBool) -> io::Result<()> {
    let stem = stem(&file.path);
    let (aside, place) = (format!("{stem}{UNFINISHED}"), format!("{stem}{COMPRESSED}"));
    if !Path::new(&place).exists() {
        let _ = std::fs::remove_file(&aside);
        if !written(file, Path::new(&aside), stop)? {
            return std::fs::remove_file(&aside);
        }
        std::fs::rename(&aside, &place)?;
        sync_folder(Path::new(&place))?;
    }
    std::fs::remove_file(&file.path)
}

/// Writes a file compressed; whether it came to the end.
fn written(file: &LogFile, aside: &Path, stop: &AtomicBool) -> io::Result<bool> {
    let source = File::open(&file.path)?;
    let modified = source.metadata()?.modified()?;
    let mut reader = BufReader::new(source);
    let mut encoder = zstd::stream::write::Encoder::new(create(aside)?, LEVEL)?;
    encoder.include_checksum(true)?;
    let mut chunk = Vec::with_capacity(CHUNK);
    loop {
        chunk.clear();
        if reader.by_ref().take(CHUNK as u64).read_to_end(&mut chunk)? == 0 {
            break;
        }
        encoder.write_all(&chunk)?;
        if stop.load(Ordering::Relaxed) {
            return Ok(false);
        }
        std::thread::park_timeout(PAUSE);
    }
    let done = encoder.finish()?;
    // For people who look at the folder: nothing goes by it.
    done.set_modified(modified)?;
    done.sync_all()?;
    Ok(true)
}

fn sync_folder(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

#[cfg(test)]
mod tests {
    use super::{JOBS, Job, Jobs, Keeper, compress};
    use crate::telemetry::audit::folder::{LogFile, list, name_of};
    use std::sync::atomic::AtomicBool;
    use std::time::Duration;

    fn file(folder: &std::path::Path, content: &[u8]) -> LogFile {
        let path = folder.join(name_of("gw", 1));
        std::fs::write(&path, content).unwrap();
        LogFile::at(&path).unwrap()
    }

    #[test]
    fn a_file_is_compressed_in_one_step_or_not_at_all() {
        let folder = tempfile::TempDir::new().unwrap();
        let content = b"{\"time\":\"2026\"}\n".repeat(20_000);
        let plain = file(folder.path(), &content);
        let old = std::time::UNIX_EPOCH + Duration::from_secs(1_000_000);
        std::fs::File::options().write(true).open(&plain.path).unwrap().set_modified(old).unwrap();
        // Told to stop in the middle of it.
        compress(&plain, &AtomicBool::new(true)).unwrap();
        assert_eq!(list(folder.path()).unwrap(), std::slice::from_ref(&plain));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        // What a crash left of the last try.
        std::fs::write(folder.path().join("gw-00000000000000000001.jsonl.zst.new"), "half").unwrap();
        compress(&plain, &AtomicBool::new(false)).unwrap();
        let [done] = &list(folder.path()).unwrap()[..] else { panic!() };
        assert!(done.is_compressed && std::fs::read_dir(folder.path()).unwrap().count() == 1);
        assert_eq!(zstd::decode_all(std::fs::File::open(&done.path).unwrap()).unwrap(), content);
        assert_eq!(done.path.metadata().unwrap().modified().unwrap(), old);
        // A crash after it was put in place and before the plain one went.
        let plain = file(folder.path(), &content);
        assert_eq!(list(folder.path()).unwrap(), std::slice::from_ref(&plain));
        compress(&plain, &AtomicBool::new(false)).unwrap();
        assert!(list(folder.path()).unwrap()[0].is_compressed);
    }

    #[test]
    fn deleting_goes_first_nothing_is_done_twice_and_what_waits_is_bounded() {
        let folder = tempfile::TempDir::new().unwrap();
        let at = |first| {
            let path = folder.path().join(name_of("gw", first));
            std::fs::write(&path, "x").unwrap();
            LogFile::at(&path).unwrap()
        };
        let mut jobs = Jobs { at: Some(Job::Compress(at(1))), ..Jobs::default() };
        for first in [1, 2, 3, 2, 4] {
            jobs.add(Job::Compress(at(first)));
        }
        for first in [3, 1, 3] {
            jobs.add(Job::Delete(at(first)));
        }
        let told = |jobs: &Jobs| {
            let told = |job: &Job| (job.deletes(), job.stem().split_off(job.stem().len() - 1));
            jobs.waiting.iter().map(told).collect::<Vec<_>>()
        };
        let expected = [(true, "3"), (true, "1"), (false, "2"), (false, "4")];
        assert_eq!(told(&jobs), expected.map(|(deletes, file)| (deletes, file.to_owned())));
        for first in 10..10 + 2 * JOBS as u64 {
            jobs.add(Job::Compress(at(first)));
            assert!(jobs.waiting.len() <= JOBS);
        }
        for first in 10..10 + 2 * JOBS as u64 {
            jobs.add(Job::Delete(at(first)));
            assert!(jobs.waiting.len() <= JOBS);
        }
        assert!(
            jobs.waiting.iter().all(Job::deletes),
            "no file that is to be compressed keeps one from going"
        );
    }

    #[test]
    fn jobs_are_done_in_their_order() {
        let folder = tempfile::TempDir::new().unwrap();
        let plain = file(folder.path(), b"x\n");
        let keeper = Keeper::start().unwrap();
        keeper.give(Job::Compress(plain.clone()));
        keeper.give(Job::Delete(plain));
        let begun = std::time::Instant::now();
        while std::fs::read_dir(folder.path()).unwrap().count() > 0 {
            assert!(begun.elapsed() < Duration::from_secs(10));
            std::thread::yield_now();
        }
    }
}
