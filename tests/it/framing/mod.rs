//! HTTP, strict: whatever a client or an upstream sends, one clean request is forwarded or the
//! client is refused; never a second request, never somebody else's answer.
//!
//! The upstream writes down what it receives, and every case reads that strictly. After every
//! case an innocent call is made, whose answer repeats its own body: nobody else's can pass.

mod flood;
mod h2;
mod http1;
mod http1_bodies;
mod http1_cases;
mod http2;
mod leaks;
mod places;
mod refused;
mod tools;
mod upstreams;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::world::{Connection, Gateway, META, World, call_headers};

/// A world with one gateway that serves, and a key that may call what is read.
struct Ground {
    world: World,
    gateway: Gateway,
    key: String,
}

impl Ground {
    fn new(extra: &str) -> Self {
        Self::of(World::new(extra, ""))
    }

    /// The same, with TLS instead of plaintext.
    fn tls(extra: &str) -> Self {
        let world = World::new(extra, "");
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let (certificate, key) =
            (world.folder.path().join("server.pem"), world.folder.path().join("server.key"));
        std::fs::write(certificate, made.cert.pem()).unwrap();
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(&key, private).unwrap();
        let text = std::fs::read_to_string(world.config()).unwrap();
        let tls = "tls = { certificate = \"server.pem\", private_key = \"server.key\" }";
        std::fs::write(world.config(), text.replace("plaintext = \"loopback\"", tls)).unwrap();
        Self::of(world)
    }

    fn of(world: World) -> Self {
        let (key, _) = world.issue(&["crm:read"]);
        let gateway = world.serve();
        Self { world, gateway, key }
    }

    /// The requests that arrived upstream after the first `before`: each must be clean.
    fn arrived(&self, before: usize, case: &str) -> usize {
        let seen = self.world.recorder.seen();
        for request in &seen[before..] {
            if let Err(fault) = clean(request) {
                panic!("{case}: {fault} in {request}");
            }
            assert!(!request.contains(&self.key), "{case}: the key is in {request}");
        }
        seen.len() - before
    }

    fn seen(&self) -> usize {
        self.world.recorder.seen().len()
    }

    /// Calls on this connection, and gets the answer to this very call.
    fn innocent(&self, connection: &mut Connection, case: &str) {
        let body = marked();
        let mut headers = call_headers("crm.read_long");
        headers.push(("Authorization", format!("Bearer {}", self.key)));
        let before = self.seen();
        let answer = connection.request("POST", "/crm/mcp", &headers, &body);
        assert_eq!((answer.status, answer.text()), (200, body.as_str()), "the call after {case}");
        assert_eq!(self.arrived(before, case), 1, "the call after {case}");
    }

    /// Resident memory of the gateway, in bytes.
    fn resident(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.gateway.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
    }
}

/// A call whose answer is the call itself, like no other.
fn marked() -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let mark = NEXT.fetch_add(1, Ordering::Relaxed);
    format!(
        r#"{{"jsonrpc":"2.0","id":{mark},"method":"tools/call","params":{{"name":"crm.read_long","arguments":{{"mark":{mark}}},{META}}}}}"#
    )
}

/// Headers that an upstream may see; with `mcp-param-` before it, any.
const ALLOWED: [&str; 19] = [
    "accept",
    "accept-encoding",
    "accept-language",
    "authorization",
    "baggage",
    "content-length",
    "content-type",
    "host",
    "last-event-id",
    "mcp-method",
    "mcp-name",
    "mcp-protocol-version",
    "mcp-session-id",
    "traceparent",
    "tracestate",
    "user-agent",
    "x-request-id",
    "x-tollgate-key-id",
    "x-tollgate-owner",
];

/// Whether what the upstream wrote down is one request that can be read in one way only.
fn clean(request: &str) -> Result<(), String> {
    let (head, body) = request.split_once("\r\n\r\n").ok_or("no end of the head")?;
    let mut lines = head.split("\r\n");
    let line = lines.next().unwrap_or_default();
    let post = line == "POST /mcp HTTP/1.1";
    if !post && line != "GET /mcp HTTP/1.1" && line != "DELETE /mcp HTTP/1.1" {
        return Err(format!("the request line {line}"));
    }
    let (mut names, mut length) = (BTreeSet::new(), None);
    for line in lines {
        let (name, value) = line.split_once(": ").ok_or_else(|| format!("the line {line}"))?;
        if !names.insert(name) || (!ALLOWED.contains(&name) && !name.starts_with("mcp-param-")) {
            return Err(format!("the header {name}"));
        }
        if value.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t') {
            return Err(format!("a control character in {name}"));
        }
        match name {
            "content-length" => length = value.parse().ok(),
            "authorization" if value != "Bearer upstream-credential" => {
                return Err("a foreign credential".into());
            }
            _ => {}
        }
    }
    if !["host", "authorization", "accept-encoding"].iter().all(|name| names.contains(name)) {
        return Err("a header too few".into());
    }
    // A body that was no UTF-8 was written down longer than it was; no case has one.
    if length != post.then_some(body.len()) {
        return Err(format!("the length {length:?} of {} bytes", body.len()));
    }
    Ok(())
}

#[test]
fn the_measure_of_cleanness_can_fail() {
    let head = "POST /mcp HTTP/1.1\r\nhost: h\r\nauthorization: Bearer upstream-credential\r\naccept-encoding: identity\r\n";
    assert_eq!(clean(&format!("{head}content-length: 2\r\n\r\n{{}}")), Ok(()));
    for faulty in [
        format!("{head}content-length: 3\r\n\r\n{{}}"),
        format!("{head}content-length: 2\r\ncontent-length: 2\r\n\r\n{{}}"),
        format!("{head}transfer-encoding: chunked\r\n\r\n"),
        format!("{head}\r\n"),
        format!("{head}cookie: a\r\ncontent-length: 2\r\n\r\n{{}}"),
        format!("{head}content-length: 2\r\nx-request-id: a\rb\r\n\r\n{{}}"),
        "G".into(),
    ] {
        assert!(clean(&faulty).is_err(), "{faulty}");
    }
}

/// Waits, for a bounded time.
fn wait_until(what: &str, seconds: u64, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(seconds), "{what} did not come in {seconds} s");
        std::thread::sleep(Duration::from_millis(5));
    }
}
