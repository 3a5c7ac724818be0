//! The PROXY protocol: from the proxies that are named, whole, in time; and real haproxy.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use super::haproxy::Haproxy;
use super::{Connection, WRONG, ask, over_http2, reasons, told, until_told, world};
use crate::neighbours::frames;
use crate::world::{World, call_bytes, connect_from};

const LISTEN: &str = "client_address = \"proxy_protocol\"\nproxies = [\"127.0.0.1\"]";
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
const LIMIT: Duration = Duration::from_secs(1);

fn header(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [SIGNATURE, &[command, family], &length, rest].concat()
}

/// Over IPv4, from 198.51.100.`last`.
fn of(last: u8, extra: &[u8]) -> Vec<u8> {
    header(0x21, 0x11, &[&[198, 51, 100, last, 127, 0, 0, 1, 0, 1, 0, 2], extra].concat())
}

fn quick(burst: u32) -> World {
    let world = world(burst, LISTEN);
    world.edit("[[servers]]", "[bounds]\nhandshake = \"1s\"\n[[servers]]");
    world
}

#[test]
fn the_client_that_is_announced_is_counted() {
    let world = quick(2);
    let (key, _) = world.issue(&["crm:read"]);
    let gateway = world.serve();
    let announced = |bytes: &[u8]| {
        let mut connection = gateway.connect();
        connection.send(bytes);
        connection
    };
    assert_eq!(reasons(&mut announced(&of(1, &[])), &[], 3), told(2, 1));
    // With what nobody reads behind the addresses, up to the bound.
    assert_eq!(reasons(&mut announced(&of(1, &[4, 0, 1, 0])), &[], 1), told(0, 1));
    assert_eq!(reasons(&mut announced(&of(2, &[7; 4096 - 28])), &[], 3), told(2, 1));
    assert_eq!(announced(&of(1, &[])).call(&key, "crm.read_x").status, 200);
    // Byte by byte, and with the request in the same packet.
    let mut slow = gateway.connect();
    for byte in of(3, &[4, 0, 1, 0]) {
        slow.send(&[byte]);
        std::thread::sleep(Duration::from_millis(2));
    }
    assert_eq!(reasons(&mut slow, &[], 1), told(1, 0));
    let mut joined = announced(&[&of(3, &[])[..], call_bytes(WRONG, "crm.read_x").as_bytes()].concat());
    assert_eq!(joined.answer().reason(), "invalid_key");
    assert_eq!(ask(&mut joined, &[]).reason(), "address_limited");
    // The proxy's own connections, and clients without an address: all of them the proxy's.
    for own in [header(0x20, 0, &[]), header(0x21, 0, &[1; 9]), header(0x21, 0x31, &[b'/'; 216])] {
        assert_eq!(announced(&own).call(&key, "crm.read_x").status, 200);
    }
    assert_eq!(reasons(&mut announced(&header(0x20, 0x11, &[1; 12])), &[], 2), told(2, 0));
    assert_eq!(reasons(&mut announced(&header(0x21, 0x31, &[b'/'; 216])), &[], 1), told(0, 1));
    // X-Forwarded-For is nobody's word here.
    let forged = [("X-Forwarded-For", "203.0.113.1".to_owned())];
    assert_eq!(reasons(&mut announced(&of(1, &[])), &forged, 1), told(0, 1));
    until_told(&gateway, "tollgate_connections_shut_total{reason=\"unannounced\"} 0\n");
}

