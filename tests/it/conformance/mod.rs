//! The official conformance suite, run directly and through the gateway, compared check by
//! check. docs/CONFORMANCE.md tells the figures.
//!
//! Node, the suite and the Python SDK are put in place by `cargo xtask test`.

mod shim;
mod suite;

use std::net::{SocketAddr, TcpListener};

use tempfile::TempDir;

use self::shim::{Change, relay};
use self::suite::{Checks, Server, count, differences};
use crate::world::{Gateway, Recorder, World};

/// Lines of `differences` that are as they should be, each with its reason in
/// docs/CONFORMANCE.md. One that vanishes is a fault like one that appears.
const EXPECTED_DIFFERENCES: [&str; 0] = [];

/// Client scenarios that a proxy can stand in the way of, with their revision. The others test
/// OAuth clients.
const CLIENT_SCENARIOS: [(&str, &str); 13] = [
    ("initialize", "2025-11-25"),
    ("tools_call", "2025-11-25"),
    ("tools_call", "2026-07-28"),
    ("sse-retry", "2025-11-25"),
    ("elicitation-sep1034-client-defaults", "2025-11-25"),
    ("request-metadata", "2026-07-28"),
    ("http-standard-headers", "2026-07-28"),
    ("http-custom-headers", "2026-07-28"),
    ("http-invalid-tool-headers", "2026-07-28"),
    ("json-schema-ref-no-deref", "2026-07-28"),
    ("json-schema-2020-12-preservation", "2025-11-25"),
    ("json-schema-2020-12-preservation", "2026-07-28"),
    ("sep-2322-client-request-state", "2026-07-28"),
];

fn loopback(port: u16) -> SocketAddr {
    ([127, 0, 0, 1], port).into()
}

/// A relay to the server that loses headers, and nothing else between.
fn lossy(server: &Server, lose: &'static str) -> u16 {
    let listener = TcpListener::bind(loopback(0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    relay(listener, loopback(server.port), Change { add: None, lose: Some(lose) });
    port
}

/// A gateway before the server that allows everything to one key, and a relay before it that
/// adds the key: where the suite shall go.
struct Through {
    port: u16,
    _gateway: Gateway,
    _world: World,
}

impl Through {
    fn start(server: &Server) -> Self {
        let listener = TcpListener::bind(loopback(0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let text = format!(
            r#"
[listen]
address = "127.0.0.1:0"
plaintext = "loopback"
workers = 1
[admin]
address = "127.0.0.1:0"
[log]
format = "json"
[[servers]]
name = "suite"
upstreams = ["http://127.0.0.1:{}/mcp"]
origins = ["http://localhost:{port}"]
[servers.tools."*"]
scopes = ["suite:all"]
[servers.prompts."*"]
scopes = ["suite:all"]
[servers.resources."**"]
scopes = ["suite:all"]
"#,
            server.port
        );
        let world = World { folder: TempDir::new().unwrap(), recorder: Recorder::start() };
        std::fs::write(world.config(), text).unwrap();
        let (key, _) = world.issue(&["suite:all"]);
        let gateway = world.serve();
        relay(
            listener,
            gateway.address,
            Change { add: Some(format!("Authorization: Bearer {key}")), lose: None },
        );
        Self { port, _gateway: gateway, _world: world }
    }
}

/// Runs both ways at once, each with a server of its own: what one run changes there, the other
/// would notice.
fn both_ways(requirements: &'static str) -> (Checks, Checks) {
    let what = ["--requirements", requirements];
    let direct = std::thread::spawn(move || {
        let server = Server::start();
        suite::server(server.port, "/mcp", &what)
    });
    let server = Server::start();
    let gateway = Through::start(&server);
    let through = suite::server(gateway.port, "/suite/mcp", &what);
    (direct.join().unwrap(), through)
}

/// Compares, and gives the figures.
fn compare(what: &str, direct: &Checks, through: &Checks) -> String {
    assert_eq!(differences(direct, through), EXPECTED_DIFFERENCES, "{what}");
    let figures = ["SUCCESS", "FAILURE", "WARNING", "SKIPPED", "INFO"].map(|status| count(through, status));
    format!("{what}: {figures:?} succeed, fail, warn, are skipped, inform, the same both ways")
}

#[test]
fn the_server_requirements_of_2025_11_25() {
    let (direct, through) = both_ways("2025-11-25");
    println!("{}", compare("server 2025-11-25", &direct, &through));
    // The server is one that passes: nothing agrees by failing on both ways.
    let failed = ["FAILURE", "WARNING"].map(|status| count(&direct, status));
    assert_eq!((count(&direct, "SUCCESS"), failed), (84, [0, 0]), "{direct:?}");
}

#[test]
fn the_server_requirements_of_2026_07_28() {
    let (direct, through) = both_ways("2026-07-28");
    println!("{}", compare("server 2026-07-28", &direct, &through));
    // What fails belongs to the extension for tasks, which the server does not have.
    let failed = direct.iter().filter(|(check, _)| check[3] == "FAILURE");
    assert!(failed.clone().all(|(check, _)| check[0].starts_with("server-tasks-")), "{direct:?}");
    assert_eq!((count(&direct, "SUCCESS"), count(&direct, "FAILURE")), (169, 25), "{direct:?}");
}

/// Runs the scenarios of a revision both ways at once.
fn client_scenarios(version: &'static str) -> String {
    let all = move |with: &'static str| {
        let scenarios = CLIENT_SCENARIOS.iter().filter(|(_, of)| *of == version);
        scenarios.flat_map(|(scenario, _)| suite::client(with, scenario, version)).collect::<Checks>()
    };
    let direct = std::thread::spawn(move || all("client.py"));
    let through = all("through_gateway.py");
    let direct = direct.join().unwrap();
    let figures = compare(&format!("client {version}"), &direct, &through);
    assert_eq!(["FAILURE", "WARNING"].map(|status| count(&direct, status)), [0, 0], "{direct:?}");
    figures
}

#[test]
fn the_client_scenarios_of_2025_11_25() {
    println!("{}", client_scenarios("2025-11-25"));
}

#[test]
fn the_client_scenarios_of_2026_07_28() {
    println!("{}", client_scenarios("2026-07-28"));
}

/// That the comparison notices what the suite's own verdict does not, and that the relay itself
/// loses nothing.
#[test]
fn a_lossy_proxy_is_noticed() {
    let server = Server::start();
    for (lose, scenario, version) in [
        ("mcp-param-", "http-custom-header-server-validation", "2026-07-28"),
        ("last-event-id", "server-sse-polling", "2025-11-25"),
    ] {
        let what = ["--scenario", scenario, "--spec-version", version];
        let direct = suite::server(server.port, "/mcp", &what);
        let again = suite::server(lossy(&server, "nothing"), "/mcp", &what);
        assert_eq!(differences(&direct, &again), [""; 0], "{scenario}: the relay alone");
        let through = suite::server(lossy(&server, lose), "/mcp", &what);
        assert!(!differences(&direct, &through).is_empty(), "{scenario} does not miss {lose}");
    }
}
