//! The sealing keys in the file, which only its owner may read.
//!
//! Making one takes the write lock, so that two gateways that start together end up with the
//! same.

use std::time::Duration;

use rusqlite::{Connection, TransactionBehavior};

use crate::base::key::random;
use crate::base::sealing::SEALING_KEY;
use crate::base::{SealingKey, UnixSeconds};

pub(super) fn keys(
    connection: &mut Connection,
    now: UnixSeconds,
    renew: Duration,
    keep: Duration,
) -> rusqlite::Result<Vec<SealingKey>> {
    let known = read(connection)?;
    let newest = known.iter().map(|key| key.made).max();
    let oldest = known.iter().map(|key| key.made).min();
    if newest.is_some_and(|made| now < made.plus(renew)) && oldest.is_some_and(|made| now < made.plus(keep)) {
        return Ok(known);
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute("DELETE FROM sealing WHERE made <= ?1", [now.minus(keep).0])?;
    let fresh: i64 = transaction.query_row(
        "SELECT count(*) FROM sealing WHERE made > ?1",
        [now.minus(renew).0],
        |row| row.get(0),
    )?;
    if fresh == 0 {
        let bytes: [u8; SEALING_KEY] = random().map_err(|_| rusqlite::Error::InvalidQuery)?;
        transaction.execute("INSERT INTO sealing (bytes, made) VALUES (?1, ?2)", (bytes, now.0))?;
    }
    transaction.commit()?;
    read(connection)
}

fn read(connection: &Connection) -> rusqlite::Result<Vec<SealingKey>> {
    let mut query = connection.prepare_cached("SELECT id, bytes, made FROM sealing")?;
    let rows = query.query_map([], |row| {
        Ok(SealingKey { id: row.get(0)?, bytes: row.get(1)?, made: UnixSeconds(row.get(2)?) })
    })?;
    rows.collect()
}

#[cfg(test)]
mod tests {
    use crate::base::UnixSeconds;
    use crate::registry::{Embedded, Feed as _};
    use std::time::Duration;

    const DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn keys_are_shared_renewed_and_forgotten() {
        let folder = tempfile::TempDir::new().unwrap();
        let open = || Embedded::open(&folder.path().join("r.db")).unwrap();
        let (mut one, mut other) = (open(), open());
        let mut at = UnixSeconds(1_800_000_000);
        let ids = |registry: &mut Embedded, at| {
            let keys = registry.sealing_keys(at, DAY, DAY * 3).unwrap();
            keys.iter().map(|key| (key.id, key.bytes)).collect::<Vec<_>>()
        };
        let first = ids(&mut one, at);
        assert_eq!((first.len(), &ids(&mut other, at)), (1, &first));
        for day in 1..3 {
            at = at.plus(DAY);
            assert_eq!(ids(&mut other, at).len(), day + 1);
            assert_eq!(ids(&mut one, at), ids(&mut other, at));
        }
        at = at.plus(DAY);
        let later = ids(&mut one, at);
        assert!(later.len() == 3 && !later.contains(&first[0]), "the oldest is gone");
    }
}
