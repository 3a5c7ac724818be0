//! A replica's own copy of the keys, in a file that only it reads: what it goes on with while
//! Redis is away, and what tells that Redis lost something.
//!
//! A line that says what it is, then frames: length (4 bytes, little-endian), CRC-32 of what
//! follows (ISO-HDLC), kind (1 byte), content. A record's frame is its key id, its version
//! (8 bytes) and its text, of another kind where the registry has lost it; a later frame of a key replaces an earlier one. A mark holds the
//! position that the frames before it lead to, and the time. A batch is frames and a mark, written and
//! synced before anything is called applied. What a crash left unfinished behind the last mark
//! is cut off; damage before it makes the file useless, and it is put aside.

mod anew;
mod frames;
mod reading;

use std::fs::File;
use std::io::{self, BufReader, Read, Seek as _, SeekFrom};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use crate::base::key::KEY_ID;
use crate::base::{KeyId, bounds};

use anew::Anew;
pub(super) use frames::Mark;
use frames::{EPOCH, EPOCHS, GONE, HEAD, LOST, RECORD, TITLE, beside, private};

/// Bytes that are gathered before they are written.
const GATHERED: usize = 1 << 20;

/// Where a key's last frame lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::registry::replica) struct Place {
    /// Version of the record.
    pub(in crate::registry::replica) version: u64,
    offset: u64,
    length: u32,
    crc: u32,
    /// Whether the registry has lost it.
    pub(in crate::registry::replica) lost: bool,
}

impl Place {
    /// Nowhere: what a batch says of a key that it takes out.
    const NONE: Self = Self { version: 0, offset: u64::MAX, length: 0, crc: 0, lost: false };

    /// Bytes of its frame.
    fn weight(&self) -> u64 {
        u64::from(self.length) + (HEAD + 1 + KEY_ID + 8) as u64
    }

    /// Whether the key was purged.
    pub(in crate::registry::replica) fn is_buried(&self) -> bool {
        self.version == u64::MAX && self.length == 0
    }

    /// Whether nothing is known of the key but a version: it is denied until a newer one comes.
    pub(in crate::registry::replica) fn is_withheld(&self) -> bool {
        self.length == 0 && !self.is_buried()
    }

    /// Whether a text is the one that lies here, but for one in four thousand million.
    pub(in crate::registry::replica) fn holds(&self, text: &str) -> bool {
        self.length as usize == text.len() && self.crc == crc32fast::hash(text.as_bytes())
    }
}

/// The open file.
pub(in crate::registry::replica) struct Disk {
    path: PathBuf,
    file: File,
    /// Where the last whole batch ends.
    end: u64,
    /// Frames of the batch that is being made, and what they change.
    batch: Vec<u8>,
    /// Where the batch's gathered bytes will lie.
    written: u64,
    placed: HashMap<KeyId, Place, RandomState>,
    /// Bytes of frames in force.
    live: u64,
    /// The file that is to take this one's place, and the size below which none is begun.
    anew: Option<Box<Anew>>,
    anew_at: u64,
    lost: usize,
    /// Every registry that was ever followed, and how many of those the file tells.
    epochs: Vec<u64>,
    told: usize,
    /// Whether the system once failed to put something on the disk: what it says of it afterwards
    /// cannot be believed.
    failed: bool,
    places: HashMap<KeyId, Place, RandomState>,
    pub(in crate::registry::replica) mark: Option<Mark>,
}

