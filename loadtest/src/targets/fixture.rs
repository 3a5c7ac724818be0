//! The gateway's world: a folder with a certificate, a configuration and keys, made through
//! the gateway's own command line.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use clap::ValueEnum as _;
use tempfile::TempDir;

use super::registry::Registry;
use super::server::Program;
use crate::Done;
use crate::traffic::call::{PATH, SCOPE, TOOL};
use crate::transport::{Protocol, tls};

/// Rules beside the one of the tool that is called; a server has a few dozen tools.
const OTHER_TOOLS: usize = 30;
/// The file with the secret for session ids.
const SEALING: &str = "sealing.secret";

/// The folder; it goes when this is dropped.
pub(crate) struct Fixture {
    folder: TempDir,
    gateway: PathBuf,
    registry: Registry,
    /// Raw keys that may call the tool.
    pub(crate) keys: Rc<[String]>,
}

impl Fixture {
    /// Makes everything; `keys` keys are issued.
    pub(crate) fn make(gateway: &Path, upstream: SocketAddr, keys: usize) -> Done<Self> {
        Self::make_on(gateway, upstream, keys, "")
    }

    /// The same on a registry in Redis that any number of gateways share.
    pub(crate) fn shared(gateway: &Path, upstream: SocketAddr, keys: usize, redis: SocketAddr) -> Done<Self> {
        Self::make_on(gateway, upstream, keys, &registry_in(redis))
    }

    /// The same under settings of the caller's: whole tables, plans for one. No key is issued.
    pub(crate) fn shared_with(
        gateway: &Path,
        upstream: SocketAddr,
        redis: SocketAddr,
        settings: &str,
    ) -> Done<Self> {
        Self::make_on(gateway, upstream, 0, &format!("{}{settings}", registry_in(redis)))
    }

    fn make_on(gateway: &Path, upstream: SocketAddr, keys: usize, shared: &str) -> Done<Self> {
        let folder = TempDir::new().map_err(|error| format!("no temporary folder: {error}"))?;
        write_secret(&folder.path().join(SEALING))?;
        let registry = Registry::new(gateway, &config_file(folder.path(), Protocol::H1));
        let mut fixture = Self { folder, gateway: gateway.to_owned(), registry, keys: Rc::new([]) };
        tls::write_certificate(&fixture.certificate(), &fixture.key_file())?;
        for (protocol, transport) in [
            (Protocol::H1, "plaintext = \"loopback\""),
            (Protocol::H1Tls, "tls = { certificate = \"server.pem\", private_key = \"server.key\" }"),
        ] {
            let file = fixture.config(protocol);
            std::fs::write(&file, config(transport, upstream, shared))
                .map_err(|e| format!("{}: {e}", file.display()))?;
        }
        for protocol in Protocol::value_variants() {
            let file = fixture.audited_config(*protocol);
            let plain = fixture.config(*protocol);
            let text = std::fs::read_to_string(&plain).map_err(|e| format!("{}: {e}", plain.display()))?;
            // One log, one gateway.
            let audit = format!("[audit]\nfolder = \"audit-{}\"\n", protocol.name());
            std::fs::write(&file, audit + &text).map_err(|e| format!("{}: {e}", file.display()))?;
        }
        let issue = |number| Ok(fixture.registry.issue(&format!("load-{number}"))?.key);
        fixture.keys = (0..keys).map(issue).collect::<Done<_>>()?;
        Ok(fixture)
    }

    /// The configuration for a protocol.
    fn config(&self, protocol: Protocol) -> PathBuf {
        config_file(self.folder.path(), protocol)
    }

    /// The certificate of all targets.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.folder.path().join("server.pem")
    }

    /// Its key.
    pub(crate) fn key_file(&self) -> PathBuf {
        self.folder.path().join("server.key")
    }

    /// The gateway on them, with one worker.
    pub(crate) fn gateway(&self, protocol: Protocol) -> Program {
        let config = self.config(protocol).display().to_string();
        Program::new(&self.gateway, &["serve", "--workers", "1", "--config", &config])
    }

    /// The same with an audit log to files, as it is by default.
    pub(crate) fn audited(&self, protocol: Protocol) -> Program {
        let config = self.audited_config(protocol).display().to_string();
        Program::new(&self.gateway, &["serve", "--workers", "1", "--config", &config])
    }

    fn audited_config(&self, protocol: Protocol) -> PathBuf {
        self.folder.path().join(format!("audited-{}.toml", protocol.name()))
    }

    /// One of several gateways on a shared registry, with a name and a file of its own.
    pub(crate) fn replica(&self, number: usize) -> Done<Program> {
        let common = self.config(Protocol::H1);
        let text = std::fs::read_to_string(&common).map_err(|e| format!("{}: {e}", common.display()))?;
        let replica =
            format!("replica = {{ name = \"replica-{number}\", path = \"replica-{number}\" }}\nsealing_file");
        let own = self.folder.path().join(format!("replica-{number}.toml"));
        std::fs::write(&own, text.replace("sealing_file", &replica))
            .map_err(|e| format!("{}: {e}", own.display()))?;
        let config = own.display().to_string();
        Ok(Program::new(&self.gateway, &["serve", "--workers", "1", "--config", &config]))
    }

    /// The registry that its configurations name.
    pub(crate) fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The folder, for files that are needed as long as this.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

fn registry_in(redis: SocketAddr) -> String {
    format!("[registry]\nkind = \"redis\"\nurl = \"redis://{redis}/0\"\nsealing_file = \"{SEALING}\"\n")
}

/// All configurations of a folder have one registry.
fn config_file(folder: &Path, protocol: Protocol) -> PathBuf {
    folder.join(if protocol == Protocol::H1 { "plaintext.toml" } else { "tls.toml" })
}

/// A secret of this run, on loopback and for nobody else: the folder's name is random. Only its owner
/// may read it.
fn write_secret(file: &Path) -> Done {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let opened = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
    let secret = format!("of {} and process {}", file.display(), std::process::id());
    opened.and_then(|mut file| writeln!(file, "{secret}")).map_err(|e| format!("{}: {e}", file.display()))
}

fn config(transport: &str, upstream: SocketAddr, registry: &str) -> String {
    let mut text = format!(
        // A flood of wrong keys is to cost all that wrong keys can cost.
        r#"[listen]
address = "127.0.0.1:0"
{transport}
failed_keys = {{ rate = "1000000/s", burst = 1000000 }}
[admin]
address = "127.0.0.1:0"
[log]
format = "json"
{registry}
[[servers]]
name = "bench"
upstreams = ["http://{upstream}{PATH}"]
credential = {{ header = "Authorization", value = "Bearer of-the-upstream" }}
identity = {{ key_id = "X-Tollgate-Key-Id", owner = "X-Tollgate-Owner" }}
[servers.tools.{TOOL}]
scopes = ["{SCOPE}"]
"#
    );
    for number in 0..OTHER_TOOLS {
        text.push_str(&format!("[servers.tools.tool_{number}]\nscopes = [\"bench:other:{number}\"]\n"));
    }
    text
}
