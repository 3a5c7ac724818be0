//! Which finished files go: those that are older than they have to be kept for, and the oldest where all
//! together are larger than they may be. Never the current one, and none for what the disk says of its time.

use std::time::{Duration, SystemTime};

use super::begun::Beginnings;
use super::folder::LogFile;

/// How much is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// For how long after it ended, which is when the next was begun; `None` for ever.
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
pub(super) fn gone(
    files: &[LogFile],
    beginnings: &mut Beginnings,
    kept: Retention,
    now: SystemTime,
) -> Vec<Gone> {
    if kept == Retention::default() {
        return Vec::new();
    }
    beginnings.look_through(files);
    let length = |file: &LogFile| Some(file.path.metadata().ok()?.len());
    let lengths: Vec<_> = files.iter().map(length).collect();
    let mut total: u64 = lengths.iter().flatten().fold(0, |total, bytes| total.saturating_add(*bytes));
    let (mut gone, mut ended) = (Vec::new(), None);
    for (at, (file, bytes)) in files.iter().zip(&lengths).enumerate() {
        let followers = files.get(at + 1..).unwrap_or_default();
        let (Some(next), Some(bytes)) = (followers.first(), *bytes) else { continue };
        let is_old = kept.age.is_some_and(|most| {
            // What is known of a later file holds for all in front of it.
            ended = ended.filter(|(by, _)| *by >= next.first).or_else(|| beginnings.ended(followers));
            ended.is_some_and(|(_, time)| now.duration_since(time).unwrap_or_default() > most)
        });
        let why = match () {
            () if is_old => "age",
            () if kept.size.is_some_and(|most| total > most) => "size",
            // The rest are younger, and a chain has no holes.
            () => break,
        };
        total = total.saturating_sub(bytes);
        let through = next.first.saturating_sub(1);
        gone.push(Gone { file: file.clone(), name: file.name(), through, bytes, why });
    }
    gone
}

#[cfg(test)]
mod tests {
    use super::{Beginnings, Retention, gone};
    use crate::telemetry::audit::begun::tests::{CHAIN, now, put_file, signer};
    use crate::telemetry::audit::folder::list;
    use std::time::Duration;

    const YEAR: Duration = Duration::from_secs(365 * 86_400);

    #[test]
    fn the_oldest_go_and_never_the_current_one() {
        let (folder, signer) = (tempfile::TempDir::new().unwrap(), signer());
        for number in 0..5_u64 {
            // One ends when the next begins: 400, 300, 200 and 100 seconds ago.
            let begun = now() - Duration::from_secs(100 * (5 - number));
            let file = put_file(folder.path(), 1 + 10 * number, begun, Some(&signer));
            file.set_len(1_000).unwrap();
            // What the disk says of it is the contrary.
            file.set_modified(now() - YEAR * (number as u32 + 1)).unwrap();
        }
        let files = list(folder.path()).unwrap();
        let mut beginnings = Beginnings::new(CHAIN, Some(signer.public()));
        let mut going = |age, size| {
            let kept = Retention { age, size };
            let gone = gone(&files, &mut beginnings, kept, now());
            gone.into_iter().map(|gone| (gone.through, gone.why)).collect::<Vec<_>>()
        };
        assert_eq!(going(None, None), []);
        assert_eq!(going(Some(YEAR), None), []);
        assert_eq!(going(Some(Duration::from_secs(250)), None), [(10, "age"), (20, "age")]);
        assert_eq!(going(None, Some(3_000)), [(10, "size"), (20, "size")]);
        assert_eq!(going(Some(Duration::from_secs(350)), Some(3_500)), [(10, "age"), (20, "size")]);
        assert_eq!(going(Some(Duration::ZERO), Some(0)).len(), 4);
    }
}
