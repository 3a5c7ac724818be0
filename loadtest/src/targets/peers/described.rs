//! A gateway that a small TOML file describes: what is started, with which configuration, and
//! what it speaks.
//!
//! `loadtest/targets/example.toml` is one, with every member explained.

use std::path::{Path, PathBuf};

use clap::ValueEnum as _;
use serde::{Deserialize, Deserializer};

use super::{Place, write};
use crate::Done;
use crate::targets::server::Program;
use crate::transport::Protocol;

/// The whole file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Described {
    name: String,
    /// Sent as `Authorization: Bearer KEY`.
    key: Option<String>,
    #[serde(default, deserialize_with = "protocols")]
    protocols: Option<Vec<Protocol>>,
    plaintext: Option<Way>,
    tls: Option<Way>,
}

/// How it is started for plaintext, or for TLS.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Way {
    command: Vec<String>,
    /// Name of the file below the folder, and its text.
    file: Option<String>,
    config: Option<String>,
}

impl Described {
    /// Reads one.
    pub(crate) fn read(file: &Path) -> Done<Self> {
        let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
        Self::parse(&text).map_err(|error| format!("{}: {error}", file.display()))
    }

    fn parse(text: &str) -> Done<Self> {
        let described: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        let ways = [&described.plaintext, &described.tls];
        if ways.iter().all(|way| way.is_none()) {
            return Err("it needs a table [plaintext] or [tls], with a command".to_owned());
        }
        for way in ways.into_iter().flatten() {
            if way.command.is_empty() {
                return Err("a command names at least a program".to_owned());
            }
            if way.file.is_some() != way.config.is_some() {
                return Err("file and config go together: the name and the text".to_owned());
            }
            let name = way.file.as_deref().unwrap_or("config");
            if Path::new(name).file_name() != Some(name.as_ref()) {
                return Err(format!("{name} is no plain file name; it is written below {{folder}}"));
            }
        }
        Ok(described)
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    pub(super) fn speaks(&self, protocol: Protocol) -> bool {
        let way = if protocol == Protocol::H1 { &self.plaintext } else { &self.tls };
        way.is_some() && self.protocols.as_ref().is_none_or(|protocols| protocols.contains(&protocol))
    }

    /// Writes its file, where it has one, and fills the command in.
    pub(super) fn prepare(&self, place: &Place<'_>) -> Done<Program> {
        let way = if place.tls.is_some() { &self.tls } else { &self.plaintext };
        let way = way.as_ref().ok_or_else(|| format!("{} does not speak this", self.name))?;
        if let (Some(file), Some(config)) = (&way.file, &way.config) {
            write(&place.folder.join(file), &filled(config, place))?;
        }
        let mut command = way.command.iter().map(|part| filled(part, place));
        let path = command.next().map(PathBuf::from).unwrap_or_default();
        Ok(Program { path, arguments: command.collect() })
    }
}

/// Protocols by the names that options and reports have.
fn protocols<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<Protocol>>, D::Error> {
    let names = Vec::<String>::deserialize(deserializer)?;
    let named = |name: &String| {
        let fault = |_| format!("{name} is no protocol; there are h1, h1-tls and h2-tls");
        Protocol::from_str(name, false).map_err(fault)
    };
    names.iter().map(named).collect::<Result<_, _>>().map(Some).map_err(serde::de::Error::custom)
}

/// The text with every placeholder replaced.
fn filled(text: &str, place: &Place<'_>) -> String {
    let path = |path: Option<&Path>| path.map_or_else(String::new, |path| path.display().to_string());
    let own = std::env::current_exe().ok();
    [
        ("{listen}", place.listen.to_string()),
        ("{port}", place.listen.port().to_string()),
        ("{upstream}", place.upstream.to_string()),
        ("{certificate}", path(place.tls.map(|(certificate, _)| certificate))),
        ("{key}", path(place.tls.map(|(_, key)| key))),
        ("{folder}", path(Some(place.folder))),
        ("{loadtest}", path(own.as_deref())),
    ]
    .iter()
    .fold(text.to_owned(), |text, (name, value)| text.replace(name, value))
}

#[cfg(test)]
mod tests {
    use super::Described;
    use crate::transport::Protocol;

    #[test]
    fn a_description_says_what_it_speaks() {
        let text = "name = \"x\"\nprotocols = [\"h1\", \"h1-tls\"]\n[plaintext]\ncommand = [\"x\"]\n";
        let described = Described::parse(text).unwrap();
        let spoken = [Protocol::H1, Protocol::H1Tls, Protocol::H2Tls].map(|way| described.speaks(way));
        assert_eq!(spoken, [true, false, false]);
        assert_eq!(described.key(), None);
    }

    #[test]
    fn faults_are_told() {
        for (text, fault) in [
            ("name = \"x\"", "[plaintext] or [tls]"),
            ("name = \"x\"\n[tls]\ncommand = []", "at least a program"),
            ("name = \"x\"\n[tls]\ncommand = [\"x\"]\nconfig = \"a\"", "go together"),
            ("name = \"x\"\n[tls]\ncommand = [\"x\"]\nfile = \"../a\"\nconfig = \"a\"", "plain file name"),
            ("name = \"x\"\nport = 1", "port"),
            ("name = \"x\"\nprotocols = [\"h3\"]", "h3"),
        ] {
            let said = Described::parse(text).err().unwrap();
            assert!(said.contains(fault), "{said}");
        }
    }
}