#[test]
fn what_is_no_header_ends_the_connection() {
    let world = quick(2);
    let gateway = world.serve();
    let whole = of(1, &[]);
    // By the byte that shows it, or where the client ends it.
    let wrong: Vec<Vec<u8>> = vec![
        call_bytes(WRONG, "crm.read_x").into_bytes(),
        b"PROXY TCP4 198.51.100.1 127.0.0.1 1 2\r\n".to_vec(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
        b"\r\n\r\n\0\r\nQUIR".to_vec(),
        header(0x11, 0x11, &whole[16..]),
        header(0x22, 0x11, &whole[16..]),
        header(0x21, 0x51, &whole[16..]),
        header(0x21, 0x21, &whole[16..]),
        of(1, &[0; 4096 - 27]),
        [SIGNATURE, &[0x21, 0x11, 0xFF, 0xFF]].concat(),
    ];
    for bytes in &wrong {
        let (mut connection, begun) = (gateway.connect(), Instant::now());
        connection.try_send(bytes);
        assert!(connection.closed() && begun.elapsed() < LIMIT, "{}", bytes.escape_ascii());
    }
    // A part of one, wherever it ends, when the limit of time is over.
    let mut parts: Vec<_> = (0..whole.len())
        .map(|count| {
            let mut connection = gateway.connect();
            connection.send(&whole[..count]);
            (connection, Instant::now())
        })
        .collect();
    for (part, begun) in &mut parts {
        assert!(part.closed(), "a part is no header");
        let took = begun.elapsed();
        // It was accepted a moment before the clock was read here.
        let since = took + Duration::from_millis(100);
        assert!(since >= LIMIT && took < LIMIT + Duration::from_secs(1), "{took:?}");
    }
    let count = wrong.len() + parts.len();
    until_told(&gateway, &format!("tollgate_connections_shut_total{{reason=\"unannounced\"}} {count}\n"));
    // Who is no proxy is not let in, whatever it says.
    for bytes in [whole, call_bytes(WRONG, "crm.read_x").into_bytes()] {
        let (mut stranger, begun) = (Connection::open_from("127.0.0.2", gateway.address), Instant::now());
        stranger.try_send(&bytes);
        assert!(stranger.closed() && begun.elapsed() < LIMIT);
    }
    until_told(&gateway, "tollgate_connections_shut_total{reason=\"stranger\"} 2\n");
    // One that only looks whether somebody listens is no fault.
    drop(gateway.connect());
    std::thread::sleep(Duration::from_millis(50));
    until_told(&gateway, &format!("tollgate_connections_shut_total{{reason=\"unannounced\"}} {count}\n"));
}

#[test]
fn haproxy_announces_plaintext() {
    let world = quick(3);
    let (key, _) = world.issue(&["crm:read"]);
    let gateway = world.serve();
    // Its own checks are of nobody.
    let haproxy = Haproxy::start(gateway.address, "tcp", "send-proxy-v2 check check-send-proxy inter 50ms");
    let connect = |from: &str| {
        let mut connection = Connection::open_from(from, haproxy.address);
        connection.host = "localhost".into();
        connection
    };
    let (mut first, mut second) = (connect("127.0.0.2"), connect("127.0.0.3"));
    assert_eq!(reasons(&mut first, &[], 5), told(3, 2));
    assert_eq!(reasons(&mut connect("127.0.0.2"), &[], 1), told(0, 1));
    assert_eq!(reasons(&mut second, &[], 4), told(3, 1));
    assert_eq!(first.call(&key, "crm.read_x").status, 200);
    std::thread::sleep(Duration::from_millis(200));
    until_told(&gateway, "tollgate_connections_shut_total{reason=\"unannounced\"} 0\n");
}

#[test]
fn haproxy_announces_tls_and_http2() {
    let world = quick(3);
    let trusting = world.secure();
    let (key, _) = world.issue(&["crm:read"]);
    let gateway = world.serve();
    let extra = "send-proxy-v2 proxy-v2-options unique-id,crc32c check-send-proxy";
    let haproxy = Haproxy::start(gateway.address, "tcp\n  unique-id-format %{+X}o%ci:%cp", extra);
    let connect = |from: &str, h2: bool| {
        let stream = connect_from(from, haproxy.address).unwrap();
        trusting.over(stream, h2, Duration::from_secs(10)).unwrap()
    };
    let mut http1 = connect("127.0.0.2", false);
    let mut http2 = frames::Client::over(connect("127.0.0.2", true)).unwrap();
    let mut call = |key: &str| {
        http1.write_all(call_bytes(key, "crm.read_x").as_bytes()).unwrap();
        let mut answer = vec![0; 16 * 1024];
        let count = http1.read(&mut answer).unwrap();
        String::from_utf8_lossy(&answer[..count]).into_owned()
    };
    assert!(call(WRONG).contains("invalid_key"));
    let found: Vec<_> = (0..3).map(|n| over_http2(&mut http2, 2 * n + 1, WRONG)).collect();
    assert_eq!(found, told(2, 1));
    assert!(call(WRONG).contains("address_limited") && call(&key).starts_with("HTTP/1.1 200"));
    assert_eq!(over_http2(&mut http2, 9, &key), "");
    let mut other = frames::Client::over(connect("127.0.0.3", true)).unwrap();
    assert_eq!(over_http2(&mut other, 1, WRONG), "invalid_key");
    // TLS alone, without a word before it, is not served.
    let direct = trusting.connect(gateway.address, true, Duration::from_secs(5));
    assert!(direct.is_err());
}
