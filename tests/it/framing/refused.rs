//! HTTP/2 requests that are refused before their body comes: what their client still sends is no
//! error of its, and the connection goes on for everybody on it.

use std::time::Duration;

use crate::neighbours::frames::{Client, DATA, END_HEADERS, END_STREAM, HEADERS, call_block};
use crate::world::{World, call};

/// Kind of the frame that ends a connection.
const GOAWAY: u8 = 7;
/// Requests: h2 closes a connection after a hundred errors on streams, as it is set here.
const REQUESTS: u32 = 300;

#[test]
fn a_body_that_comes_after_its_refusal_is_no_error() {
    let world = World::new("", "");
    let trusting = world.secure();
    let (key, _) = world.issue(&["crm:read"]);
    let gateway = world.serve();
    let mut client = Client::open(&trusting, gateway.address, Duration::from_secs(10)).unwrap();
    let wrong = key.replace('.', "-");
    let head = call_block(&wrong, "/crm/mcp", "crm.read_x");
    for number in 0..REQUESTS {
        let stream = 2 * number + 1;
        client.frame(HEADERS, END_HEADERS, stream, &head).unwrap();
        answered(&mut client, stream);
        client.frame(DATA, END_STREAM, stream, call("crm.read_x").as_bytes()).unwrap();
    }
    let last = 2 * REQUESTS + 1;
    client.call(last, &key, "crm.read_x").unwrap();
    answered(&mut client, last);
}

/// Reads until a stream's answer begins.
fn answered(client: &mut Client, wanted: u32) {
    loop {
        let (kind, _, stream, payload) = client.read().unwrap();
        assert_ne!(kind, GOAWAY, "at stream {wanted}: {}", payload.escape_ascii());
        if (kind, stream) == (HEADERS, wanted) {
            return;
        }
    }
}
