//! Reading everything, and reading on from there.

use redis::{Connection, RedisResult};

use super::feed::{self, Said};
use super::names::Names;
use super::{Fault, Position, Redis};
use crate::base::{KeyId, bounds};

/// Records of a page; Redis answers one in a few milliseconds.
const PAGE: usize = 5_000;

impl Redis {
    /// Hands every record's text to `each`; the position is the feed's end before the first page,
    /// so that what changes meanwhile is read again from the feed and not missed.
    pub(in crate::registry) fn load_texts(
        &mut self,
        each: &mut dyn FnMut(KeyId, &str),
    ) -> Result<Position, Fault> {
        let position = self.ask(feed::end)?.position();
        let (mut cursor, mut read) = (0_u64, 0_usize);
        self.ask(|connection, names| ask_page(connection, names, cursor))?;
        loop {
            let (next, texts) = self.ask(|connection, names| {
                let (next, texts) = receive_page(connection)?;
                // The next page is under way while this one is read.
                if next != 0 {
                    ask_page(connection, names, next)?;
                }
                Ok((next, texts))
            })?;
            cursor = next;
            read += texts.len();
            for (id, text) in &texts {
                // What is no key id is nobody's record; what is no text denies its key.
                let Some(id) = KeyId::parse(id) else { continue };
                each(id, std::str::from_utf8(text).unwrap_or_default());
            }
            if read / bounds::LOAD_STEP != (read - texts.len()) / bounds::LOAD_STEP {
                tracing::info!(records = read, "reading keys");
            }
            if cursor == 0 {
                return Ok(position);
            }
        }
    }

    /// What the feed says after a position and where that ends; `None` where it does not reach
    /// back, or tells another history.
    pub(in crate::registry) fn follow(
        &mut self,
        since: Position,
    ) -> Result<Option<(Vec<Said>, Position)>, Fault> {
        let wait = usize::try_from(self.wait.as_millis()).ok().filter(|wait| *wait > 0);
        let mut entries = self.ask(|connection, names| feed::after(connection, names, since.entry, wait))?;
        if entries.is_empty() {
            // A feed without news is that of the same registry with the same end, or another's.
            let end = self.ask(feed::end)?;
            if end.position() == since {
                return Ok(Some((Vec::new(), since)));
            }
            if end.epoch.own != since.epoch {
                return Ok(None);
            }
            entries = self.ask(|connection, names| feed::after(connection, names, since.entry, None))?;
            if entries.is_empty() {
                return Ok(None);
            }
        }
        let mut position = since;
        if since.epoch == 0 {
            // The first change that this registry ever saw made it one.
            position.epoch = self.ask(feed::end)?.epoch.own;
        }
        let mut said = Vec::with_capacity(entries.len());
        for entry in entries {
            match entry.link {
                Some((nonce, prev)) if prev == position.nonce => {
                    position = Position { entry: entry.id, nonce, ..position };
                    said.push(entry.said);
                }
                link => {
                    tracing::debug!(?link, ?position, entry = ?entry.id, "feed tells another history");
                    return Ok(None);
                }
            }
        }
        Ok(Some((said, position)))
    }
}

type Texts = Vec<(Vec<u8>, Vec<u8>)>;

fn ask_page(connection: &mut Connection, names: &Names, cursor: u64) -> RedisResult<()> {
    let mut command = redis::cmd("HSCAN");
    command.arg(&names.keys).arg(cursor).arg("COUNT").arg(PAGE);
    connection.send_packed_command(&command.get_packed_command())
}

fn receive_page(connection: &mut Connection) -> RedisResult<(u64, Texts)> {
    let answer = connection.recv_response()?.extract_error()?;
    redis::from_redis_value(answer).map_err(Into::into)
}
