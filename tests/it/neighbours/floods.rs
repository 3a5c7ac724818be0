//! Clients of HTTP/1.1 that send as much as they can: connections, guesses, odd and large bodies.

use std::io::{self, Read as _, Write as _};
use std::time::{Duration, Instant};

use super::town::Town;
use super::{Kind, town};
use crate::world::{META, Secure, call_bytes, header_lines, legacy_call, legacy_headers};

pub(super) const KINDS: [Kind; 13] = [
    ("flood of TCP connections", 2, tcp_connections),
    ("flood of handshakes", 2, handshakes),
    ("flood of held connections", 2, held_connections),
    ("flood of wrong keys", 2, wrong_keys),
    ("flood of unknown paths", 2, paths),
    ("flood of random tools", 2, tools),
    ("flood of random sessions", 2, sessions),
    ("flood of deep JSON", 2, deep),
    ("flood of 4 MiB of members", 2, members),
    ("flood of 4 MiB of brackets", 2, brackets),
    ("flood of 4 MiB of escapes", 2, escapes),
    ("flood of good calls", 2, good_calls),
    ("flood of calls to nobody", 2, gone),
];

fn tcp_connections(town: &Town) {
    town.again(|| town.tcp().map(drop));
}

fn handshakes(town: &Town) {
    town.again(|| town.tls().map(drop));
}

fn held_connections(town: &Town) {
    town.hold(400, || town.tcp(), |_| Ok(()));
}

/// Sends what `make` makes, and waits for the answer to each, on one connection.
fn flood(town: &Town, make: impl Fn() -> String) {
    town.again(|| {
        let mut stream = town.tls()?;
        while !town.over() {
            let text = make();
            stream.write_all(text.as_bytes())?;
            answer(town, &mut stream)?;
        }
        Ok(())
    });
}

/// Waits for the end of an answer: its body is JSON, so it ends with a brace.
fn answer(town: &Town, stream: &mut Secure) -> io::Result<()> {
    let (deadline, mut buffer) = (Instant::now() + Duration::from_secs(20), vec![0; 64 * 1024]);
    while Instant::now() < deadline && !town.over() {
        match stream.read(&mut buffer) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) if buffer[..count].ends_with(b"}") => return Ok(()),
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

fn wrong_keys(town: &Town) {
    flood(town, || {
        let key = &town.bad_key;
        let wrong = format!("{}{:016x}", &key[..key.len() - 16], town.random());
        call_bytes(&wrong, "crm.read_x")
    });
}

fn paths(town: &Town) {
    flood(town, || {
        call_bytes(&town.bad_key, "crm.read_x").replacen("/crm/", &format!("/{:x}/", town.random()), 1)
    });
}

fn tools(town: &Town) {
    flood(town, || call_bytes(&town.bad_key, &format!("crm.other_{:x}", town.random())));
}

fn sessions(town: &Town) {
    flood(town, || {
        let lines = header_lines(&legacy_headers(&town.bad_key));
        let (body, id) = (legacy_call("crm.read_x"), town.random());
        format!(
            "POST /crm/mcp HTTP/1.1\r\nHost: localhost\r\nMcp-Session-Id: {id:x}\r\n{lines}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    });
}

/// A body again and again.
fn bodies(town: &Town, body: &str) {
    let head = town.bad_head(&format!(
        "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: whole\r\nContent-Length: {}\r\n",
        body.len()
    ));
    let whole = head + body;
    town.again(|| {
        let mut stream = town.tls()?;
        // Longer than an idle glance: 4 MiB take their time.
        stream.sock.set_write_timeout(Some(Duration::from_secs(5)))?;
        while !town.over() {
            stream.write_all(whole.as_bytes())?;
            answer(town, &mut stream)?;
        }
        Ok(())
    });
}

/// A call of the bad server's tool with these arguments.
fn arguments(arguments: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{{"name":"whole","arguments":{arguments},{META}}}}}"#
    )
}

fn deep(town: &Town) {
    bodies(town, &arguments(&format!("{}{}", "[".repeat(100_000), "]".repeat(100_000))));
}

fn members(town: &Town) {
    bodies(town, &arguments(&format!("{{{}\"\":0}}", "\"a\":1,".repeat(698_000))));
}

fn brackets(town: &Town) {
    bodies(town, &arguments(&format!("[{}[]]", "[],".repeat(1_397_000))));
}

fn escapes(town: &Town) {
    bodies(town, &arguments(&format!("\"{}\"", "\\u00e9".repeat(698_000))));
}

fn good_calls(town: &Town) {
    flood(town, || call_bytes(&town.bad_key, "crm.read_x"));
}

fn gone(town: &Town) {
    flood(town, || call_bytes(&town.bad_key, "any").replacen("/crm/", "/gone/", 1));
}

#[test]
fn floods_are_what_they_are_meant_to_be() {
    let town = Town::build();
    let status = |text: &str| {
        let mut stream = town.sent(b"").unwrap();
        stream.sock.set_write_timeout(Some(Duration::from_secs(10))).unwrap();
        stream.sock.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        let mut line = [0; 12];
        stream.read_exact(&mut line).unwrap();
        String::from_utf8_lossy(&line[9..]).into_owned()
    };
    for (what, body, expected) in [
        ("members", arguments(&format!("{{{}\"\":0}}", "\"a\":1,".repeat(698_000))), "200"),
        ("brackets", arguments(&format!("[{}[]]", "[],".repeat(1_397_000))), "200"),
        ("deep", arguments(&format!("{}{}", "[".repeat(100_000), "]".repeat(100_000))), "400"),
    ] {
        let head = town.bad_head(&format!("MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: whole\r\nContent-Length: {}\r\n", body.len()));
        assert_eq!(status(&(head + &body)), expected, "{what}");
    }
    assert_eq!(status(&town.bad_call("whole")), "200");
    assert_eq!(status(&call_bytes(&town.bad_key, "any").replacen("/crm/", "/gone/", 1)), "502");
    let mut stream: Secure = town.sent(town.bad_call("endless").as_bytes()).unwrap();
    assert!(town::glance(&mut stream).is_ok());
}
