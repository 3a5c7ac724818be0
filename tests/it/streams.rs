//! Streams of events: what may be put into one, what may not, and what ends it.

use std::time::{Duration, Instant};

use crate::world::{ANSWER, Connection, World, call, call_headers};

const SOON: &str = "[bounds]\nstream_comment = \"100ms\"\n";

/// All of a chunked body, as it came.
fn body(connection: &mut Connection) -> String {
    let mut whole = Vec::new();
    while let Some(chunk) = connection.chunk() {
        whole.extend(chunk);
    }
    String::from_utf8(whole).unwrap()
}

#[test]
fn comments_come_between_lines_and_never_make_an_answer_longer_than_told() {
    let world = World::new(SOON, "");
    let (key, _) = world.issue(&["crm:read"]);
    let gateway = world.serve();
    let mut connection = gateway.connect();
    connection.send_call(&key, "crm.read_told_length");
    let head = connection.head();
    assert_eq!((head.header("content-length"), head.header("transfer-encoding")), (None, Some("chunked")));
    let events = body(&mut connection);
    let (first, rest) = events.split_once("\n\n").unwrap();
    assert_eq!(first.len(), "data: ".len() + 20_000);
    assert!(rest.starts_with(":\n") && rest.ends_with("data: end\n\n"), "{rest}");
    assert_eq!(rest.replace(":\n", ""), "data: end\n\n");
    let next = connection.call(&key, "crm.read_x");
    assert_eq!((next.status, next.text()), (200, ANSWER), "the next answer is its own");
}

#[test]
fn nothing_is_put_into_events_that_are_encoded() {
    let world = World::new(SOON, "");
    let (key, _) = world.issue(&["crm:read"]);
    let gateway = world.serve();
    let mut connection = gateway.connect();
    connection.send_call(&key, "crm.read_encoded");
    assert_eq!(connection.head().header("content-encoding"), Some("gzip"));
    assert_eq!(body(&mut connection), format!("data: {}\n\ndata: end\n\n", "x".repeat(20_000)));
}

#[test]
fn a_mark_behind_a_comment_is_taken_away_and_no_other() {
    let world = World::new(SOON, "");
    let (key, _) = world.issue(&["crm:read"]);
    let gateway = world.serve();
    let mut connection = gateway.connect();
    connection.send_call(&key, "crm.read_marked");
    assert_eq!(connection.head().status, 200);
    let events = body(&mut connection);
    assert!(events.starts_with(":\n"), "{events:?}");
    assert_eq!(events.replace(":\n", ""), "data: first\n\n\u{feff}data: second\n\n");
}

#[test]
fn a_key_that_is_taken_away_gets_no_more_of_its_streams() {
    let world = World::new(SOON, "");
    let (key, id) = world.issue(&["crm:read"]);
    let (other, _) = world.issue(&["crm:read"]);
    let gateway = world.serve();
    let (mut taken, mut left) = (gateway.connect(), gateway.connect());
    for (connection, key) in [(&mut taken, &key), (&mut left, &other)] {
        connection.send_call(key, "crm.read_event");
        assert_eq!(connection.head().status, 200);
        assert_eq!(connection.piece().unwrap(), b"data: {}\n\n");
    }
    assert!(world.run(&["key", "revoke", &id]).ok);
    let begun = Instant::now();
    // Comments come until then; no last chunk, so that nobody takes it for a whole answer.
    while taken.piece().is_some_and(|piece| piece == b":\n") {
        assert!(begun.elapsed() < Duration::from_secs(2), "the stream goes on");
    }
    assert!(taken.closed());
    for _ in 0..3 {
        assert_eq!(left.piece().unwrap(), b":\n", "others go on");
    }
    assert_eq!(gateway.connect().call(&key, "crm.read_x").reason(), "revoked_key");
}

#[test]
fn a_refusal_of_a_long_body_is_read_by_a_client_that_sends_all_of_it_first() {
    let world = World::new("", "");
    let (key, _) = world.issue(&["crm:read"]);
    let gateway = world.serve();
    let mut headers = call_headers("crm.read_x");
    headers.push(("Authorization", format!("Bearer {key}")));
    let long = call("crm.read_x").replace("{}", &format!("{{\"a\":\"{}\"}}", "x".repeat(6 << 20)));
    for _ in 0..3 {
        let answer = gateway.connect().request("POST", "/crm/mcp", &headers, &long);
        assert_eq!((answer.status, answer.reason().as_str()), (413, "body_too_large"));
    }
}
