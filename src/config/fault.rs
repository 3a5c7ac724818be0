//! What is wrong with a configuration, for the person who wrote it.
//!
//! A fault never holds a secret: values under `credential`, `peppers` and `otlp.headers` are described by
//! their type only.

use std::fmt;

/// One fault of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where, e.g. `servers[0].tools."crm.*".scopes`.
    pub path: String,
    /// What was found there.
    pub found: String,
    /// What is accepted there.
    pub accepted: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: found {}; accepted: {}", self.path, self.found, self.accepted)
    }
}

/// All faults of one configuration; empty while it is sound.
#[derive(Debug, Default, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Faults(pub Vec<Fault>);

impl Faults {
    /// Notes a fault.
    pub fn add(&mut self, path: impl Into<String>, found: impl Into<String>, accepted: impl Into<String>) {
        self.0.push(Fault { path: path.into(), found: found.into(), accepted: accepted.into() });
    }

    /// Whether a fault was noted at or beneath a path, so that a second check of the same
    /// setting keeps quiet.
    pub fn touches(&self, path: &str) -> bool {
        self.0.iter().any(|fault| {
            fault.path.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        })
    }

    /// One fault that stands for the whole.
    pub fn one(path: impl Into<String>, found: impl Into<String>, accepted: impl Into<String>) -> Self {
        let mut faults = Self::default();
        faults.add(path, found, accepted);
        faults
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{fault}")?;
        }
        Ok(())
    }
}

/// Joins a path and a member, quoting members that TOML would quote.
pub(super) fn member(path: &str, name: &str) -> String {
    let bare = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    let name = if bare { name.to_owned() } else { format!("{name:?}") };
    if path.is_empty() { name } else { format!("{path}.{name}") }
}

/// Why a file cannot be read, in words.
pub(super) fn unreadable(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "no file at this path".into(),
        std::io::ErrorKind::PermissionDenied => "a file that this user may not read".into(),
        std::io::ErrorKind::InvalidData => "a file that is not UTF-8".into(),
        _ => format!("a file that cannot be read ({error})"),
    }
}
