//! The log's own records: where a file begins and how the one before it ended, checkpoints, what was deleted,
//! what a sink missed.

use serde::Deserialize;

use super::chain::{Head, Line};
use super::checkpoint::{PublicKey, Signer, Vouched};
use super::record::{Scribe, in_hex, name, numbered, told};
use super::retain::Gone;
use super::text::read_hex;

pub(super) const OPENED: &str = "opened";
pub(super) const CLOSED: &str = "closed";
pub(super) const CHECKPOINT: &str = "checkpoint";
pub(super) const DELETED: &str = "deleted";
pub(super) const DROPPED: &str = "dropped";

/// What a file's first record tells.
#[derive(Deserialize, Clone, Debug, PartialEq, Eq)]
pub(super) struct Opened {
    /// Which chain; 32 hexadecimal digits, drawn when it began.
    pub(super) chain: String,
    /// The file before, where there is one.
    #[serde(flatten)]
    pub(super) before: Option<Before>,
}

/// How the file before ended.
#[derive(Deserialize, Clone, Debug, PartialEq, Eq)]
pub(super) struct Before {
    /// Its name, without what compressing adds.
    #[serde(rename = "before_file")]
    pub(super) file: String,
    /// How it ended.
    #[serde(rename = "before_state")]
    pub(super) state: State,
    /// Up to which byte its records count.
    #[serde(rename = "before_bytes")]
    pub(super) bytes: u64,
    /// Bytes behind them that do not.
    #[serde(rename = "before_left_out", default)]
    pub(super) left_out: u64,
}

/// How a file ended.
#[derive(Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    /// As it should: with `closed` and a checkpoint.
    Closed,
    /// Its writer was killed; what it left unfinished does not count.
    Killed,
    /// It could not be written any more; what follows its records was written again elsewhere.
    Failed,
    /// Somebody changed it, or the disk did: behind the records that count there are signed ones, or anything
    /// where it was closed.
    Damaged,
}

impl State {
    fn word(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Killed => "killed",
            Self::Failed => "failed",
            Self::Damaged => "damaged",
        }
    }
}

/// What the last records of a file are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Ending {
    /// Any.
    #[default]
    Open,
    /// `closed`.
    Closing,
    /// `closed` and a checkpoint.
    Closed,
}

impl Ending {
    /// Whether a gateway may have written a record of this kind next: nothing but its checkpoint stands behind
    /// `closed`, and nothing behind that.
    pub(super) fn takes(self, kind: &str) -> bool {
        match self {
            Self::Open => true,
            Self::Closing => kind == CHECKPOINT,
            Self::Closed => false,
        }
    }

    /// The ending once such a record was written.
    pub(super) fn with(self, kind: &str) -> Self {
        match kind {
            CLOSED => Self::Closing,
            CHECKPOINT if self == Self::Closing => Self::Closed,
            _ => Self::Open,
        }
    }
}

/// What a checkpoint tells.
#[derive(Deserialize)]
struct Checkpoint<'c> {
    chain: &'c str,
    #[serde(default)]
    public_key: Option<&'c str>,
    #[serde(default)]
    signature: Option<&'c str>,
}

/// Who signed a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signed {
    /// The key that it names itself.
    By(PublicKey),
    /// Nobody.
    Not,
    /// It is not signed by the key that it names, or not for this chain.
    Wrong,
}

/// Looks at the signature of a checkpoint of a chain.
pub(super) fn signature(line: &Line<'_>, text: &[u8], chain: &str) -> Signed {
    let Ok(told) = serde_json::from_slice::<Checkpoint<'_>>(text) else { return Signed::Wrong };
    let vouched = Vouched { replica: line.replica, chain, seq: line.seq, prev: line.prev, time: line.time };
    match (told.public_key, told.signature) {
        _ if told.chain != chain => Signed::Wrong,
        (None, None) => Signed::Not,
        (Some(key), Some(signature)) => {
            let read = PublicKey::parse(key).zip(read_hex::<64>(signature.as_bytes()));
            let holds = read.filter(|(key, signature)| key.vouches(&vouched, signature));
            holds.map_or(Signed::Wrong, |(key, _)| Signed::By(key))
        }
        _ => Signed::Wrong,
    }
}

/// What a record of deletion tells.
#[derive(Deserialize, Debug)]
pub(super) struct Deleted {
    /// The number of the last record that was in the file.
    pub(super) through: u64,
}

/// Writes a file's first record.
pub(super) fn put_opened(scribe: &Scribe, out: &mut Vec<u8>, head: &mut Head, opened: &Opened) {
    let start = out.len();
    scribe.begin_own(out, head, OPENED);
    told(out, name!("chain"), &opened.chain);
    told(out, name!("tollgate"), env!("CARGO_PKG_VERSION"));
    if let Some(before) = &opened.before {
        told(out, name!("before_file"), &before.file);
        told(out, name!("before_state"), before.state.word());
        numbered(out, name!("before_bytes"), before.bytes);
        numbered(out, name!("before_left_out"), before.left_out);
    }
    head.seal(out, start);
}

/// Writes a checkpoint; without a signer it holds no signature.
pub(super) fn put_checkpoint(
    scribe: &Scribe,
    out: &mut Vec<u8>,
    head: &mut Head,
    chain: &str,
    signer: Option<&Signer>,
) {
    let start = out.len();
    let time = scribe.begin_own(out, head, CHECKPOINT);
    told(out, name!("chain"), chain);
    if let Some(signer) = signer {
        let vouched =
            Vouched { replica: scribe.replica(), chain, seq: head.seq + 1, prev: head.hash, time: &time };
        in_hex(out, name!("public_key"), signer.public().bytes());
        in_hex(out, name!("signature"), &signer.sign(&vouched));
    }
    head.seal(out, start);
}

/// Writes a file's last record but the checkpoint.
pub(super) fn put_closed(scribe: &Scribe, out: &mut Vec<u8>, head: &mut Head) {
    let start = out.len();
    scribe.begin_own(out, head, CLOSED);
    head.seal(out, start);
}

/// Writes that a file will be deleted.
pub(super) fn put_deleted(scribe: &Scribe, out: &mut Vec<u8>, head: &mut Head, gone: &Gone) {
    let start = out.len();
    scribe.begin_own(out, head, DELETED);
    told(out, name!("file"), &gone.name);
    numbered(out, name!("through"), gone.through);
    numbered(out, name!("bytes"), gone.bytes);
    told(out, name!("why"), gone.why);
    head.seal(out, start);
}

/// Writes how many records a sink missed.
pub(super) fn put_dropped(scribe: &Scribe, out: &mut Vec<u8>, head: &mut Head, sink: &str, count: u64) {
    let start = out.len();
    scribe.begin_own(out, head, DROPPED);
    told(out, name!("sink"), sink);
    numbered(out, name!("count"), count);
    head.seal(out, start);
}
