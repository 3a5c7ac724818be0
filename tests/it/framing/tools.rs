//! h2load and slowhttptest, tools of others that know nothing of this gateway: a clean run has
//! no error, a slow one harms nobody else. `cargo xtask test` installs them.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::Ground;
use crate::world::{call, call_headers, strength};

fn start(program: &str, arguments: &[String]) -> Child {
    let started = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    started.unwrap_or_else(|fault| panic!("{program}: {fault}; `cargo xtask test` installs it"))
}

fn finish(child: Child) -> String {
    let output = child.wait_with_output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn h2load_has_no_error() {
    let ground = Ground::tls("");
    let calls = strength(2_000, 50_000);
    for (protocol, parallel) in [("--npn-list=h2", "10"), ("--h1", "1")] {
        let before = ground.seen();
        let said = h2load(&ground, protocol, parallel, calls, &ground.key);
        let wanted = format!(
            "requests: {calls} total, {calls} started, {calls} done, {calls} succeeded, 0 failed, 0 errored, 0 timeout"
        );
        assert!(said.contains(&wanted), "{said}");
        assert!(said.contains(&format!("status codes: {calls} 2xx, 0 3xx, 0 4xx, 0 5xx")), "{said}");
        assert_eq!(ground.arrived(before, "h2load"), calls, "each once");
        let rate = said.lines().find(|line| line.starts_with("finished in")).unwrap_or_default();
        println!("measured: h2load {protocol}, {calls} calls, 0 failed, {rate}");
    }
}

/// A refusal that is told before the body was read must not make that body an error: after some
/// of those the whole connection would be closed, with the streams of everybody on it.
#[test]
fn refused_calls_do_not_end_their_connection() {
    let ground = Ground::tls("");
    let calls = strength(2_000, 50_000);
    let wrong = ground.key.replace('.', "-");
    for (protocol, parallel) in [("--npn-list=h2", "10"), ("--h1", "1")] {
        let said = h2load(&ground, protocol, parallel, calls, &wrong);
        let wanted = format!(
            "requests: {calls} total, {calls} started, {calls} done, 0 succeeded, {calls} failed, 0 errored, 0 timeout"
        );
        assert!(said.contains(&wanted), "{said}");
        assert!(said.contains(&format!("status codes: 0 2xx, 0 3xx, {calls} 4xx, 0 5xx")), "{said}");
        println!("measured: h2load {protocol}, {calls} refused calls, 0 broken");
    }
}

/// So many calls on eight connections; what h2load says of them.
fn h2load(ground: &Ground, protocol: &str, parallel: &str, calls: usize, key: &str) -> String {
    let body = ground.world.folder.path().join("call.json");
    std::fs::write(&body, call("crm.read_x")).unwrap();
    let calls = calls.to_string();
    let mut arguments: Vec<String> =
        [protocol, "-n", &calls, "-c", "8", "-m", parallel, "-d", body.to_str().unwrap()]
            .map(str::to_owned)
            .to_vec();
    arguments.extend(["-H".to_owned(), format!("Authorization: Bearer {key}")]);
    for (name, value) in call_headers("crm.read_x") {
        arguments.extend(["-H".to_owned(), format!("{name}: {value}")]);
    }
    arguments.push(format!("https://localhost:{}/crm/mcp", ground.gateway.address.port()));
    finish(start("h2load", &arguments))
}

impl Ground {
    /// Connections of clients over HTTP/1.1 that are open.
    fn connections(&self) -> usize {
        let page = crate::admin::get(&self.gateway, "/metrics");
        let count = page.text().split("tollgate_connections{protocol=\"h1\"} ").nth(1).unwrap();
        count.lines().next().unwrap().parse().unwrap()
    }
}

#[test]
fn slow_clients_harm_nobody_else() {
    let ground = Ground::new("");
    let (connections, seconds) = (strength(100, 1_000), strength(2, 30));
    let address = ground.gateway.address;
    let common = |mode: &str| {
        let url = format!("http://{address}/crm/mcp");
        let (connections, seconds) = (connections.to_string(), seconds.to_string());
        let words = [
            mode,
            "-c",
            &connections,
            "-r",
            &connections,
            "-i",
            "1",
            "-l",
            &seconds,
            "-p",
            "2",
            "-v",
            "1",
            "-u",
            &url,
        ];
        words.map(str::to_owned).to_vec()
    };
    // The tool writes what it is told as the content type, so that it can bring a key along.
    let media = format!("application/json\r\nX-API-Key: {}", ground.key);
    let modes = [
        ("slow heads", common("-H")),
        ("slow bodies", [common("-B"), ["-s", "8192", "-f", &media].map(str::to_owned).to_vec()].concat()),
        ("ranges", common("-R")),
        (
            "slow reading",
            [common("-X"), ["-k", "3", "-w", "1", "-y", "2"].map(str::to_owned).to_vec()].concat(),
        ),
    ];
    for (mode, arguments) in modes {
        let before = ground.resident();
        let mut tool = start("slowhttptest", &arguments);
        let (begun, mut calls, mut slowest, mut held) = (Instant::now(), 0, Duration::ZERO, 0);
        while tool.try_wait().unwrap().is_none() {
            assert!(begun.elapsed() < Duration::from_secs(seconds as u64 + 20), "{mode}: no end");
            let asked = Instant::now();
            ground.innocent(&mut ground.gateway.connect(), mode);
            slowest = slowest.max(asked.elapsed());
            calls += 1;
            held = held.max(ground.connections()).min(connections);
            std::thread::sleep(Duration::from_millis(20));
        }
        let said = finish(tool);
        // Otherwise the mode was refused at once, and the run showed nothing.
        assert!(held >= connections / 2 || mode == "ranges", "{mode}: {held} connections at most");
        let grown = ground.resident().saturating_sub(before);
        assert!(
            calls > 0 && slowest < Duration::from_secs(2),
            "{mode}: {calls} calls, the slowest {slowest:?}"
        );
        assert!(grown <= 64 * 1024 * 1024, "{mode}: memory grew by {grown} bytes");
        assert!(!said.contains("service available:   NO"), "{mode}: {said}");
        println!(
            "measured: slowhttptest, {mode}, {held} of {connections} connections held for {seconds} s, {calls} other calls served, the slowest in {} ms, memory grew by {} KiB",
            slowest.as_millis(),
            grown / 1024
        );
    }
}
