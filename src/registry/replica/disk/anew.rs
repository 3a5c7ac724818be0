//! Writing the file anew, without what later frames replaced: bit by bit between changes, since all of
//! it at once would keep a revocation waiting for as long as the disk takes.
//!
//! The records that are in force at the beginning are copied in the order of the file, and what changes
//! meanwhile is written to both. Until the new file has all and is synced it counts for nothing.

use std::fs::File;
use std::io;

use super::frames::{beside, private};
use super::{Disk, Place};
use crate::base::KeyId;

/// Records that are copied and synced at once: about a mebibyte, some ten milliseconds.
const SLICE: usize = if cfg!(test) { 3 } else { 2_000 };
/// A file is written anew when it is twice what is in force, and this larger. Tests do it all the time.
const SLACK: u64 = if cfg!(test) { 4 * 1024 } else { 64 * 1024 * 1024 };

/// A new file that is being written. It holds a second table of all places while it is.
pub(super) struct Anew {
    disk: Disk,
    /// What is to be copied, and how much of it was.
    todo: Vec<KeyId>,
    copied: usize,
}

impl Disk {
    /// Goes on with writing the file anew, or begins with that where it is due. To be called between
    /// batches; where it fails, the file goes on growing for a while.
    pub(in crate::registry::replica) fn tidy(&mut self) {
        if !self.placed.is_empty() || self.failed {
            return;
        }
        let done = match self.anew.take() {
            Some(anew) => self.go_on(anew),
            None if self.end > (2 * self.live + SLACK).max(self.anew_at) => self.begin(),
            None => Ok(()),
        };
        if let Err(error) = done {
            tracing::warn!(file = %self.path.display(), %error, "replica's file cannot be written anew, it goes on growing");
            self.anew_at = self.end + SLACK;
        }
    }