impl Disk {
    /// Opens the file, making it where it is not there. A file that cannot be used is put aside,
    /// and the reason told.
    pub(in crate::registry::replica) fn open(path: &Path) -> io::Result<(Self, Option<String>)> {
        let file = private(path)?;
        rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive)
            .map_err(|_| io::Error::other("another gateway uses it; each replica needs a file of its own"))?;
        let mut disk = Self::empty(path, file);
        let Err(damage) = disk.read()? else { return Ok((disk, None)) };
        let aside = beside(path, "damaged");
        std::fs::rename(path, &aside)?;
        let (fresh, _) = Self::open(path)?;
        Ok((fresh, Some(format!("{damage}; it is put aside as {}", aside.display()))))
    }

    fn empty(path: &Path, file: File) -> Self {
        Self {
            path: path.to_owned(),
            file,
            end: 0,
            batch: Vec::new(),
            written: 0,
            placed: HashMap::default(),
            live: 0,
            anew: None,
            anew_at: 0,
            lost: 0,
            epochs: Vec::new(),
            told: 0,
            failed: false,
            places: HashMap::default(),
            mark: None,
        }
    }

    /// How many of its records the registry has lost.
    pub(in crate::registry::replica) fn lost(&self) -> usize {
        self.lost
    }

    /// Whether the system once failed to put something on the disk.
    pub(in crate::registry::replica) fn has_failed(&self) -> bool {
        self.failed
    }

    /// Whether a registry was ever followed, under this epoch.
    pub(in crate::registry::replica) fn has_followed(&self, epoch: u64) -> bool {
        self.epochs.contains(&epoch)
    }

    /// How many records it holds.
    pub(in crate::registry::replica) fn len(&self) -> usize {
        self.places.len()
    }

    /// The keys that it holds.
    pub(in crate::registry::replica) fn keys(&self) -> impl Iterator<Item = KeyId> {
        self.places.keys().copied()
    }

    /// Where a key's record lies.
    pub(in crate::registry::replica) fn place(&self, id: KeyId) -> Option<Place> {
        self.places.get(&id).copied()
    }

    /// A record's text.
    pub(in crate::registry::replica) fn text(&self, place: Place) -> io::Result<String> {
        let mut text = vec![0; place.length as usize];
        self.file.read_exact_at(&mut text, place.offset)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    /// Hands every record to `each`, in the order of the file.
    pub(in crate::registry::replica) fn each(&self, each: &mut dyn FnMut(KeyId, &str)) -> io::Result<()> {
        let mut places: Vec<(KeyId, Place)> = self.places.iter().map(|(id, place)| (*id, *place)).collect();
        places.sort_unstable_by_key(|(_, place)| place.offset);
        let mut reader = BufReader::with_capacity(GATHERED, &self.file);
        let (mut at, mut text) = (reader.seek(SeekFrom::Start(0))?, Vec::new());
        for (id, place) in places.into_iter().filter(|(_, place)| !place.is_buried()) {
            reader.seek_relative(i64::try_from(place.offset - at).unwrap_or(i64::MAX))?;
            text.resize(place.length as usize, 0);
            reader.read_exact(&mut text)?;
            at = place.offset + u64::from(place.length);
            each(id, &String::from_utf8_lossy(&text));
        }
        Ok(())
    }

    /// Whether the batch that is being made says something of a key.
    pub(in crate::registry::replica) fn is_changing(&self, id: KeyId) -> bool {
        self.placed.contains_key(&id)
    }

    /// Adds a record to the batch.
    pub(in crate::registry::replica) fn put(
        &mut self,
        id: KeyId,
        version: u64,
        text: &str,
        lost: bool,
    ) -> io::Result<()> {
        // What is too long is no record, and its beginning might be one.
        let text = if text.len() > bounds::RECORD_BYTES { &[] } else { text.as_bytes() };
        let offset =
            self.frame(&[&[if lost { LOST } else { RECORD }], &id.to_text(), &version.to_le_bytes(), text])?
                - text.len() as u64;
        let crc = crc32fast::hash(text);
        self.placed.insert(id, Place { version, offset, length: text.len() as u32, crc, lost });
        Ok(())
    }

    /// Adds to the batch that a key was purged: it is denied for good, whatever comes of it. `lost` where
    /// the registry has it again.
    pub(in crate::registry::replica) fn bury(&mut self, id: KeyId, lost: bool) -> io::Result<()> {
        self.put(id, u64::MAX, "", lost)
    }

    /// Takes a key out with the batch.
    pub(in crate::registry::replica) fn remove(&mut self, id: KeyId) -> io::Result<()> {
        self.frame(&[&[GONE], &id.to_text()])?;
        self.placed.insert(id, Place::NONE);
        Ok(())
    }

    /// Ends the batch with a mark; it is on the disk when this returns.
    pub(in crate::registry::replica) fn commit(&mut self, mark: Mark) -> io::Result<()> {
        self.commit_unsynced(mark)?;
        self.sync()
    }

    /// Puts what was committed on the disk.
    pub(in crate::registry::replica) fn sync(&mut self) -> io::Result<()> {
        if self.failed {
            return Err(io::Error::other(
                "the disk failed before; start the gateway again to see what it has",
            ));
        }
        // A second try may succeed and have written nothing: the pages that failed count as clean.
        self.file.sync_data().inspect_err(|_| self.failed = true)
    }

    /// Ends the batch with a mark; what a crash leaves of it before it is synced is seen for what it is.
    pub(in crate::registry::replica) fn commit_unsynced(&mut self, mark: Mark) -> io::Result<()> {
        let epoch = mark.position.epoch;
        let new = (epoch != 0 && !self.has_followed(epoch)).then_some(epoch);
        let untold: Vec<u64> = self.epochs.iter().skip(self.told).copied().chain(new).collect();
        for epoch in untold {
            self.frame(&[&[EPOCH], &epoch.to_le_bytes()])?;
        }
        let end = self.frame(&[&mark.bytes()])?;
        self.flush()?;
        self.end = end;
        self.follow(new.unwrap_or(0));
        self.told = self.epochs.len();
        let mut placed = std::mem::take(&mut self.placed);
        if self.places.is_empty() && self.anew.is_none() {
            // All keys of a first start: they are the table.
            placed.retain(|_, place| *place != Place::NONE);
            self.live = placed.values().map(Place::weight).sum();
            self.lost = placed.values().filter(|place| place.lost).count();
            (self.places, placed) = (placed, HashMap::default());
        }
        // Growing step by step would be slow beyond measure: the two tables hash alike, so what comes
        // in the order of the one falls into one place of a smaller other.
        self.places.reserve(placed.len());
        for (id, place) in placed {
            let place = (place != Place::NONE).then_some(place);
            self.note(id, place);
            // The batch is on the disk, whatever comes of this: a new file that misses a change is none.
            if let Err(error) = self.changed(id, place) {
                tracing::warn!(file = %self.path.display(), %error, "replica's file cannot be written anew now");
            }
        }
        self.mark = Some(mark);
        Ok(())
    }

    /// Throws the batch away: half a batch is no batch.
    pub(in crate::registry::replica) fn roll_back(&mut self) {
        if self.batch.is_empty() && self.placed.is_empty() && self.written == self.end {
            return;
        }
        self.batch.clear();
        self.placed.clear();
        self.written = self.end;
        // Where this fails, the next batch is written over what is there.
        let _ = self.file.set_len(self.end);
    }

    /// Adds a frame; where it ends.
    fn frame(&mut self, parts: &[&[u8]]) -> io::Result<u64> {
        if self.end == 0 && self.batch.is_empty() && self.written == 0 {
            self.batch.extend_from_slice(TITLE);
        }
        let length: usize = parts.iter().map(|part| part.len()).sum();
        let mut crc = crc32fast::Hasher::new();
        for part in parts {
            crc.update(part);
        }
        self.batch.extend_from_slice(&(length as u32).to_le_bytes());
        self.batch.extend_from_slice(&crc.finalize().to_le_bytes());
        for part in parts {
            self.batch.extend_from_slice(part);
        }
        let end = self.written + self.batch.len() as u64;
        if self.batch.len() >= GATHERED {
            self.flush()?;
        }
        Ok(end)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.write_all_at(&self.batch, self.written)?;
        self.written += self.batch.len() as u64;
        self.batch.clear();
        Ok(())
    }

    /// Gives up what it holds: the registry's state was accepted on purpose.
    pub(in crate::registry::replica) fn clear(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.sync()?;
        (self.end, self.written, self.live, self.lost, self.mark) = (0, 0, 0, 0, None);
        // What was followed is told again with the next batch.
        self.told = 0;
        self.batch.clear();
        self.placed.clear();
        self.places.clear();
        self.anew = None;
        Ok(())
    }

    fn follow(&mut self, epoch: u64) {
        if epoch == 0 || self.has_followed(epoch) {
            return;
        }
        if self.epochs.len() == EPOCHS {
            self.epochs.remove(0);
            self.told = self.told.saturating_sub(1);
        }
        self.epochs.push(epoch);
    }

    fn note(&mut self, id: KeyId, place: Option<Place>) {
        let before = match place {
            Some(place) => {
                self.live += place.weight();
                self.lost += usize::from(place.lost);
                self.places.insert(id, place)
            }
            None => self.places.remove(&id),
        };
        self.live -= before.map_or(0, |before| before.weight());
        self.lost -= usize::from(before.is_some_and(|before| before.lost));
    }
}

