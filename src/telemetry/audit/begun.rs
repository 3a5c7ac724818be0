//! When files of a log were begun, which is when those before them ended: by their own first records, never by what the
//! disk says of a file, which whoever can write the folder sets as they like.
//!
//! Where the gateway signs, a record's time counts with the checkpoint behind it, signed by its key.

use std::collections::BTreeMap;
use std::io;
use std::time::SystemTime;

use super::chain::Line;
use super::checkpoint::PublicKey;
use super::folder::LogFile;
use super::lines::{Lines, Piece};
use super::own::{CHECKPOINT, OPENED, Opened, Signed, signature};

/// Files of which the beginning is read at a time: the log waits meanwhile.
const READS: usize = 64;

/// What is known of a file's beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Begun {
    At(SystemTime),
    /// Another key signed it, or nobody: as before a key was changed.
    OtherKey,
    /// It is none, or cannot be read.
    Unreadable,
}

/// The beginnings of a chain's files.
#[derive(Debug)]
pub(super) struct Beginnings {
    chain: String,
    key: Option<PublicKey>,
    /// By the number of the file's first record; of files that are there.
    known: BTreeMap<u64, Begun>,
    reads: usize,
}

impl Beginnings {
    /// Of a chain whose checkpoints this key signs, if any.
    pub(super) fn new(chain: &str, key: Option<PublicKey>) -> Self {
        Self { chain: chain.to_owned(), key, known: BTreeMap::new(), reads: 0 }
    }

    /// Forgets files that are not there any more, and lets as many be read anew as may be at a time. To be called
    /// with all files, in their order.
    pub(super) fn look_through(&mut self, files: &[LogFile]) {
        self.known.retain(|first, _| files.binary_search_by_key(first, |file| file.first).is_ok());
        self.reads = 0;
    }

    /// By when a file had ended, of those that follow it in their order: when the next was begun, or a later one where
    /// another key signed the next; and which one that is, by its first record. `None` where it is not known, or
    /// not yet.
    pub(super) fn ended(&mut self, followers: &[LogFile]) -> Option<(u64, SystemTime)> {
        for follower in followers {
            match self.of(follower)? {
                Begun::At(time) => return Some((follower.first, time)),
                Begun::OtherKey => {}
                Begun::Unreadable => return None,
            }
        }
        None
    }

    fn of(&mut self, file: &LogFile) -> Option<Begun> {
        let before = self.known.get(&file.first).copied();
        // What cannot be read may be, later; it is told once.
        if let Some(known) = before.filter(|known| *known != Begun::Unreadable) {
            return Some(known);
        }
        if self.reads >= READS {
            return None;
        }
        self.reads += 1;
        let begun = self.read(file).unwrap_or(Begun::Unreadable);
        if begun == Begun::Unreadable && before.is_none() {
            tracing::warn!(
                file = %file.path.display(),
                "the beginning of this audit file cannot be read, or is not as the gateway wrote it: those before it are kept beyond audit.retain_age; 'tollgate audit verify' tells more"
            );
        }
        self.known.insert(file.first, begun);
        Some(begun)
    }

