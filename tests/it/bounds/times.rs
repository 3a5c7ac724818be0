//! Limits of time towards clients: who hangs, drips or leaves something open is gone within
//! its limit and a second, and not before.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::{bounded, in_time, until};
use crate::world::{World, call, call_headers, header_lines, legacy_call, legacy_headers};

const LIMIT: Duration = Duration::from_millis(400);
const PATIENCE: Duration = Duration::from_secs(20);

/// Waits for the end of a stream; whether it came before the patience ended.
fn ended(mut stream: impl std::io::Read) -> bool {
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() != std::io::ErrorKind::WouldBlock,
        }
    }
}

pub(super) fn handshake() {
    let world = World::new("[bounds]\nhandshake = \"400ms\"\n", "");
    world.secure();
    let gateway = world.serve();
    // Nothing; the beginning of a ClientHello; a byte of it now and then.
    for (what, sent) in
        [("nothing", &b""[..]), ("half a hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")]
    {
        let begun = Instant::now();
        let mut stream = TcpStream::connect(gateway.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(sent).unwrap();
        assert!(ended(&stream));
        in_time(what, begun, LIMIT);
    }
    let begun = Instant::now();
    let mut stream = TcpStream::connect(gateway.address).unwrap();
    stream.write_all(b"\x16\x03\x01\x02\x00").unwrap();
    drip(&mut stream, b'\x01');
    in_time("a dripped hello", begun, LIMIT);
}

/// Sends a byte each 50 ms until the other side closes or answers.
fn drip(stream: &mut TcpStream, byte: u8) {
    stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    for _ in 0..200 {
        if stream.write_all(&[byte]).is_err() || stream.peek(&mut [0]).is_ok() {
            return;
        }
    }
}

pub(super) fn head() {
    let (_world, _, gateway) = bounded("head = \"400ms\"");
    let mut connection = gateway.connect();
    let begun = Instant::now();
    connection.send(b"POST /crm/mcp HTTP/1.1\r\nHost: ");
    let answer = connection.answer();
    in_time("half a head", begun, LIMIT);
    assert_eq!((answer.status, answer.reason().as_str()), (408, "request_timeout"));
    assert!(connection.closed());
    in_time("the end of its connection", begun, LIMIT);
    // A byte now and then gains no time.
    let begun = Instant::now();
    let mut stream = TcpStream::connect(gateway.address).unwrap();
    stream.write_all(b"POST /crm/mcp HTTP/1.1\r\nX: ").unwrap();
    drip(&mut stream, b'x');
    in_time("a dripped head", begun, LIMIT);
}

/// The head of a call whose body has this length, and the first byte of the body.
fn begun_body(key: &str, length: usize) -> String {
    format!(
        "POST /crm/mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAuthorization: Bearer {key}\r\nContent-Length: {length}\r\n\r\n{{"
    )
}

pub(super) fn body_idle() {
    let (_world, key, gateway) = bounded("body_idle = \"400ms\"");
    for length in [2, 100_000] {
        let mut connection = gateway.connect();
        let begun = Instant::now();
        connection.send(begun_body(&key, length).as_bytes());
        let answer = connection.answer();
        in_time("a body that stops", begun, LIMIT);
        assert_eq!((answer.status, answer.reason().as_str()), (408, "request_timeout"));
        assert!(connection.closed());
        in_time("the end of its connection", begun, LIMIT);
    }
}

pub(super) fn body_total() {
    let (_world, key, gateway) = bounded("body_idle = \"350ms\"\nbody_total = \"400ms\"");
    let begun = Instant::now();
    let mut stream = TcpStream::connect(gateway.address).unwrap();
    stream.write_all(begun_body(&key, 10_000).as_bytes()).unwrap();
    drip(&mut stream, b' ');
    in_time("a dripped body", begun, LIMIT);
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 408");
    // Also where the second byte comes late: the time runs from the first.
    let mut late = gateway.connect();
    let begun = Instant::now();
    late.send(begun_body(&key, 10_000).as_bytes());
    std::thread::sleep(Duration::from_millis(250));
    late.send(b" ");
    assert_eq!(late.answer().status, 408);
    let took = begun.elapsed();
    assert!(took >= LIMIT && took < LIMIT + Duration::from_millis(180), "{took:?}");
}

pub(super) fn idle() {
    let (_world, key, gateway) = bounded("idle = \"400ms\"");
    let begun = Instant::now();
    assert!(gateway.connect().closed());
    in_time("a connection without a request", begun, LIMIT);
    let mut connection = gateway.connect();
    assert_eq!(connection.call(&key, "crm.read_x").status, 200);
    let begun = Instant::now();
    assert!(connection.closed());
    in_time("a connection after a request", begun, LIMIT);
    // HTTP/2: without the preface, and with it.
    let world = World::new("[bounds]\nidle = \"400ms\"\n", "");
    let trusting = world.secure();
    let gateway = world.serve();
    for sent in [&b""[..], b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"] {
        let mut stream = trusting.connect(gateway.address, true, PATIENCE).unwrap();
        let begun = Instant::now();
        stream.write_all(sent).unwrap();
        assert!(ended(stream));
        in_time("a connection without a stream", begun, LIMIT);
    }
}

pub(super) fn write_idle() {
    let (world, key, gateway) = bounded("write_idle = \"400ms\"");
    let mut connection = gateway.connect();
    let begun = Instant::now();
    connection.send_call(&key, "crm.read_huge_event");
    until("the upstream's connection is closed", || !world.recorder.closed().is_empty());
    // The buffers of the kernel take a moment to fill.
    in_time("a client that does not read", begun, LIMIT);
    assert!(begun.elapsed() >= LIMIT);
    // What reads on, however slowly, is served on.
    let mut slow = gateway.connect();
    slow.send_call(&key, "crm.read_huge_event");
    let begun = Instant::now();
    while begun.elapsed() < 3 * LIMIT {
        assert!(slow.some().is_some());
        std::thread::sleep(LIMIT / 8);
    }
    h2_write_idle();
}

/// HTTP/2: a client with a window of zero, for a short answer and for a stream.
fn h2_write_idle() {
    let world = World::new("[bounds]\nwrite_idle = \"400ms\"\n", "");
    let trusting = world.secure();
    let (key, _) = world.issue(&["crm:read"]);
    let gateway = world.serve();
    for tool in ["crm.read_x", "crm.read_huge_event"] {
        let mut client =
            crate::neighbours::frames::Client::open(&trusting, gateway.address, PATIENCE).unwrap();
        client.settings(&[(4, 0)]).unwrap();
        let begun = Instant::now();
        client.call(1, &key, tool).unwrap();
        assert!(client.ended(), "{tool}");
        in_time(tool, begun, LIMIT);
    }
}

pub(super) fn session() {
    let (_world, key, gateway) = bounded("session = \"1s\"");
    let mut connection = gateway.connect();
    let mut headers = legacy_headers(&key);
    headers.push(("X-Request-Id", "session".into()));
    let initialize = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}"#;
    let begun = Instant::now();
    let first = connection.request("POST", "/crm/mcp", &headers, initialize);
    let id = first.header("mcp-session-id").unwrap_or_else(|| panic!("{first:?}")).to_owned();
    headers.pop();
    headers.push(("Mcp-Session-Id", id));
    headers.push(("MCP-Protocol-Version", "2025-06-18".into()));
    loop {
        let answer = connection.request("POST", "/crm/mcp", &headers, &legacy_call("crm.read_x"));
        if answer.status != 200 {
            assert_eq!((answer.status, answer.reason().as_str()), (404, "session_unknown"));
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(5));
        std::thread::sleep(Duration::from_millis(20));
    }
    // Ages are counted in whole seconds.
    assert!(begun.elapsed() <= Duration::from_millis(2_200), "{:?}", begun.elapsed());
}

#[test]
fn a_body_within_its_limits_passes_though_it_comes_in_pieces() {
    let (_world, key, gateway) = bounded("body_idle = \"400ms\"\nbody_total = \"2s\"");
    let body = call("crm.read_x");
    let mut headers = call_headers("crm.read_x");
    headers.push(("Authorization", format!("Bearer {key}")));
    let lines = header_lines(&headers);
    let head =
        format!("POST /crm/mcp HTTP/1.1\r\nHost: localhost\r\n{lines}Content-Length: {}\r\n\r\n", body.len());
    let mut connection = gateway.connect();
    connection.send(head.as_bytes());
    for piece in body.as_bytes().chunks(body.len().div_ceil(5)) {
        std::thread::sleep(Duration::from_millis(200));
        connection.send(piece);
    }
    assert_eq!(connection.answer().status, 200);
}
