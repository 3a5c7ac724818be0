//! Clients of HTTP/1.1 that are slow, hang, send too much, or vanish.

use std::io::{self, Write as _};
use std::time::Duration;

use super::Kind;
use super::town::{Town, glance, resets};
use crate::world::{Secure, call_bytes, header_lines, legacy_headers};

pub(super) const KINDS: [Kind; 22] = [
    ("slow head", 1, slow_head),
    ("slow body", 1, slow_body),
    ("slow read", 1, slow_read),
    ("never reading a stream", 1, never_reading),
    ("never reading short answers", 1, never_reading_short),
    ("half a handshake", 1, half_handshake),
    ("TLS garbage", 1, tls_garbage),
    ("garbage inside TLS", 1, garbage_inside),
    ("never sending", 1, never_sending),
    ("huge head", 2, huge_head),
    ("huge body in chunks", 2, huge_chunked),
    ("body in chunks of a byte", 2, tiny_chunks),
    ("endless trailers", 2, endless_trailers),
    ("endless chunk extensions", 2, endless_extensions),
    ("requests without reading", 1, pipelined),
    ("promised bodies", 1, promised),
    ("expecting 100 and then nothing", 1, expecting),
    ("aborted bodies", 2, aborted),
    ("reset in mid-request", 2, reset),
    ("vanishing in mid-stream", 2, vanishing),
    ("half closed", 1, half_closed),
    ("streams held by GET", 1, held_streams),
];

fn byte(stream: &mut Secure) -> io::Result<()> {
    stream.write_all(b"x")
}

fn slow_head(town: &Town) {
    town.hold(50, || town.sent(b"POST /bad/mcp HTTP/1.1\r\nX-Slow: "), byte);
}

fn slow_body(town: &Town) {
    let head = town.bad_head("Content-Length: 1000000\r\n");
    town.hold(50, || town.sent(head.as_bytes()), |stream| stream.write_all(b" "));
}

fn slow_read(town: &Town) {
    let call = town.bad_call("endless");
    town.hold(30, || town.sent(call.as_bytes()), |stream| io::Read::read(stream, &mut [0; 16]).map(drop));
}

fn never_reading(town: &Town) {
    let call = town.bad_call("endless");
    // Each fills several megabytes of the kernel's buffers, which is the machine's work.
    town.hold(30, || town.sent(call.as_bytes()), |_| Ok(()));
}

fn never_reading_short(town: &Town) {
    let call = call_bytes(&town.bad_key, "crm.read_x");
    town.hold(50, || town.sent(call.as_bytes()), |stream| stream.write_all(call.as_bytes()));
}

fn half_handshake(town: &Town) {
    let begin = || {
        let mut stream = town.tcp()?;
        stream.write_all(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")?;
        Ok(stream)
    };
    town.hold(200, begin, |_| Ok(()));
}

fn tls_garbage(town: &Town) {
    town.again(|| {
        let mut stream = town.tcp()?;
        stream.write_all(&[town.random().to_le_bytes(); 64].concat())?;
        glance(&mut stream)
    });
}

fn garbage_inside(town: &Town) {
    town.again(|| glance(&mut town.sent(&[town.random().to_le_bytes(); 64].concat())?));
}

fn never_sending(town: &Town) {
    town.hold(200, || town.tls(), |_| Ok(()));
}

fn huge_head(town: &Town) {
    let line = format!("X-Huge: {}\r\n", "x".repeat(8_000));
    town.again(|| {
        let mut stream = town.sent(b"POST /bad/mcp HTTP/1.1\r\n")?;
        for _ in 0..1_000 {
            stream.write_all(line.as_bytes())?;
        }
        glance(&mut stream)
    });
}

/// Sends a piece again and again as the body of a chunked request.
fn chunks(town: &Town, piece: &[u8]) {
    let head = town.bad_head("Transfer-Encoding: chunked\r\n");
    town.again(|| {
        let mut stream = town.sent(head.as_bytes())?;
        while !town.over() {
            stream.write_all(piece)?;
        }
        Ok(())
    });
}

fn huge_chunked(town: &Town) {
    chunks(town, format!("10000\r\n{}\r\n", " ".repeat(0x10000)).as_bytes());
}

fn tiny_chunks(town: &Town) {
    chunks(town, &b"1\r\n \r\n".repeat(1_000));
}

fn endless_trailers(town: &Town) {
    let head = town.bad_head("Transfer-Encoding: chunked\r\n") + "2\r\n{}\r\n0\r\n";
    town.again(|| {
        let mut stream = town.sent(head.as_bytes())?;
        while !town.over() {
            stream.write_all(&b"X-Trailer: x\r\n".repeat(100))?;
        }
        Ok(())
    });
}

fn endless_extensions(town: &Town) {
    let head = town.bad_head("Transfer-Encoding: chunked\r\n") + "2;";
    town.again(|| {
        let mut stream = town.sent(head.as_bytes())?;
        while !town.over() {
            stream.write_all(&b"extension=x;".repeat(100))?;
        }
        Ok(())
    });
}

fn pipelined(town: &Town) {
    let calls = call_bytes(&town.bad_key, "crm.read_x").repeat(100);
    town.hold(
        20,
        || town.sent(calls.as_bytes()),
        |stream| {
            match stream.write_all(calls.as_bytes()) {
                // Nobody takes more: that is what is wanted of the gateway.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
                other => other,
            }
        },
    );
}

/// Half of the memory for bodies would be gone if promises took any.
fn promised(town: &Town) {
    let head = town.bad_head("Content-Length: 4194304\r\n") + "{   ";
    town.hold(100, || town.sent(head.as_bytes()), |stream| stream.write_all(b" "));
}

fn expecting(town: &Town) {
    let head = town.bad_head("Content-Length: 1000000\r\nExpect: 100-continue\r\n");
    town.hold(100, || town.sent(head.as_bytes()), |_| Ok(()));
}

fn aborted(town: &Town) {
    let head = town.bad_head("Content-Length: 1000000\r\n") + &" ".repeat(500_000);
    town.again(|| town.sent(head.as_bytes()).map(drop));
}

fn reset(town: &Town) {
    let head = town.bad_head("Content-Length: 1000000\r\n") + &" ".repeat(1_000);
    town.again(|| resets(&town.sent(head.as_bytes())?.sock));
}

fn vanishing(town: &Town) {
    let call = town.bad_call("endless");
    town.again(|| {
        let mut stream = town.sent(call.as_bytes())?;
        glance(&mut stream)?;
        resets(&stream.sock)
    });
}

fn half_closed(town: &Town) {
    let call = town.bad_call("endless");
    let begin = || {
        let mut stream = town.sent(call.as_bytes())?;
        glance(&mut stream)?;
        stream.sock.shutdown(std::net::Shutdown::Write)?;
        Ok(stream)
    };
    town.hold(20, begin, |stream| {
        std::thread::sleep(Duration::from_millis(1));
        glance(stream)
    });
}

fn held_streams(town: &Town) {
    let lines = header_lines(&legacy_headers(&town.bad_key));
    let get = format!(
        "GET /bad/mcp HTTP/1.1\r\nHost: localhost\r\nMCP-Protocol-Version: 2025-06-18\r\nLast-Event-Id: silent\r\n{lines}\r\n"
    );
    town.hold(150, || town.sent(get.as_bytes()), |_| Ok(()));
}
