//! Every client with the depot, a real server that asks, notifies, and lets streams be resumed:
//! an elicitation, a subscription, streams resumed with `Last-Event-ID`, and a cancellation.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;

use tempfile::TempDir;

use super::{CLIENTS, LEGACY, MODERN, Target, installed, prompt, with_each};
use crate::demo::Demo;
use crate::world::{Gateway, World};

/// The depot of tests/clients/servers, in the background.
struct Depot {
    child: Child,
    port: u16,
}

impl Depot {
    fn start() -> Self {
        let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/servers/depot.py");
        let mut child = Command::new(installed("python/bin/python"))
            .arg(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { port: line.trim().parse().unwrap_or_else(|_| panic!("no port: {line}")), child }
    }
}

impl Drop for Depot {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A gateway in front of the depot, with keys that it knows from its start.
pub(super) struct Served {
    pub(super) gateway: Gateway,
    keys: Mutex<Vec<String>>,
    _depot: Depot,
    _world: World,
}

impl Served {
    /// `listen` says how the gateway is reached.
    pub(super) fn start(listen: &str, keys: usize) -> Self {
        let (world, depot) = (World::new("", ""), Depot::start());
        let text = format!(
            r#"
[listen]
address = "127.0.0.1:0"
workers = 2
{listen}
[admin]
address = "127.0.0.1:0"
[log]
format = "json"
# The gateway's own comment lines come in every silence, so that every client meets them.
[bounds]
stream_comment = "50ms"
[[servers]]
name = "depot"
upstreams = ["http://127.0.0.1:{}/mcp"]
identity = {{ key_id = "X-Tollgate-Key-Id", owner = "X-Tollgate-Owner" }}
denied_calls = "jsonrpc"
[servers.tools."*"]
scopes = ["depot:use"]
[servers.tools."notes_delete"]
scopes = ["depot:admin"]
[servers.resources."depot://**"]
scopes = ["depot:use"]
"#,
            depot.port
        );
        std::fs::write(world.config(), text).unwrap();
        let keys = (0..keys).map(|_| world.issue(&["depot:use"]).0).collect();
        Self { gateway: world.serve(), keys: Mutex::new(keys), _depot: depot, _world: world }
    }

    /// A key that nobody else has.
    pub(super) fn key(&self) -> String {
        self.keys.lock().unwrap().pop().unwrap()
    }
}

#[test]
fn every_client_is_asked_hears_of_changes_resumes_and_cancels() {
    let folder = TempDir::new().unwrap();
    // For its certificates.
    let demo = Demo::start(folder.path());
    let file = |name: &str| folder.path().join(name).display().to_string();
    let (certificate, private_key) = (file("server.pem"), file("server.key"));
    let tls = format!("tls = {{ certificate = \"{certificate}\", private_key = \"{private_key}\" }}");
    let served = Served::start(&tls, CLIENTS.len());
    let (endpoint, ca) = (format!("https://{}/depot/mcp", served.gateway.address), demo.text("ca"));
    with_each(|client| {
        let key = served.key();
        let target = Target { endpoint: &endpoint, ca: &ca };
        let modern = client.protocol == MODERN;
        let report = client.works(
            &target,
            &key,
            if modern { "ask,follow,cancel" } else { "ask,follow,resume,cancel" },
        );
        let told = |step: &str| report["steps"][step].as_str().unwrap_or_default();
        assert_eq!(told("asked"), "Return parcel-7 to its sender?", "{report}");
        assert_eq!(told("parcel_return"), "Returned, as Zoë confirmed.", "{report}");
        assert_eq!(told("listening"), if modern { "1" } else { "0" }, "{report}");
        prompt(&report, "left");
        prompt(&report, "on_server");
        if client.protocol == LEGACY {
            assert_eq!(told("manifest_build"), "Manifest of 3 pages. [1, 2, 3]", "{report}");
            // The GET stream's and the call's.
            assert_eq!(told("replays"), "2", "{report}");
        }
        if client.drops_bodies {
            // With `denied_calls = "jsonrpc"` it shows even what it would drop.
            let refused = client.run(&target, &key, "forbidden");
            let text = refused["error"]["text"].as_str().unwrap_or_default();
            assert!(text.contains("lacks a scope that this needs: depot:admin"), "{refused}");
        }
        println!("{} {:?}: {}", client.name, client.flags, report["steps"]);
    });
    assert!(demo.stop());
}