#[cfg(test)]
mod tests {
    use super::frames::MARK_BYTES;
    use super::{Disk, Mark};
    use crate::base::KeyId;
    use crate::registry::contract::Position;
    use std::collections::BTreeMap;
    use std::path::Path;

    pub(super) fn id(number: u32) -> KeyId {
        format!("mcp_live_{number:016}").parse().unwrap()
    }

    pub(super) fn mark(number: u64) -> Mark {
        let position = Position { epoch: 1, entry: (number, 2), nonce: 3 };
        Mark { position, ahead: position, seen_ms: 4, identity: 5 }
    }

    pub(super) fn open(path: &Path) -> Disk {
        let (disk, damage) = Disk::open(path).unwrap();
        assert_eq!(damage, None);
        disk
    }

    pub(super) fn texts(disk: &Disk) -> BTreeMap<KeyId, String> {
        let mut texts = BTreeMap::new();
        disk.each(&mut |id, text| assert!(texts.insert(id, text.to_owned()).is_none())).unwrap();
        assert!(texts.len() <= disk.len());
        for (id, text) in &texts {
            let place = disk.place(*id).unwrap();
            assert!(place.holds(text) && !place.holds("x") && disk.text(place).unwrap() == *text);
        }
        texts
    }

    #[test]
    fn what_was_committed_is_there_again_and_the_rest_is_not() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("replica");
        let mut disk = open(&path);
        assert!(disk.mark.is_none());
        disk.put(id(1), 1, "one", false).unwrap();
        disk.put(id(2), 1, "two", false).unwrap();
        disk.commit(mark(1)).unwrap();
        disk.put(id(2), 2, "two again", false).unwrap();
        disk.put(id(3), 1, "", false).unwrap();
        disk.remove(id(1)).unwrap();
        assert!(disk.is_changing(id(1)) && disk.place(id(1)).is_some());
        disk.commit(mark(2)).unwrap();
        disk.put(id(4), 1, "never", false).unwrap();
        disk.roll_back();
        disk.put(id(5), 1, "five", false).unwrap();
        disk.commit(mark(3)).unwrap();
        disk.put(id(6), 1, "lost", false).unwrap();
        assert!(Disk::open(&path).is_err(), "one gateway only");
        drop(disk);
        let disk = open(&path);
        let want =
            BTreeMap::from([(id(2), "two again".into()), (id(3), String::new()), (id(5), "five".into())]);
        assert_eq!((texts(&disk), disk.mark), (want, Some(mark(3))));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    /// Whatever byte is damaged and wherever the file ends, it opens: with all up to a batch, or
    /// put aside; never with a text that was not written.
    #[test]
    fn damage_is_seen() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("replica");
        let mut disk = open(&path);
        for number in 0..3 {
            disk.put(id(number), 1, "some text", false).unwrap();
            disk.commit(mark(u64::from(number))).unwrap();
        }
        drop(disk);
        let whole = std::fs::read(&path).unwrap();
        let last = whole.len() - MARK_BYTES - super::HEAD;
        for at in 0..whole.len() {
            std::fs::write(&path, &whole[..at]).unwrap();
            let (cut, damage) = Disk::open(&path).unwrap();
            assert!(damage.is_none() || at < super::TITLE.len(), "{at}");
            assert!(cut.mark.is_none_or(|found| found.position.entry.0 < 2));
            drop(cut);
            let mut bad = whole.clone();
            bad[at] ^= 0x55;
            std::fs::write(&path, &bad).unwrap();
            let (disk, damage) = Disk::open(&path).unwrap();
            // The length of the last frame is no part of what its own sum is over.
            assert_eq!(damage.is_some(), at < last + 4, "{at}");
            assert!(damage.is_none() || (disk.len() == 0 && disk.mark.is_none()));
            assert!(texts(&disk).values().all(|text| text == "some text"));
        }
    }
}
