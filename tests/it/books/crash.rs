//! A gateway that is killed under load: its log is whole up to its end, nothing is in it twice, and what is
//! missing is of the last moment.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::{call, of_kind, records, world};
use crate::world::{META, call_headers, header_lines, strength};

/// How long a record may be unsafe, and what the machine may take over it beside other tests.
const INTERVAL: Duration = Duration::from_millis(200);
const SLACK: Duration = Duration::from_millis(100);

/// Calls one after the other, with ids from `first` on, and says when each was answered.
fn until_it_ends(address: SocketAddr, key: &str, first: u64) -> Vec<(u64, Instant)> {
    let mut told = Vec::new();
    let Ok(stream) = TcpStream::connect(address) else { return told };
    let mut stream = BufReader::new(stream);
    let mut headers = call_headers("crm.read_x");
    headers.extend([("Authorization", format!("Bearer {key}")), ("Host", address.to_string())]);
    let lines = header_lines(&headers);
    for id in first.. {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"crm.read_x","arguments":{{}},{META}}}}}"#
        );
        let request =
            format!("POST /crm/mcp HTTP/1.1\r\n{lines}Content-Length: {}\r\n\r\n{body}", body.len());
        if stream.get_mut().write_all(request.as_bytes()).is_err() || answered(&mut stream).is_none() {
            break;
        }
        told.push((id, Instant::now()));
    }
    told
}

/// Reads an answer of status 200 to its end, if it comes.
fn answered(stream: &mut BufReader<TcpStream>) -> Option<()> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        (stream.read_line(&mut head).ok()? > 0).then_some(())?;
    }
    let length =
        head.to_ascii_lowercase().split_once("content-length: ")?.1.split_once('\r')?.0.parse().ok()?;
    stream.read_exact(&mut vec![0; length]).ok()?;
    head.starts_with("HTTP/1.1 200").then_some(())
}

#[test]
fn a_gateway_that_is_killed_loses_no_more_than_the_last_moment() {
    let world = world("fsync = \"200ms\"\n", "");
    let (key, _) = world.issue(&["crm:read"]);
    let mut answered: HashMap<u64, Duration> = HashMap::new();
    let mut next = 0_u64;
    for _ in 0..strength(3, 50) {
        let gateway = world.serve();
        let address = gateway.address;
        let pid = gateway.pid();
        let killed = std::thread::scope(|scope| {
            let clients: Vec<_> = (0..4)
                .map(|client| {
                    let (key, first) = (&key, next + client * 1_000_000);
                    scope.spawn(move || until_it_ends(address, key, first))
                })
                .collect();
            std::thread::sleep(Duration::from_millis(400 + (next % 7) * 37));
            let killed = Instant::now();
            assert!(std::process::Command::new("kill").args(["-9", &pid]).status().unwrap().success());
            for told in clients.into_iter().flat_map(|client| client.join().unwrap()) {
                answered.insert(told.0, killed.saturating_duration_since(told.1));
            }
            killed
        });
        assert!(killed.elapsed() < Duration::from_secs(10));
        next += 10_000_001;
    }
    // The last one ends well.
    let mut gateway = world.serve();
    assert_eq!(call(&mut gateway.connect(), &key, "crm.read_x", &next.to_string(), "{}").status, 200);
    assert!(gateway.stop());
    let records = records(&world);
    let mut written: HashMap<u64, u32> = HashMap::new();
    for record in of_kind(&records, "call") {
        *written.entry(record["id"].as_u64().unwrap()).or_default() += 1;
    }
    assert!(written.values().all(|count| *count == 1), "nothing is written twice");
    assert!(answered.len() > 100 && written.contains_key(&next), "{} were answered", answered.len());
    let missing = answered.iter().filter(|(id, _)| !written.contains_key(id)).map(|(_, before)| *before);
    let (count, earliest) =
        missing.fold((0, Duration::ZERO), |(count, most), before| (count + 1, most.max(before)));
    println!(
        "measured: {} calls were answered, {count} of them are missing, the earliest {earliest:?} before its kill",
        answered.len()
    );
    assert!(earliest <= INTERVAL + SLACK, "{earliest:?}");
}
