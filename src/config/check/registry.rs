//! The registry: where it is, how old it may be, and the peppers, whose values stay out of every message.

use std::time::Duration;

use super::Check;
use crate::base::digest::{PEPPERS, is_pepper_id};
use crate::base::secret::Secret;
use crate::config::fault::member;
use crate::config::fault::unreadable;
use crate::config::raw::{Pepper, Registry};
use crate::config::settings::{RegistrySettings, Store};
use crate::config::tls::others_can_read;

/// A pepper shorter than this could be searched for, given a stolen registry and one key.
pub(super) const PEPPER_BYTES: usize = 32;

impl Check<'_> {
    pub(super) fn registry(&mut self, raw: &Registry) -> RegistrySettings {
        let peppers = self.peppers(raw);
        let store = match raw.kind.as_str() {
            "redis" => Store::Redis(Box::new(self.redis(raw, peppers.first().map(|(_, pepper)| pepper)))),
            "embedded" => self.embedded(raw),
            other => {
                self.faults.add("registry.kind", format!("{other:?}"), "\"embedded\" or \"redis\"");
                self.embedded(raw)
            }
        };
        RegistrySettings { store, max_staleness: self.staleness(raw), peppers }
    }

    fn embedded(&mut self, raw: &Registry) -> Store {
        let poll =
            self.duration("registry.poll", &raw.poll, Duration::from_millis(1), Duration::from_secs(60));
        if raw.path.is_empty() {
            self.faults.add("registry.path", "an empty path", "a file name, e.g. tollgate.db");
        }
        Store::Embedded { path: self.path_of(&raw.path), poll }
    }

    fn staleness(&mut self, raw: &Registry) -> Option<Duration> {
        let (least, most) = (Duration::from_secs(2), Duration::from_secs(366 * 86_400));
        let age = self.duration("registry.max_staleness", &raw.max_staleness, least, most);
        match raw.when_stale.as_str() {
            "refuse" => Some(age),
            "serve" => None,
            other => {
                self.faults.add("registry.when_stale", format!("{other:?}"), "\"refuse\" or \"serve\"");
                None
            }
        }
    }

    fn peppers(&mut self, raw: &Registry) -> Vec<(Box<str>, Secret)> {
        if raw.peppers.len() > PEPPERS {
            self.faults.add(
                "registry.peppers",
                format!("{} peppers", raw.peppers.len()),
                "at most two: the one in use and the one being retired",
            );
        }
        let mut peppers = Vec::new();
        for (id, value) in &raw.peppers {
            let path = member("registry.peppers", id);
            if !is_pepper_id(id) {
                self.faults.add(
                    &path,
                    format!("the id {id:?}"),
                    "1 to 32 lower-case letters, digits, '_' and '-'",
                );
            }
            let file = value.clone().try_into::<Pepper>().map(|pepper| pepper.file).unwrap_or_default();
            if let Some(secret) = self.guarded(&format!("{path}.file"), &file, PEPPER_BYTES) {
                peppers.push((id.as_str().into(), secret));
            }
        }
        peppers
    }

    /// A secret in a file that others cannot read, of at least so many bytes.
    pub(super) fn guarded(&mut self, path: &str, file: &str, least: usize) -> Option<Secret> {
        let file = self.path_of(file);
        let text = match std::fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) => {
                let found = format!("{} ({})", unreadable(&error), file.display());
                self.faults.add(path, found, "a file with the secret");
                return None;
            }
        };
        if others_can_read(&file) {
            self.faults.add(
                path,
                format!("{}, which every user of this machine can read", file.display()),
                "a file that others cannot read (chmod o-rwx)",
            );
            return None;
        }
        let secret = text.trim_end_matches(['\r', '\n']);
        if secret.len() < least {
            self.faults.add(
                path,
                format!("{} bytes in {}", secret.len(), file.display()),
                format!("at least {least} bytes that cannot be guessed, e.g. from: openssl rand -base64 32"),
            );
            return None;
        }
        Some(Secret::new(secret))
    }
}
