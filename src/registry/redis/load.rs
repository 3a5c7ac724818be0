//! Reading everything, page by page.

use redis::{Connection, RedisResult};

use super::feed;
use super::names::Names;
use super::{Fault, Position, Redis};
use crate::base::{KeyId, bounds};

/// Records of a page; Redis answers one in a few milliseconds.
const PAGE: usize = 1_000;

impl Redis {
    /// Hands every record's text to `each`, as a source does.
    pub(super) fn read_all(&mut self, each: &mut dyn FnMut(KeyId, &str)) -> Result<Position, Fault> {
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
