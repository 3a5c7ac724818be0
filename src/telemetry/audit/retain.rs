//! Which finished files go: those that are older than they have to be kept for, and the oldest where all
//! together are larger than they may be. Never the current one.

use std::time::{Duration, SystemTime};

use super::folder::LogFile;

/// How much is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// For how long after its last record; `None` for ever.
    pub age: Option<Duration>,
    /// Bytes of all files of a replica together; `None` for any number.
    pub size: Option<u64>,
}

/// A file that goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Gone {
    pub(super) file: LogFile,
    /// What it is called.
    pub(super) name: String,
    /// The number of its last record.
    pub(super) through: u64,
    pub(super) bytes: u64,
    pub(super) why: &'static str,
}

/// Which of these files go, the oldest first. They are a replica's, in their order, and the last one is
/// current.
pub(super) fn gone(files: &[LogFile], kept: Retention, now: SystemTime) -> Vec<Gone> {
    let known = |file: &LogFile| {
        let metadata = file.path.metadata().ok()?;
        Some((metadata.len(), metadata.modified().ok()?))
    };
    let sized: Vec<_> = files.iter().map(|file| (file, known(file))).collect();
    let mut total: u64 = sized.iter().filter_map(|(_, known)| known.map(|(bytes, _)| bytes)).sum();
    let mut gone = Vec::new();
    for pair in sized.windows(2) {
        let [(file, Some((bytes, modified))), (next, _)] = pair else { continue };
        let age = now.duration_since(*modified).unwrap_or_default();
        let why = match () {
            () if kept.age.is_some_and(|most| age > most) => "age",
            () if kept.size.is_some_and(|most| total > most) => "size",
            // The rest are younger, and a chain has no holes.
            () => break,
        };
        total -= bytes;
        let through = next.first.saturating_sub(1);
        gone.push(Gone { file: (*file).clone(), name: file.name(), through, bytes: *bytes, why });
    }
    gone
}

#[cfg(test)]
mod tests {
    use super::{Retention, gone};
    use crate::telemetry::audit::folder::{list, name_of};
    use std::fs::File;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn the_oldest_go_and_never_the_current_one() {
        let folder = tempfile::TempDir::new().unwrap();
        let now = UNIX_EPOCH + Duration::from_secs(1_000_000);
        for number in 0..5_u64 {
            let file = File::create(folder.path().join(name_of("gw", 1 + 10 * number))).unwrap();
            file.set_len(100).unwrap();
            file.set_modified(now - Duration::from_secs(100 * (5 - number))).unwrap();
        }
        let files = list(folder.path()).unwrap();
        let going = |age, size| {
            let kept = Retention { age, size };
            gone(&files, kept, now).into_iter().map(|gone| (gone.through, gone.why)).collect::<Vec<_>>()
        };
        assert_eq!(going(None, None), []);
        assert_eq!(going(Some(Duration::from_secs(350)), None), [(10, "age"), (20, "age")]);
        assert_eq!(going(None, Some(300)), [(10, "size"), (20, "size")]);
        assert_eq!(going(Some(Duration::from_secs(450)), Some(350)), [(10, "age"), (20, "size")]);
        assert_eq!(going(Some(Duration::ZERO), Some(0)).len(), 4);
    }
}
