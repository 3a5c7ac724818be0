//! Reading the file when it is opened: every frame in its order, up to the last whole batch.

use std::io::{self, BufReader, Read as _, Seek as _, SeekFrom};

use memchr::memmem;

use super::frames::{EPOCH, GONE, HEAD, LOST, MARK, MARK_BYTES, Mark, RECORD, TITLE, next};
use super::{Disk, Place};
use crate::base::KeyId;
use crate::base::key::KEY_ID;

impl Disk {
    /// Reads all frames; the reason where the file is damaged, or none of ours.
    pub(super) fn read(&mut self) -> io::Result<Result<(), String>> {
        let size = self.file.metadata()?.len();
        if size == 0 {
            return Ok(Ok(()));
        }
        let mut reader = BufReader::with_capacity(1 << 20, self.file.try_clone()?);
        let mut title = [0; TITLE.len()];
        if size < TITLE.len() as u64 || reader.read_exact(&mut title).is_err() || title != TITLE {
            return Ok(Err("it is no replica's file, or one of another version".into()));
        }
        let (mut at, mut content) = (TITLE.len() as u64, Vec::new());
        while let Some(kind) = next(&mut reader, size - at, &mut content)? {
            let start = at;
            at += (HEAD + content.len()) as u64;
            self.take(kind, start, &content);
        }
        let damaged = at < size && self.holds_mark_after(at)?;
        if damaged {
            return Ok(Err(format!("it is damaged at byte {at}")));
        }
        // Records behind the last mark are known and in force; that position is not theirs.
        (self.end, self.written) = (at, at);
        self.file.set_len(at)?;
        Ok(Ok(()))
    }

    fn take(&mut self, kind: u8, start: u64, content: &[u8]) {
        let id = content.get(1..=KEY_ID).and_then(KeyId::parse);
        let version = content
            .get(1 + KEY_ID..)
            .and_then(|rest| rest.first_chunk())
            .map(|bytes| u64::from_le_bytes(*bytes));
        match (kind, id, version) {
            (RECORD | LOST, Some(id), Some(version)) => {
                let before = 1 + KEY_ID + 8;
                let text = content.get(before..).unwrap_or_default();
                let offset = start + (HEAD + before) as u64;
                let place = Place {
                    version,
                    offset,
                    length: text.len() as u32,
                    crc: crc32fast::hash(text),
                    lost: kind == LOST,
                };
                self.note(id, Some(place));
            }
            (GONE, Some(id), _) => self.note(id, None),
            (EPOCH, ..) => {
                let epoch = content.get(1..).and_then(|bytes| bytes.try_into().ok()).map(u64::from_le_bytes);
                self.follow(epoch.unwrap_or(0));
                self.told = self.epochs.len();
            }
            _ => {
                self.mark = Mark::read(content).or(self.mark);
                self.follow(self.mark.map_or(0, |mark| mark.position.epoch));
                self.told = self.epochs.len();
            }
        }
    }

    /// Whether a whole mark lies behind a frame that is none: then what is broken is no tail.
    fn holds_mark_after(&self, at: u64) -> io::Result<bool> {
        let mut rest = Vec::new();
        let mut file = &self.file;
        file.seek(SeekFrom::Start(at))?;
        file.take(u64::MAX).read_to_end(&mut rest)?;
        Ok(memmem::find_iter(&rest, &MARK).any(|found| {
            let crc = found.checked_sub(4).and_then(|crc| rest.get(crc..)?.first_chunk());
            let content = rest.get(found..found + MARK_BYTES);
            content
                .zip(crc)
                .is_some_and(|(content, crc)| crc32fast::hash(content) == u32::from_le_bytes(*crc))
        }))
    }
}