    /// Reads a file's first two records.
    fn read(&self, file: &LogFile) -> io::Result<Begun> {
        let (mut lines, mut first, mut second) = (Lines::open(file)?, Vec::new(), Vec::new());
        let are_lines = lines.next(&mut first)? == Piece::Line && lines.next(&mut second)? == Piece::Line;
        let pair = Line::read(&first).zip(Line::read(&second)).filter(|_| are_lines);
        let Some((opened, checkpoint)) = pair else { return Ok(Begun::Unreadable) };
        let told = serde_json::from_slice::<Opened>(&first).ok();
        let is_ours = opened.kind == OPENED
            && (opened.seq, opened.replica) == (file.first, file.replica.as_str())
            && told.is_some_and(|told| told.chain == self.chain)
            && (checkpoint.kind, checkpoint.replica, checkpoint.prev)
                == (CHECKPOINT, opened.replica, opened.hash)
            && opened.is_whole();
        let time = humantime::parse_rfc3339(opened.time).ok().filter(|_| is_ours);
        Ok(match (time, self.key, signature(&checkpoint, &second, &self.chain)) {
            (None, ..) | (.., Signed::Wrong) => Begun::Unreadable,
            (Some(_), Some(key), Signed::By(by)) if by != key => Begun::OtherKey,
            (Some(_), Some(_), Signed::Not) => Begun::OtherKey,
            (Some(time), ..) => Begun::At(time),
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::{Beginnings, READS};
    use crate::telemetry::audit::chain::Head;
    use crate::telemetry::audit::checkpoint::{Signer, Vouched};
    use crate::telemetry::audit::folder::{LogFile, list, name_of};
    use crate::telemetry::audit::record::{in_hex, name};
    use std::fs::File;
    use std::io::Write as _;
    use std::path::Path;
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    pub(in crate::telemetry::audit) const CHAIN: &str = "00112233445566778899aabbccddeeff";
    /// Some time in 2026.
    pub(in crate::telemetry::audit) fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_796_000_000)
    }

    pub(in crate::telemetry::audit) fn signer() -> Signer {
        Signer::read(Signer::generate().unwrap().as_bytes()).unwrap()
    }

    /// Writes a file that was begun at a time: its first two records.
    pub(in crate::telemetry::audit) fn put_file(
        folder: &Path,
        first: u64,
        begun: SystemTime,
        signer: Option<&Signer>,
    ) -> File {
        let time = humantime::format_rfc3339_nanos(begun).to_string();
        let (mut out, mut head) = (Vec::new(), Head { seq: first - 1, ..Head::default() });
        for kind in ["opened", "checkpoint"] {
            let (start, seq) = (out.len(), head.seq + 1);
            write!(out, "{{\"time\":\"{time}\",\"seq\":{seq},\"replica\":\"gw\",\"kind\":\"{kind}\",\"chain\":\"{CHAIN}\"").unwrap();
            if let Some(signer) = signer.filter(|_| kind == "checkpoint") {
                let vouched = Vouched { replica: "gw", chain: CHAIN, seq, prev: head.hash, time: &time };
                in_hex(&mut out, name!("public_key"), signer.public().bytes());
                in_hex(&mut out, name!("signature"), &signer.sign(&vouched));
            }
            head.seal(&mut out, start);
        }
        let mut file = File::create(folder.join(name_of("gw", first))).unwrap();
        file.write_all(&out).unwrap();
        file
    }

    fn ended(beginnings: &mut Beginnings, files: &[LogFile]) -> Option<u64> {
        beginnings.look_through(files);
        let (first, begun) = beginnings.ended(files)?;
        assert_eq!(begun, now() + Duration::from_secs(first));
        Some(first)
    }

    #[test]
    fn a_time_counts_as_far_as_it_is_signed() {
        let folder = tempfile::TempDir::new().unwrap();
        let (own, other) = (signer(), signer());
        for (first, signer) in [(1, None), (11, Some(&other)), (21, Some(&own)), (31, Some(&own))] {
            put_file(folder.path(), first, now() + Duration::from_secs(first), signer);
        }
        let files = list(folder.path()).unwrap();
        let of = |key| Beginnings::new(CHAIN, key);
        assert_eq!(ended(&mut of(Some(own.public())), &files), Some(21));
        assert_eq!(ended(&mut of(Some(other.public())), &files), Some(11));
        assert_eq!(ended(&mut of(None), &files), Some(1), "nobody signs, and nothing is vouched for");
        assert_eq!(ended(&mut of(Some(signer().public())), &files), None);
        assert_eq!(ended(&mut Beginnings::new("ff", None), &files), None, "another chain");
        // Compressed it is the same; renamed it is another's.
        let own = Some(own.public());
        let third = &files[2].path;
        let content = std::fs::read(third).unwrap();
        let compressed = third.with_extension("jsonl.zst");
        std::fs::write(&compressed, zstd::encode_all(&content[..], 1).unwrap()).unwrap();
        std::fs::remove_file(third).unwrap();
        assert_eq!(ended(&mut of(own), &list(folder.path()).unwrap()[2..]), Some(21));
        std::fs::rename(&compressed, folder.path().join(name_of("gw", 22)).with_extension("jsonl.zst"))
            .unwrap();
        assert_eq!(ended(&mut of(own), &list(folder.path()).unwrap()[2..]), None);
    }

    #[test]
    fn a_beginning_that_was_changed_or_cannot_be_read_tells_nothing_until_it_can() {
        let (folder, own) = (tempfile::TempDir::new().unwrap(), signer());
        let write = |begun| drop(put_file(folder.path(), 1, begun, Some(&own)));
        write(now() + Duration::from_secs(1));
        let files = list(folder.path()).unwrap();
        let content = std::fs::read_to_string(&files[0].path).unwrap();
        let mut beginnings = Beginnings::new(CHAIN, Some(own.public()));
        // Dated back, with a right hash and without.
        write(UNIX_EPOCH + Duration::from_secs(1));
        let back = std::fs::read_to_string(&files[0].path).unwrap();
        let mixed = format!("{}\n{}\n", back.lines().next().unwrap(), content.lines().nth(1).unwrap());
        let cut = content.lines().next().unwrap();
        for changed in ["", "\n", cut, &content.replacen("\"2026", "\"2006", 1), &mixed] {
            std::fs::write(&files[0].path, changed).unwrap();
            assert_eq!(ended(&mut beginnings, &files), None, "{changed}");
        }
        std::fs::write(&files[0].path, content).unwrap();
        assert_eq!(ended(&mut beginnings, &files), Some(1));
        // It is read once.
        std::fs::write(&files[0].path, "").unwrap();
        assert_eq!(ended(&mut beginnings, &files), Some(1));
        assert_eq!(ended(&mut beginnings, &[]), None);
        assert_eq!(ended(&mut beginnings, &files), None, "what is gone is forgotten");
    }

    #[test]
    fn many_files_are_read_over_several_looks() {
        let (folder, own, other) = (tempfile::TempDir::new().unwrap(), signer(), signer());
        let last = READS as u64 + 1;
        for first in 1..=last {
            let signer = if first == last { &own } else { &other };
            put_file(folder.path(), first, now() + Duration::from_secs(first), Some(signer));
        }
        let files = list(folder.path()).unwrap();
        let mut beginnings = Beginnings::new(CHAIN, Some(own.public()));
        assert_eq!(ended(&mut beginnings, &files), None);
        assert_eq!(ended(&mut beginnings, &files), Some(last));
        assert_eq!(beginnings.known.len(), files.len());
    }
}
