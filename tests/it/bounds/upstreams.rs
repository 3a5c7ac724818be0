//! Limits of time towards upstreams: whoever is slow there costs its own callers an error, in
//! time, and never a place for good.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use super::{bounded, in_time, until};
use crate::neighbours::frames::{Client, END_STREAM, RESET};
use crate::world::{Connection, World};

/// An upstream that dies before its answer or in the middle of it: an error or a cut answer
/// within a second, over both protocols, never a whole one, and never a second call.
#[test]
fn an_upstream_that_dies_is_told_at_once_and_asked_once() {
    let world = World::new("", "");
    let (key, _) = world.issue(&["crm:read"]);
    let gateway = world.serve();
    for (tool, status) in [("crm.read_close", 502), ("crm.read_cut", 200)] {
        let asked = world.recorder.count();
        let begun = Instant::now();
        let mut connection = gateway.connect();
        connection.send_call(&key, tool);
        assert_eq!(connection.head().status, status);
        if status == 200 {
            assert_eq!(connection.chunk().unwrap(), b"data:");
            assert!(connection.closed(), "no last chunk");
        }
        assert!(begun.elapsed() < Duration::from_secs(1), "{tool}: {:?}", begun.elapsed());
        assert_eq!(world.recorder.count(), asked + 1, "{tool} was called once");
    }
    let world = World::new("", "");
    let trusting = world.secure();
    let (key, _) = world.issue(&["crm:read"]);
    let gateway = world.serve();
    let mut client = Client::open(&trusting, gateway.address, Duration::from_secs(10)).unwrap();
    let begun = Instant::now();
    client.call(1, &key, "crm.read_cut").unwrap();
    loop {
        let (kind, flags, stream, _) = client.read().unwrap();
        if stream == 1 {
            assert!(kind == RESET || flags & END_STREAM == 0, "the end of an answer that has none");
        }
        if (kind, stream) == (RESET, 1) {
            break;
        }
    }
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    assert_eq!(world.recorder.count(), 1);
}

const LIMIT: Duration = Duration::from_millis(300);

pub(super) fn connect() {
    let (world, key, gateway) = bounded("connect = \"300ms\"");
    // A listener whose queue is full answers no SYN.
    let deaf = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let any: std::net::SocketAddr = "127.0.0.1:0".parse().unwrap();
    deaf.bind(&any.into()).unwrap();
    deaf.listen(1).unwrap();
    let address = deaf.local_addr().unwrap().as_socket().unwrap();
    let mut queue = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
        queue.push(stream);
        assert!(queue.len() < 100, "the queue does not fill");
    }
    world.edit(&world.recorder.address.to_string(), &address.to_string());
    gateway.signal("HUP");
    gateway.await_said("configuration reloaded");
    let mut connection = gateway.connect();
    let begun = Instant::now();
    let answer = connection.call(&key, "crm.read_x");
    in_time("an upstream that does not accept", begun, LIMIT);
    assert_eq!((answer.status, answer.reason().as_str()), (502, "upstream_unreachable"));
}

pub(super) fn first_byte() {
    let world = World::new("[bounds]\nfirst_byte = \"700ms\"\n", "");
    // A tool with less time than the others, and one with more.
    world.edit(
        "[servers.tools.\"crm.write_activity\"]",
        "[servers.tools.\"crm.read_half_answer\"]\nscopes = [\"crm:read\"]\nfirst_byte = \"10s\"\n[servers.tools.\"crm.read_event\"]\nscopes = [\"crm:read\"]\nfirst_byte = \"300ms\"\n[servers.tools.\"crm.write_activity\"]",
    );
    let (key, _) = world.issue(&["crm:read"]);
    let gateway = world.serve();
    // The word in the header has the upstream be silent, whatever the tool.
    let silent = |tool: &str| {
        let mut headers = crate::world::call_headers(tool);
        headers.push(("Authorization", format!("Bearer {key}")));
        headers.push(("X-Request-Id", "silence".into()));
        let begun = Instant::now();
        let answer = gateway.connect().request("POST", "/crm/mcp", &headers, &crate::world::call(tool));
        assert_eq!((answer.status, answer.reason().as_str()), (504, "upstream_timeout"), "{tool}");
        begun
    };
    in_time("bounds.first_byte", silent("crm.read_x"), Duration::from_millis(700));
    in_time("the rule's first_byte", silent("crm.read_event"), LIMIT);
    until("the upstream was told", || world.recorder.closed().len() == 2);
    let mut patient = gateway.connect();
    let mut headers = crate::world::call_headers("crm.read_half_answer");
    headers.push(("Authorization", format!("Bearer {key}")));
    headers.push(("X-Request-Id", "late".into()));
    let answer = patient.request("POST", "/crm/mcp", &headers, &crate::world::call("crm.read_half_answer"));
    assert_eq!(answer.status, 200, "an answer after a second, for a tool that may take longer");
}

pub(super) fn upstream_idle() {
    let (world, key, gateway) = bounded("upstream_idle = \"1500ms\"");
    let begun = Instant::now();
    assert_eq!(gateway.connect().call(&key, "crm.read_x").status, 200);
    until("the idle connection is closed", || !world.recorder.closed().is_empty());
    // Looked at once a second: up to that much too early, never too late.
    let took = begun.elapsed();
    assert!(took > Duration::from_millis(450) && took < Duration::from_millis(2_700), "{took:?}");
}

pub(super) fn answer_idle() {
    let (_world, key, gateway) = bounded("answer_idle = \"300ms\"");
    let begun = Instant::now();
    let answer = gateway.connect().call(&key, "crm.read_half_answer");
    in_time("half an answer", begun, LIMIT);
    assert_eq!((answer.status, answer.reason().as_str()), (502, "upstream_unreachable"));
}

pub(super) fn stream_idle() {
    let (_world, key, gateway) = bounded("stream_idle = \"300ms\"");
    let mut connection = gateway.connect();
    connection.send_call(&key, "crm.read_event");
    assert_eq!(connection.head().status, 200);
    assert_eq!(connection.chunk().unwrap(), b"data: {}\n\n");
    let begun = Instant::now();
    // No last chunk: nobody takes it for a complete answer.
    assert!(connection.closed());
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(250) && took <= LIMIT + Duration::from_secs(1), "{took:?}");
}

pub(super) fn stream_comment() {
    let (_world, key, gateway) = bounded("stream_comment = \"300ms\"\nstream_idle = \"1h\"");
    let mut connection: Connection = gateway.connect();
    connection.send_call(&key, "crm.read_event");
    assert_eq!(connection.head().status, 200);
    assert_eq!(connection.chunk().unwrap(), b"data: {}\n\n");
    for _ in 0..3 {
        let begun = Instant::now();
        assert_eq!(connection.chunk().unwrap(), b":\n");
        let took = begun.elapsed();
        assert!(took >= Duration::from_millis(200) && took <= LIMIT + Duration::from_secs(1), "{took:?}");
    }
}
