//! The gateway's world: a folder with a certificate, a configuration and keys, made through
//! the gateway's own command line.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use tempfile::TempDir;

use super::registry::Registry;
use super::server::Program;
use crate::Done;
use crate::traffic::call::{PATH, SCOPE, TOOL};
use crate::transport::{Protocol, tls};

/// Rules beside the one of the tool that is called; a server has a few dozen tools.
const OTHER_TOOLS: usize = 30;

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
        let folder = TempDir::new().map_err(|error| format!("no temporary folder: {error}"))?;
        let registry = Registry::new(gateway, &config_file(folder.path(), Protocol::H1));
        let mut fixture = Self { folder, gateway: gateway.to_owned(), registry, keys: Rc::new([]) };
        tls::write_certificate(&fixture.certificate(), &fixture.key_file())?;
        for (protocol, transport) in [
            (Protocol::H1, "plaintext = \"loopback\""),
            (Protocol::H1Tls, "tls = { certificate = \"server.pem\", private_key = \"server.key\" }"),
        ] {
            let file = fixture.config(protocol);
            std::fs::write(&file, config(transport, upstream))
                .map_err(|e| format!("{}: {e}", file.display()))?;
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

    /// The registry that its configurations name.
    pub(crate) fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The folder, for files that are needed as long as this.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// All configurations of a folder have one registry.
fn config_file(folder: &Path, protocol: Protocol) -> PathBuf {
    folder.join(if protocol == Protocol::H1 { "plaintext.toml" } else { "tls.toml" })
}

fn config(transport: &str, upstream: SocketAddr) -> String {
    let mut text = format!(
        r#"[listen]
address = "127.0.0.1:0"
{transport}
[admin]
address = "127.0.0.1:0"
[log]
format = "json"
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
