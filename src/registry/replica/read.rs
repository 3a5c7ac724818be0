//! Reading all records of the registry: what each says is found out on a thread of its own, while the
//! replica merges and writes those before. Of a million records either half takes seconds.

use std::sync::mpsc::{SyncSender, sync_channel};

use super::super::brief;
use super::super::contract::{Fault, Position};
use super::super::redis::Source;
use crate::base::KeyId;
use crate::policy::KeyEntry;

/// Records that are handed over together, and how many such batches may wait: two megabytes.
const RECORDS: usize = 250;
const WAITING: usize = 4;

/// A record of the registry.
pub(super) struct Read<'a> {
    pub(super) id: KeyId,
    pub(super) text: &'a str,
    /// What it says, or why it cannot be read.
    pub(super) entry: Result<KeyEntry, String>,
    /// 0 where it cannot be read.
    pub(super) version: u64,
}

/// Records that are handed over together: their texts, one after the other, and where each ends.
#[derive(Default)]
struct Batch {
    texts: String,
    records: Vec<(KeyId, usize, Result<KeyEntry, String>, u64)>,
}

impl Batch {
    fn add(&mut self, id: KeyId, text: &str) {
        self.texts.push_str(text);
        let (entry, version) = brief::versioned(id, text);
        self.records.push((id, self.texts.len(), entry, version));
    }

    fn hand_over(self, each: &mut dyn FnMut(Read<'_>)) {
        let mut begin = 0;
        for (id, end, entry, version) in self.records {
            let text = self.texts.get(begin..end).unwrap_or_default();
            begin = end;
            each(Read { id, text, entry, version });
        }
    }
}

/// Hands every record to `each`; the position is the source's, as it says.
pub(super) fn all<S: Source>(redis: &mut S, each: &mut dyn FnMut(Read<'_>)) -> Result<Position, Fault> {
    let (queue, batches) = sync_channel::<Batch>(WAITING);
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("registry-read".into());
        let reading =
            thread.spawn_scoped(scope, move || read(redis, &queue)).map_err(|error| no_thread(&error))?;
        for batch in batches {
            batch.hand_over(each);
        }
        reading.join().unwrap_or_else(|_| Err(no_thread(&"it broke off")))
    })
}

fn read<S: Source>(redis: &mut S, queue: &SyncSender<Batch>) -> Result<Position, Fault> {
    let mut batch = Batch::default();
    let position = redis.load_texts(&mut |id, text| {
        batch.add(id, text);
        if batch.records.len() >= RECORDS {
            // Nobody takes it where the other side has ended, which then says why.
            let _ = queue.send(std::mem::take(&mut batch));
        }
    })?;
    let _ = queue.send(batch);
    Ok(position)
}

fn no_thread(error: &dyn std::fmt::Display) -> Fault {
    Fault::Unavailable { place: "a thread to read the registry".into(), reason: error.to_string() }
}
