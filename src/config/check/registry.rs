//! The registry: its file, and the peppers, whose values stay out of every message.

use std::time::Duration;

use super::Check;
use crate::base::digest::{PEPPERS, is_pepper_id};
use crate::base::secret::Secret;
use crate::config::fault::member;
use crate::config::fault::unreadable;
use crate::config::raw::{Pepper, Registry};
use crate::config::settings::RegistrySettings;
use crate::config::tls::others_can_read;

/// A pepper shorter than this could be searched for, given a stolen registry and one key.
const PEPPER_BYTES: usize = 32;

impl Check<'_> {
    pub(super) fn registry(&mut self, raw: &Registry) -> RegistrySettings {
        let poll =
            self.duration("registry.poll", &raw.poll, Duration::from_millis(1), Duration::from_secs(60));
        if raw.path.is_empty() {
            self.faults.add("registry.path", "an empty path", "a file name, e.g. tollgate.db");
        }
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
            if let Some(secret) = self.pepper(&format!("{path}.file"), &file) {
                peppers.push((id.as_str().into(), secret));
            }
        }
        RegistrySettings { path: self.path_of(&raw.path), poll, peppers }
    }

    fn pepper(&mut self, path: &str, file: &str) -> Option<Secret> {
        let file = self.path_of(file);
        let text = match std::fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) => {
                self.faults.add(
                    path,
                    format!("{} ({})", unreadable(&error), file.display()),
                    "a file with the pepper",
                );
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
        let pepper = text.trim_end_matches(['\r', '\n']);
        if pepper.len() < PEPPER_BYTES {
            self.faults.add(
                path,
                format!("{} bytes in {}", pepper.len(), file.display()),
                "at least 32 bytes that cannot be guessed, e.g. from: openssl rand -base64 32",
            );
            return None;
        }
        Some(Secret::new(pepper))
    }
}