    fn begin(&mut self) -> io::Result<()> {
        let aside = beside(&self.path, "new");
        let file = private(&aside)?;
        rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive)?;
        file.set_len(0)?;
        let mut disk = Self::empty(&aside, file);
        disk.places.reserve(self.places.len());
        let mut places: Vec<(u64, KeyId)> =
            self.places.iter().map(|(id, place)| (place.offset, *id)).collect();
        places.sort_unstable_by_key(|(offset, _)| *offset);
        let todo = places.into_iter().map(|(_, id)| id).collect();
        self.anew = Some(Box::new(Anew { disk, todo, copied: 0 }));
        Ok(())
    }

    /// Copies a slice; the last one puts the new file in this one's place.
    fn go_on(&mut self, mut anew: Box<Anew>) -> io::Result<()> {
        let Some(mark) = self.mark else { return Ok(()) };
        let slice = anew.todo.iter().skip(anew.copied).take(SLICE);
        for id in slice {
            // What changed meanwhile is there already, or gone.
            if let (Some(place), None) = (self.place(*id), anew.disk.place(*id)) {
                anew.disk.put(*id, place.version, &self.text(place)?, place.lost)?;
            }
        }
        anew.copied += SLICE;
        self.epochs.iter().for_each(|epoch| anew.disk.follow(*epoch));
        anew.disk.commit(mark)?;
        if anew.copied < anew.todo.len() {
            self.anew = Some(anew);
            return Ok(());
        }
        // Once it is renamed nothing may fail before it is the file: what came later would be written to
        // one that nobody finds again.
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.map(File::open).transpose()?;
        std::fs::rename(&anew.disk.path, &self.path)?;
        let (path, failed) = (std::mem::take(&mut self.path), self.failed);
        *self = anew.disk;
        (self.path, self.failed) = (path, failed);
        let synced = folder.map_or(Ok(()), |folder| folder.sync_all());
        synced.inspect_err(|_| self.failed = true)
    }

    /// Writes what a batch changed to the new file too, where there is one.
    pub(super) fn changed(&mut self, id: KeyId, place: Option<Place>) -> io::Result<()> {
        let Some(mut anew) = self.anew.take() else { return Ok(()) };
        match place {
            Some(place) => anew.disk.put(id, place.version, &self.text(place)?, place.lost)?,
            None => anew.disk.remove(id)?,
        }
        self.anew = Some(anew);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{id, mark, open, texts};
    use super::Disk;

    /// A disk on which twenty rounds of changes were made.
    fn grown(path: &std::path::Path) -> Disk {
        let mut disk = open(path);
        for round in 1..21_u64 {
            for number in 0..100 {
                disk.put(id(number), round, &format!("{round} {number}"), number == 60).unwrap();
            }
            disk.commit(mark(round)).unwrap();
        }
        disk
    }

    #[test]
    fn what_changes_meanwhile_is_in_the_new_file_too() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("replica");
        let mut disk = grown(&path);
        let size = disk.end;
        disk.tidy();
        assert!(disk.anew.is_some(), "it is due");
        let mut turns = 0;
        while disk.anew.is_some() {
            // Of what was copied, of what was not yet, and what was not there.
            let numbers = [turns, 99 - turns, 200 + turns];
            for number in numbers {
                disk.put(id(number), 100, &format!("changed {number}"), false).unwrap();
            }
            disk.remove(id(50 + turns % 3)).unwrap();
            disk.commit(mark(100 + u64::from(turns))).unwrap();
            let before = texts(&disk);
            disk.tidy();
            assert_eq!(texts(&disk), before);
            turns += 1;
        }
        assert!(turns >= 100 / 3 && disk.end < size / 3, "{turns} turns, {} of {size} bytes", disk.end);
        assert_eq!(disk.lost(), 1);
        let (held, last) = (texts(&disk), disk.mark);
        assert!(!folder.path().join("replica.new").exists());
        drop(disk);
        let disk = open(&path);
        assert_eq!((texts(&disk), disk.mark, disk.lost()), (held, last, 1));
    }

    #[test]
    fn a_gateway_that_ends_in_between_has_its_old_file() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("replica");
        let mut disk = grown(&path);
        (0..5).for_each(|_| disk.tidy());
        assert!(disk.anew.is_some());
        let held = texts(&disk);
        drop(disk);
        let mut disk = open(&path);
        assert_eq!(texts(&disk), held);
        // And begins again.
        (0..100).for_each(|_| disk.tidy());
        assert!(disk.anew.is_none() && texts(&disk) == held);
    }

    #[test]
    fn what_was_followed_and_buried_is_known_after_it() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("replica");
        let mut disk = grown(&path);
        disk.bury(id(3), true).unwrap();
        disk.commit(crate::registry::replica::disk::Mark { seen_ms: 9, ..mark(30) }).unwrap();
        let other = |epoch| {
            let mut mark = mark(31);
            mark.position.epoch = epoch;
            mark
        };
        disk.commit(other(7)).unwrap();
        (0..100).for_each(|_| disk.tidy());
        assert!(disk.anew.is_none() && disk.has_followed(1) && disk.has_followed(7));
        disk.clear().unwrap();
        disk.put(id(1), 1, "one", false).unwrap();
        disk.roll_back();
        disk.commit(other(8)).unwrap();
        drop(disk);
        let disk = open(&path);
        assert!([1, 7, 8].into_iter().all(|epoch| disk.has_followed(epoch)) && !disk.has_followed(9));
        assert_eq!((disk.len(), disk.lost()), (0, 0));
    }

    #[test]
    fn a_file_that_cannot_be_written_anew_grows_on() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("replica");
        let mut disk = grown(&path);
        std::fs::create_dir(folder.path().join("replica.new")).unwrap();
        disk.tidy();
        assert!(disk.anew.is_none() && disk.anew_at > disk.end);
        disk.put(id(1), 100, "later", false).unwrap();
        disk.commit(mark(100)).unwrap();
        assert_eq!(texts(&disk)[&id(1)], "later");
    }
}
