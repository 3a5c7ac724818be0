//! The format of a replica's file: what a frame holds, a mark, and how frames are told apart.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::base::bounds;
use crate::base::key::KEY_ID;
use crate::registry::contract::Position;

pub(super) const TITLE: &[u8] = b"tollgate replica 1\n";
pub(super) const RECORD: u8 = 1;
pub(super) const GONE: u8 = 2;
/// A record that the registry has lost.
pub(super) const LOST: u8 = 3;
/// An epoch that this replica has followed, eight bytes.
pub(super) const EPOCH: u8 = 4;
/// Epochs that are remembered: one more comes with each loss of everything and each that is accepted.
pub(super) const EPOCHS: usize = 1_024;
/// The kind of a mark, which is also looked for behind damage; then epoch, entry, nonce,
/// the entry up to which records were read ahead and its nonce, time and whose file it is.
pub(super) const MARK: [u8; 8] = *b"Mtllgate";
pub(super) const MARK_BYTES: usize = MARK.len() + 9 * 8;
pub(super) const HEAD: usize = 8;
/// How far the frames lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::registry::replica) struct Mark {
    pub(in crate::registry::replica) position: Position,
    /// Records were read that may be as new as this: the feed has to lead there.
    pub(in crate::registry::replica) ahead: Position,
    /// When the registry showed this state, in milliseconds since 1970; 0 where nobody has vouched
    /// for it.
    pub(in crate::registry::replica) seen_ms: u64,
    /// Whose file it is: made with it, and the same ever after.
    pub(in crate::registry::replica) identity: u64,
}

impl Mark {
    pub(super) fn bytes(&self) -> [u8; MARK_BYTES] {
        let Position { epoch, entry, nonce } = self.position;
        let identity = self.identity;
        let mut bytes = [0; MARK_BYTES];
        let (further, last) = (self.ahead.entry, self.ahead.nonce);
        let first = [u64::from_le_bytes(MARK), epoch, entry.0, entry.1, nonce];
        let rest = [further.0, further.1, last, self.seen_ms, identity];
        let numbers = first.into_iter().chain(rest);
        for (place, number) in bytes.chunks_exact_mut(8).zip(numbers) {
            place.copy_from_slice(&number.to_le_bytes());
        }
        bytes
    }

    pub(super) fn read(content: &[u8]) -> Option<Self> {
        let mut numbers = content.strip_prefix(&MARK)?.chunks_exact(8);
        let mut number = || numbers.next().and_then(|bytes| bytes.try_into().ok()).map(u64::from_le_bytes);
        let position = Position { epoch: number()?, entry: (number()?, number()?), nonce: number()? };
        let ahead = Position { epoch: position.epoch, entry: (number()?, number()?), nonce: number()? };
        Some(Self { position, ahead, seen_ms: number()?, identity: number()? })
    }
}

/// The next frame's kind and content; `None` at the end, and where what follows is no whole frame.
pub(super) fn next(reader: &mut impl Read, left: u64, content: &mut Vec<u8>) -> io::Result<Option<u8>> {
    let most = 1 + KEY_ID + 8 + bounds::RECORD_BYTES;
    let mut head = [0; HEAD];
    if left < HEAD as u64 {
        return Ok(None);
    }
    reader.read_exact(&mut head)?;
    let [l0, l1, l2, l3, c0, c1, c2, c3] = head;
    let (length, crc) = (u32::from_le_bytes([l0, l1, l2, l3]) as usize, u32::from_le_bytes([c0, c1, c2, c3]));
    if length == 0 || length > most || (length + HEAD) as u64 > left {
        return Ok(None);
    }
    content.resize(length, 0);
    reader.read_exact(content)?;
    Ok(content.first().copied().filter(|_| crc32fast::hash(content) == crc))
}

pub(super) fn private(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

/// The file's name with a word more: of two replicas in one folder each has its own.
pub(super) fn beside(path: &Path, word: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{word}"));
    name.into()
}
