//! Who takes part: every server of a measurement, started on the target's core before one
//! upstream, with one certificate and the same keys.
//!
//! All are up at a time while one is measured; idle they take no measurable time.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use tempfile::TempDir;

use crate::Done;
use crate::load::Target;
use crate::machine::{self, Cores};
use crate::report::{TargetInfo, TargetKind};
use crate::targets::fixture::Fixture;
use crate::targets::peers::{Peer, Place, version};
use crate::targets::server::{Program, Server, free_address};
use crate::transport::{Protocol, tls};

/// The proxy that checks nothing; every ratio is against it.
pub(crate) const FLOOR: &str = "floor";
/// What copies bytes and looks at none; plaintext HTTP/1.1 alone, as it knows no TLS.
pub(crate) const RELAY: &str = "relay";
/// What accepts TLS and answers itself; handshakes are compared with its.
pub(crate) const BARE_SERVER: &str = "bare-server";
/// What all this is about.
pub(crate) const GATEWAY: &str = "tollgate";
/// The same with an audit log.
pub(crate) const AUDITED: &str = "tollgate-audited";

/// The upstream itself, without anything between.
pub(crate) const DIRECT: &str = "direct";

/// What a lineup starts its servers with.
pub(crate) struct Lineup {
    gateway: PathBuf,
    pub(crate) cores: Cores,
    stub: Server,
    fixture: Fixture,
}

/// One server that is measured.
pub(crate) struct Contender {
    pub(crate) name: String,
    pub(crate) target: Target,
    /// None where there is no server of its own: the upstream runs anyway.
    pub(crate) server: Option<Server>,
    /// Its configuration; it goes after the server.
    _folder: Option<TempDir>,
}

impl Contender {
    /// Its server, for figures that only a process has.
    pub(crate) fn server(&self) -> Done<&Server> {
        self.server.as_ref().ok_or_else(|| format!("{} has no process of its own", self.name))
    }
}

impl Lineup {
    /// Starts the upstream, makes certificate and keys, and keeps this thread to its core.
    /// So many calls at a time have keys of their own.
    pub(crate) fn new(gateway: &Path, calls: u16) -> Done<Self> {
        let cores = machine::take_cores()?;
        let stub = Server::start(&Program::own(&["stub"])?, cores.load, cores.load)?;
        let fixture = Fixture::make(gateway, stub.address, usize::from(calls))?;
        Ok(Self { gateway: gateway.to_owned(), cores, stub, fixture })
    }

    /// The floor.
    pub(crate) fn floor(&self, protocol: Protocol) -> Done<Contender> {
        let upstream = self.stub.address.to_string();
        let mut program = Program::own(&["bare-proxy", "--upstream", &upstream])?;
        if protocol != Protocol::H1 {
            program.arguments.extend(self.certificate_arguments());
        }
        self.announced(FLOOR, protocol, &program)
    }

    /// The relay.
    pub(crate) fn relay(&self) -> Done<Contender> {
        let upstream = self.stub.address.to_string();
        self.announced(RELAY, Protocol::H1, &Program::own(&["relay", "--upstream", &upstream])?)
    }

    /// The bare server of TLS.
    pub(crate) fn bare_server(&self) -> Done<Contender> {
        let mut program = Program::own(&["bare-server"])?;
        program.arguments.extend(self.certificate_arguments());
        self.announced(BARE_SERVER, Protocol::H1Tls, &program)
    }

    fn certificate_arguments(&self) -> [String; 4] {
        let (certificate, key) = (self.fixture.certificate(), self.fixture.key_file());
        let (certificate, key) = (certificate.display().to_string(), key.display().to_string());
        ["--certificate".to_owned(), certificate, "--key".to_owned(), key]
    }

    /// The gateway, with one worker.
    pub(crate) fn gateway(&self, protocol: Protocol) -> Done<Contender> {
        self.announced(GATEWAY, protocol, &self.fixture.gateway(protocol))
    }

    /// The gateway with an audit log to files; what writes it has the same core.
    pub(crate) fn audited(&self, protocol: Protocol) -> Done<Contender> {
        self.announced(AUDITED, protocol, &self.fixture.audited(protocol))
    }

    /// The upstream itself, in plaintext: it speaks nothing else.
    pub(crate) fn direct(&self) -> Done<Contender> {
        let target = self.target(self.stub.address, Protocol::H1, Rc::clone(&self.fixture.keys))?;
        Ok(Contender { name: DIRECT.to_owned(), target, server: None, _folder: None })
    }

    /// Another gateway, which has to hold so many client connections at a time: to be ready for
    /// more costs some of them memory.
    pub(crate) fn peer(&self, peer: &Peer, protocol: Protocol, connections: u32) -> Done<Contender> {
        let folder = TempDir::new().map_err(|error| format!("no temporary folder: {error}"))?;
        let (certificate, key) = (self.fixture.certificate(), self.fixture.key_file());
        let server = peer.start(
            &Place {
                listen: free_address()?,
                upstream: self.stub.address,
                tls: (protocol != Protocol::H1).then_some((certificate.as_path(), key.as_path())),
                connections,
                folder: folder.path(),
                keys: &self.fixture.keys,
            },
            self.cores,
        )?;
        let keys = match peer.key() {
            Some(key) => Rc::from([key.to_owned()]),
            None => Rc::clone(&self.fixture.keys),
        };
        let target = self.target(server.address, protocol, keys)?;
        Ok(Contender { name: peer.name.clone(), target, server: Some(server), _folder: Some(folder) })
    }

    fn announced(&self, name: &str, protocol: Protocol, program: &Program) -> Done<Contender> {
        let server = Server::start(program, self.cores.target, self.cores.load)?;
        let target = self.target(server.address, protocol, Rc::clone(&self.fixture.keys))?;
        Ok(Contender { name: name.to_owned(), target, server: Some(server), _folder: None })
    }

    fn target(&self, address: SocketAddr, protocol: Protocol, keys: Rc<[String]>) -> Done<Target> {
        let tls = tls::client(&self.fixture.certificate(), protocol.alpn())?;
        Ok(Target { address, protocol, tls, keys })
    }

    /// Keys of another registry: well formed, and known to no target.
    pub(crate) fn strangers(&self, count: usize) -> Done<Rc<[String]>> {
        Fixture::make(&self.gateway, self.stub.address, count).map(|fixture| fixture.keys)
    }

    /// Adds keys to the gateway's registry that nobody has.
    pub(crate) fn fill(&self, count: u32) -> Done {
        self.fixture.registry().fill(count, self.fixture.folder())
    }

    /// What of this house can take part.
    pub(crate) fn own_targets(&self) -> Vec<TargetInfo> {
        let gateway = version(&self.gateway, "--version");
        [
            (FLOOR, TargetKind::Floor, None, "a reverse proxy on hyper that checks nothing"),
            (RELAY, TargetKind::Floor, None, "copies bytes, a connection upstream for each client's"),
            (BARE_SERVER, TargetKind::Floor, None, "rustls on a socket, for handshakes alone"),
            (GATEWAY, TargetKind::Gateway, Some(gateway.clone()), "one worker, every check on, no audit log"),
            (AUDITED, TargetKind::Gateway, Some(gateway), "the same, with an audit log to files"),
            (DIRECT, TargetKind::Direct, None, "the upstream itself, in plaintext with every protocol"),
        ]
        .map(|(name, kind, version, settings)| TargetInfo {
            name: name.to_owned(),
            kind,
            version,
            settings: Some(settings.to_owned()),
        })
        .into()
    }

    /// The certificate of all targets.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.fixture.certificate()
    }
}
