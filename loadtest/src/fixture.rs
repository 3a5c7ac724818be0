//! The gateway's world: a folder with a certificate, a configuration and keys, made through
//! the gateway's own command line.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;

use tempfile::TempDir;

use crate::Done;
use crate::call::{PATH, SCOPE, TOOL};
use crate::load::Protocol;
use crate::tls;

/// Rules beside the one of the tool that is called; a server has a few dozen tools.
const OTHER_TOOLS: usize = 30;

/// The folder; it goes when this is dropped.
pub(crate) struct Fixture {
    folder: TempDir,
    gateway: PathBuf,
    /// Raw keys that may call the tool.
    pub(crate) keys: Rc<[String]>,
}

impl Fixture {
    /// Makes everything; `keys` keys are issued.
    pub(crate) fn make(gateway: &Path, upstream: SocketAddr, keys: usize) -> Done<Self> {
        let folder = TempDir::new().map_err(|error| format!("no temporary folder: {error}"))?;
        let mut fixture = Self { folder, gateway: gateway.to_owned(), keys: Rc::new([]) };
        tls::write_certificate(&fixture.certificate(), &fixture.key_file())?;
        for (protocol, transport) in [
            (Protocol::H1, "plaintext = \"loopback\""),
            (Protocol::H1Tls, "tls = { certificate = \"server.pem\", private_key = \"server.key\" }"),
        ] {
            let file = fixture.config(protocol);
            std::fs::write(&file, config(transport, upstream))
                .map_err(|e| format!("{}: {e}", file.display()))?;
        }
        fixture.keys = (0..keys).map(|number| fixture.issue(number)).collect::<Done<Vec<_>>>()?.into();
        Ok(fixture)
    }

    /// The configuration for a protocol.
    pub(crate) fn config(&self, protocol: Protocol) -> PathBuf {
        self.folder.path().join(if protocol == Protocol::H1 { "plaintext.toml" } else { "tls.toml" })
    }

    /// The certificate of all targets.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.folder.path().join("server.pem")
    }

    /// Its key.
    pub(crate) fn key_file(&self) -> PathBuf {
        self.folder.path().join("server.key")
    }

    fn issue(&self, number: usize) -> Done<String> {
        let name = format!("load-{number}");
        let mut command = Command::new(&self.gateway);
        command.args(["key", "issue", "--json", "--name", &name, "--scope", SCOPE, "--config"]);
        let issued = command.arg(self.config(Protocol::H1)).output();
        let issued = issued.map_err(|error| format!("{} cannot be run: {error}", self.gateway.display()))?;
        if !issued.status.success() {
            return Err(format!("no key was issued: {}", String::from_utf8_lossy(&issued.stderr)));
        }
        let record: serde_json::Value =
            serde_json::from_slice(&issued.stdout).map_err(|error| error.to_string())?;
        let key = record.get("key").and_then(serde_json::Value::as_str);
        key.map(str::to_owned).ok_or_else(|| "the issued key was not printed".to_owned())
    }
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
