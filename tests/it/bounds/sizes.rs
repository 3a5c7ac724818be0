//! Limits of size: the last byte that fits passes, one more is refused, as soon as it is seen.

use std::time::{Duration, Instant};

use super::bounded;
use crate::world::{Answer, Connection, call, call_headers, header_lines};

const MIB4: usize = 4 << 20;

/// A call whose body has exactly this length.
fn filled(length: usize) -> String {
    let empty = call("crm.read_x").replace(r#""arguments":{}"#, r#""arguments":{"text":""}"#);
    let text = format!("\"text\":\"{}\"", "x".repeat(length - empty.len()));
    empty.replace(r#""text":"""#, &text)
}

fn head(key: &str, framing: &str) -> String {
    let lines = header_lines(&call_headers("crm.read_x"));
    format!(
        "POST /crm/mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n{lines}{framing}\r\n\r\n"
    )
}

/// Sends a body in chunks of 64 KiB, without its end where `ends` is false.
fn chunked(connection: &mut Connection, key: &str, body: &str, ends: bool) -> Answer {
    connection.send(head(key, "Transfer-Encoding: chunked").as_bytes());
    for chunk in body.as_bytes().chunks(64 * 1024) {
        connection.send(format!("{:x}\r\n", chunk.len()).as_bytes());
        connection.send(chunk);
        connection.send(b"\r\n");
    }
    if ends {
        connection.send(b"0\r\n\r\n");
    }
    connection.answer()
}

/// The default, for both framings: 4 MiB pass, one byte more is refused before the end is sent.
pub(super) fn body() {
    let (world, key, gateway) = bounded("");
    let fits = filled(MIB4);
    let mut connection = gateway.connect();
    connection.send(head(&key, &format!("Content-Length: {MIB4}")).as_bytes());
    connection.send(fits.as_bytes());
    let answer = connection.answer();
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(world.recorder.seen().last().unwrap().ends_with(&fits), "every byte");
    assert_eq!(chunked(&mut gateway.connect(), &key, &fits, true).status, 200);
    assert!(world.recorder.seen().last().unwrap().ends_with(&fits), "every byte");
    // Told by its length, no byte of the body is waited for.
    let mut told = gateway.connect();
    told.send(head(&key, &format!("Content-Length: {}", MIB4 + 1)).as_bytes());
    let answer = told.answer();
    assert_eq!((answer.status, answer.reason().as_str()), (413, "body_too_large"));
    // In chunks, the byte too much is enough.
    let mut streaming = gateway.connect();
    let begun = Instant::now();
    let answer = chunked(&mut streaming, &key, &filled(MIB4 + 1), false);
    assert_eq!((answer.status, answer.reason().as_str()), (413, "body_too_large"));
    assert!(begun.elapsed() < Duration::from_secs(10), "not after a limit of time");
    assert!(streaming.closed());
    assert_eq!(world.recorder.seen().len(), 2, "nothing of them went on");
    assert_eq!(gateway.connect().call(&key, "crm.read_x").status, 200);
    // Another setting moves the edge.
    let (_world, key, gateway) = bounded("body = \"64KiB\"");
    for (length, status) in [(64 * 1024, 200), (64 * 1024 + 1, 413)] {
        assert_eq!(chunked(&mut gateway.connect(), &key, &filled(length), true).status, status);
    }
}

pub(super) fn head_size() {
    let (_world, key, gateway) = bounded("head_size = \"4KiB\"");
    let body = call("crm.read_x");
    let bare = head(&key, &format!("Content-Length: {}\r\nX-Filling: ", body.len())).len();
    for (length, status) in [(4096, 200), (4097, 431)] {
        let filling = "x".repeat(length - bare);
        let head = head(&key, &format!("Content-Length: {}\r\nX-Filling: {filling}", body.len()));
        assert_eq!(head.len(), length);
        let mut connection = gateway.connect();
        connection.send(head.as_bytes());
        connection.send(body.as_bytes());
        let answer = connection.answer();
        assert_eq!(answer.status, status, "{length}: {answer:?}");
    }
    // It is refused before its end is there.
    let mut endless = gateway.connect();
    endless.send(format!("POST /crm/mcp HTTP/1.1\r\nX: {}", "x".repeat(4096)).as_bytes());
    let answer = endless.answer();
    assert_eq!((answer.status, answer.reason().as_str()), (431, "headers_too_large"));
}
