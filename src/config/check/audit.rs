//! The audit log: where it is kept, by whom it is signed, what happens when it cannot keep up.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::Check;
use super::bounds::in_units;
use super::redis::machine;
use crate::config::fault::unreadable;
use crate::config::raw::Audit;
use crate::config::settings::{AuditPlace, AuditSettings, SinkKind, Store};
use crate::config::tls::others_can_read;
use crate::telemetry::audit::{FileParams, Retention, Signer, is_replica_name};

const DAY: u64 = 86_400;
const SINKS: &str = "\"stdout\" or \"redis\"";
const REPLICA: &str = "1 to 64 letters, digits, '-', '_' and '.', not beginning with '.'";

impl Check<'_> {
    pub(super) fn audit(&mut self, raw: &Audit, store: &Store) -> AuditSettings {
        let files = self.audit_files(raw);
        let sinks = self.sinks(raw, store);
        if raw.sync && files.is_none() {
            self.faults.add("audit.sync", "true without a folder", "audit.folder beside it, or no sync");
        }
        let second = Duration::from_secs(1);
        AuditSettings {
            replica: self.replica(raw, store),
            files,
            signer: raw.signing_key.as_ref().and_then(|file| self.signer(file)),
            refuse: raw.when_full != "drop",
            sync: raw.sync,
            queue: raw.queue as usize,
            refusals: raw.refusals,
            fsync: self.duration("audit.fsync", &raw.fsync, Duration::from_millis(1), 60 * second),
            checkpoint: self.duration("audit.checkpoint", &raw.checkpoint, second, 86_400 * second),
            sinks,
        }
    }

    /// Where the log is, for who reads it and may not read its key.
    pub(super) fn audit_place(&mut self, raw: &Audit) -> AuditPlace {
        AuditPlace {
            folder: raw.folder.as_ref().map(|folder| self.path_of(folder)),
            public_key: raw.signing_key.as_ref().map(|key| public_beside(&self.path_of(key))),
        }
    }

    fn audit_files(&mut self, raw: &Audit) -> Option<FileParams> {
        let (mib, gib) = (1 << 20, 1 << 30);
        let rotate_size = self.size("audit.rotate_size", &raw.rotate_size, 64 * 1024..=64 * gib) as u64;
        let (minute, century) = (Duration::from_secs(60), Duration::from_secs(36_525 * DAY));
        let rotate_age = self.duration("audit.rotate_age", &raw.rotate_age, minute, century);
        let age = raw.retain_age.as_ref().map(|age| self.duration("audit.retain_age", age, minute, century));
        let size = raw.retain_size.as_ref();
        let size = size.map(|size| self.size("audit.retain_size", size, mib..=usize::MAX / 2) as u64);
        if size.is_some_and(|size| size / 2 < rotate_size) && !self.faults.touches("audit") {
            let found = format!(
                "{}, less than two files of audit.rotate_size",
                raw.retain_size.as_deref().unwrap_or_default()
            );
            let accepted = format!("at least {}", in_units(2 * rotate_size as usize));
            self.faults.add("audit.retain_size", found, accepted);
        }
        let folder = raw.folder.as_ref()?;
        if folder.is_empty() {
            self.faults.add("audit.folder", "an empty path", "a folder, e.g. audit");
        }
        let retention = Retention { age, size };
        Some(FileParams { folder: self.path_of(folder), rotate_size, rotate_age, retention })
    }

    fn replica(&mut self, raw: &Audit, store: &Store) -> String {
        let (path, name) = match (&raw.replica, store) {
            (Some(name), _) => ("audit.replica", name.clone()),
            (None, Store::Redis(redis)) => ("audit.replica", redis.replica.clone()),
            (None, Store::Embedded { .. }) => return of_machine(),
        };
        let is_wanted = raw.folder.is_some() || !raw.sinks.is_empty() || raw.replica.is_some();
        if is_wanted && !is_replica_name(&name) {
            let found = match raw.replica {
                Some(_) => format!("the string {name:?}"),
                None => format!("nothing, and the name {name:?} of registry.replica"),
            };
            self.faults.add(path, found, REPLICA);
        }
        name
    }

    fn signer(&mut self, file: &str) -> Option<Arc<Signer>> {
        let file = self.path_of(file);
        let path = "audit.signing_key";
        let accepted = format!("a key made by: tollgate audit key --out {}", file.display());
        let pem = match std::fs::read(&file) {
            Ok(pem) => pem,
            Err(error) => {
                self.faults.add(path, format!("{} ({})", unreadable(&error), file.display()), accepted);
                return None;
            }
        };
        if others_can_read(&file) {
            let found = format!("{}, which every user of this machine can read", file.display());
            self.faults.add(path, found, "a file that others cannot read (chmod o-rwx)");
            return None;
        }
        let read = Signer::read(&pem);
        if read.is_err() {
            self.faults.add(path, format!("no Ed25519 key in {}", file.display()), accepted);
        }
        read.ok().map(Arc::new)
    }

    fn sinks(&mut self, raw: &Audit, store: &Store) -> Vec<SinkKind> {
        let mut sinks = Vec::new();
        for (index, name) in raw.sinks.iter().enumerate() {
            let path = format!("audit.sinks[{index}]");
            if raw.sinks.iter().take(index).any(|before| before == name) {
                self.faults.add(path, format!("{name:?} again"), "each sink once");
                continue;
            }
            match (name.as_str(), store) {
                ("stdout", _) => sinks.push(SinkKind::Stdout),
                ("redis", Store::Redis(redis)) => sinks.push(SinkKind::Redis {
                    params: Box::new(redis.params.clone()),
                    length: raw.stream_length,
                }),
                ("redis", Store::Embedded { .. }) => {
                    let found = "\"redis\", and a registry that is in no Redis";
                    let accepted = "\"redis\" where registry.kind = \"redis\": the stream is in the Redis of registry.url";
                    self.faults.add(path, found, accepted);
                }
                _ => self.faults.add(path, format!("the string {name:?}"), SINKS),
            }
        }
        sinks
    }
}

/// Where the public half of a key lies.
pub fn public_beside(key: &std::path::Path) -> PathBuf {
    let mut path = key.as_os_str().to_owned();
    path.push(".pub");
    path.into()
}

/// The machine's name, as far as it can stand in the name of a file.
fn of_machine() -> String {
    let legal = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    let name: String = machine().chars().map(legal).take(64).collect();
    if is_replica_name(&name) { name } else { "tollgate".into() }
}
