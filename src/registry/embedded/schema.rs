//! The file's tables, and how it is opened.
//!
//! The change log's numbers are gap-free: SQLite takes a number back when a transaction is
//! rolled back, so a follower that meets a gap knows that entries were trimmed.

use std::fs::OpenOptions;
use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;

use super::reason;
use crate::base::key::random;

/// "TLLG", so that `file` and the gateway can tell whose file it is.
const APPLICATION_ID: i32 = 0x544c_4c47;
/// Raised when the tables change; a file of a later version is not opened.
const VERSION: i32 = 1;
/// How long a writer waits for another.
const BUSY: Duration = Duration::from_secs(5);

const TABLES: &str = "
CREATE TABLE IF NOT EXISTS keys (key_id TEXT PRIMARY KEY, record TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS changes (entry INTEGER PRIMARY KEY AUTOINCREMENT, key_id TEXT NOT NULL, record TEXT);
CREATE TABLE IF NOT EXISTS used (key_id TEXT PRIMARY KEY, at INTEGER, previous_at INTEGER) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sealing (id INTEGER PRIMARY KEY AUTOINCREMENT, bytes BLOB NOT NULL, made INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS registry (epoch INTEGER NOT NULL);
";

/// Opens or makes a file; returns the connection and the registry's epoch, or why not.
pub(super) fn open(path: &Path) -> Result<(Connection, u64), String> {
    make_private(path).map_err(|error| io_reason(&error, path))?;
    let mut connection = Connection::open(path).map_err(|error| reason(&error))?;
    let epoch = prepare(&mut connection).map_err(|error| reason(&error))?;
    let Some(epoch) = epoch else {
        return Err("it is the file of another program, or of a later version of this one".into());
    };
    Ok((connection, epoch))
}

/// SQLite gives its side files the permissions of the file itself.
fn make_private(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path).map(drop)
}

fn io_reason(error: &std::io::Error, path: &Path) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => {
            format!("there is no folder {}", path.parent().unwrap_or(Path::new(".")).display())
        }
        std::io::ErrorKind::PermissionDenied => "this user may not write there".into(),
        _ => error.to_string(),
    }
}

fn prepare(connection: &mut Connection) -> rusqlite::Result<Option<u64>> {
    connection.busy_timeout(BUSY)?;
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    let (application, version) = (pragma("application_id")?, pragma("user_version")?);
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0))?;
    let fresh = application == 0 && tables == 0;
    if !fresh && (application != APPLICATION_ID || version != VERSION) {
        return Ok(None);
    }
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // FULL syncs the log at every commit: an acknowledged revocation survives a power cut.
    connection.pragma_update(None, "synchronous", "FULL")?;
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    transaction.execute_batch(TABLES)?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    let epochs: i64 = transaction.query_row("SELECT count(*) FROM registry", [], |row| row.get(0))?;
    if epochs == 0 {
        let epoch = i64::from_be_bytes(random().map_err(|_| rusqlite::Error::InvalidQuery)?);
        transaction.execute("INSERT INTO registry (epoch) VALUES (?1)", [epoch])?;
    }
    let epoch: i64 = transaction.query_row("SELECT epoch FROM registry", [], |row| row.get(0))?;
    transaction.commit()?;
    Ok(Some(epoch.cast_unsigned()))
}
