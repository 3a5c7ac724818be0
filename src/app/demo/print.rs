//! What the demo says: a page for people, or one line of JSON for programs.
//!
//! The one place, beside `key issue` and `key rotate`, where a raw key reaches the screen.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;

use serde_json::json;

use crate::base::KeyId;
use crate::base::key::NewKey;

/// Everything that the page tells but the key.
pub(super) struct Page {
    pub(super) gateway: SocketAddr,
    pub(super) admin: SocketAddr,
    pub(super) ca: PathBuf,
    pub(super) config: PathBuf,
    pub(super) id: KeyId,
}

impl Page {
    fn endpoint(&self) -> String {
        format!("https://{}/notes/mcp", self.gateway)
    }

    /// One line: endpoint, ca, key, `key_id`, config.
    pub(super) fn json(&self, key: NewKey, out: &mut dyn Write) -> io::Result<()> {
        let line = json!({
            "endpoint": self.endpoint(),
            "ca": self.ca,
            "key": key.reveal(),
            "key_id": self.id.to_string(),
            "config": self.config,
            "admin": format!("http://{}", self.admin),
        });
        writeln!(out, "{line}")?;
        out.flush()
    }

    /// The page.
    pub(super) fn text(&self, key: NewKey, out: &mut dyn Write) -> io::Result<()> {
        let key = key.reveal();
        let (endpoint, ca, config) = (self.endpoint(), self.ca.display(), self.config.display());
        let servers = json!({ "mcpServers": { "tollgate-demo": {
            "type": "http",
            "url": endpoint,
            "headers": { "Authorization": format!("Bearer {key}") },
        }}});
        let client = serde_json::to_string_pretty(&servers).unwrap_or_default();
        write!(
            out,
            "\
Tollgate is serving. Stop it with Ctrl-C.

  endpoint   {endpoint}
  CA file    {ca}
  key        {key}
             (shown this once, valid for 7 days; it may do everything but notes_delete)

List the tools, pasted as it is:

  curl --cacert '{ca}' '{endpoint}' -H 'Authorization: Bearer {key}' -H 'Content-Type: application/json' -H 'Accept: application/json, text/event-stream' -H 'MCP-Protocol-Version: 2026-07-28' -H 'Mcp-Method: tools/list' -d '{LIST}'

Client configuration (hosts on Node.js also need NODE_EXTRA_CA_CERTS='{ca}'):

{client}

Keys, while this runs, in another terminal:

  tollgate key list --config '{config}'
  tollgate explain --config '{config}' --key {id} --server notes --tool notes_delete

Every call and every refusal is written down, in a chain that shows what was changed:

  tollgate audit tail --config '{config}'
  tollgate audit search --config '{config}' --outcome denied
  tollgate audit verify --config '{config}'

Health and metrics: http://{admin}/readyz and http://{admin}/metrics
",
            id = self.id,
            admin = self.admin,
        )?;
        out.flush()
    }
}

const LIST: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}"#;

/// The demo's configuration; a port of 0 takes free ones for both listeners.
pub(super) fn config_text(port: u16, upstream: SocketAddr) -> String {
    // The admin port stays beside the gateway's: 8443 and 9443.
    let admin = if port == 0 { 0 } else { port.checked_add(1_000).unwrap_or(0) };
    format!(
        r#"# Written by `tollgate demo` at every start.
[listen]
address = "127.0.0.1:{port}"
tls = {{ certificate = "server.pem", private_key = "server.key" }}

[registry]
path = "tollgate.db"

# A visitor's machine may allow few open files.
[bounds]
connections = 512

[admin]
address = "127.0.0.1:{admin}"

# What was called and what was refused: tollgate audit tail, search, verify.
[audit]
folder = "audit"
replica = "demo"
retain_age = "7d"

[[servers]]
name = "notes"
upstreams = ["http://{upstream}/mcp"]
identity = {{ key_id = "X-Tollgate-Key-Id", owner = "X-Tollgate-Owner" }}

[servers.tools."*"]
scopes = ["notes:read"]

[servers.tools."notes_add"]
scopes = ["notes:write"]

# The dangerous one: the demo's key does not have this scope.
[servers.tools."notes_delete"]
scopes = ["notes:admin"]

[servers.prompts."*"]
scopes = ["notes:read"]

[servers.resources."notes://**"]
scopes = ["notes:read"]
"#
    )
}
