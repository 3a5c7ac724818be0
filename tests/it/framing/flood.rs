//! Floods over HTTP/2, judged by what they do: the connection ends or stays bounded, another
//! client is served meanwhile, and the gateway's memory does not grow.

use std::time::{Duration, Instant};

use super::Ground;
use super::h2::{
    CONTINUATION, Client, DATA, END_HEADERS, END_STREAM, HEADERS, PING, PRIORITY, RST_STREAM, SETTINGS,
    WINDOW_UPDATE, block, frame, request,
};
use super::http2::borrowed;
use crate::world::{call, strength};

/// What the whole gateway may grow by.
const MOST: usize = 64 * 1024 * 1024;
/// Frames that are sent at once.
const BURST: usize = 500;

/// The frames of one flood: those that begin it, and those that are sent again and again, made
/// for a number that counts up.
struct Flood<'a> {
    name: &'a str,
    begin: Vec<u8>,
    again: Box<dyn Fn(u32) -> Vec<u8> + 'a>,
    /// How many times, reduced and in full.
    times: (usize, usize),
    /// Whether the connection has to end, or may live on.
    ends: bool,
}

#[test]
fn floods_harm_nobody_else() {
    let ground = Ground::tls("[bounds]\nwrite_idle = \"1s\"\n");
    let fields = ground.fields("crm.read_x");
    let head = |stream| frame(HEADERS, END_HEADERS, stream, &block(&borrowed(&fields)));
    let reset = |stream, code: u32| frame(RST_STREAM, 0, stream, &code.to_be_bytes());
    let many = (20_000, 500_000);
    let body = call("crm.read_x");
    let mut long = block(&[("x", &"y".repeat(4_000))]);
    // With indexing: the same name and value can be told in one byte from then on.
    long[0] = 0x40;
    let bomb = [&block(&borrowed(&fields))[..], &long, &[0xbe; 8_000]].concat();
    let floods = [
        // CVE-2023-44487.
        Flood {
            name: "streams begun and reset",
            begin: Vec::new(),
            again: Box::new(|n| [head(2 * n + 1), reset(2 * n + 1, 8)].concat()),
            times: many,
            ends: true,
        },
        Flood {
            name: "calls begun and reset",
            begin: Vec::new(),
            again: Box::new(|n| {
                [request(2 * n + 1, &borrowed(&fields), &body), reset(2 * n + 1, 8)].concat()
            }),
            times: (2_000, 20_000),
            ends: true,
        },
        // CVE-2025-8671: the server is made to reset.
        Flood {
            name: "streams that the gateway has to reset, by windows of nothing",
            begin: Vec::new(),
            again: Box::new(|n| [head(2 * n + 1), frame(WINDOW_UPDATE, 0, 2 * n + 1, &[0; 4])].concat()),
            times: many,
            ends: true,
        },
        Flood {
            name: "streams that the gateway has to reset, by windows too large",
            begin: Vec::new(),
            again: Box::new(|n| {
                [head(2 * n + 1), frame(WINDOW_UPDATE, 0, 2 * n + 1, &[0x7f, 0xff, 0xff, 0xff])].concat()
            }),
            times: many,
            ends: true,
        },
        Flood {
            name: "streams that the gateway has to reset, by faulty heads",
            begin: Vec::new(),
            again: Box::new(|n| {
                frame(HEADERS, END_HEADERS | END_STREAM, 2 * n + 1, &block(&[("connection", "x")]))
            }),
            times: many,
            ends: true,
        },
        Flood {
            name: "a head without an end",
            begin: frame(HEADERS, 0, 1, &block(&borrowed(&fields))),
            again: Box::new(|n| frame(CONTINUATION, 0, 1, &block(&[(&format!("x-{n}"), "y")]))),
            times: many,
            ends: true,
        },
        Flood {
            name: "a head without an end, of nothing",
            begin: frame(HEADERS, 0, 1, &block(&borrowed(&fields))),
            again: Box::new(|_| frame(CONTINUATION, 0, 1, &[])),
            times: many,
            ends: true,
        },
        Flood {
            name: "heads that grow when they are read",
            begin: Vec::new(),
            again: Box::new(|n| frame(HEADERS, END_HEADERS | END_STREAM, 2 * n + 1, &bomb)),
            times: (500, 5_000),
            ends: true,
        },
        // RUSTSEC-2026-0258.
        Flood {
            name: "data of nothing",
            begin: head(1),
            again: Box::new(|_| frame(DATA, 0, 1, &[])),
            times: many,
            ends: true,
        },
        Flood {
            name: "data of nothing but padding",
            begin: head(1),
            again: Box::new(|_| frame(DATA, 8, 1, &[[255].as_slice(), &[0; 255]].concat())),
            times: many,
            ends: true,
        },
        Flood {
            name: "pings whose answers nobody reads",
            begin: Vec::new(),
            again: Box::new(|n| frame(PING, 0, 0, &u64::from(n).to_be_bytes())),
            times: many,
            ends: false,
        },
        Flood {
            name: "settings whose answers nobody reads",
            begin: Vec::new(),
            again: Box::new(|n| frame(SETTINGS, 0, 0, &[&[0, 4][..], &n.to_be_bytes()].concat())),
            times: many,
            ends: false,
        },
        Flood {
            name: "settings of nothing",
            begin: Vec::new(),
            again: Box::new(|_| frame(SETTINGS, 0, 0, &[])),
            times: many,
            ends: false,
        },
        Flood {
            name: "priorities",
            begin: Vec::new(),
            again: Box::new(|n| frame(PRIORITY, 0, 2 * n + 1, &[0, 0, 0, 0, 9])),
            times: many,
            ends: false,
        },
        Flood {
            name: "windows of one byte more",
            begin: Vec::new(),
            again: Box::new(|_| frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1])),
            times: many,
            ends: false,
        },
        Flood {
            name: "frames that nobody knows",
            begin: Vec::new(),
            again: Box::new(|_| frame(0x99, 0xff, 0, &[0; 64])),
            times: many,
            ends: false,
        },
        Flood {
            name: "streams without an end",
            begin: Vec::new(),
            again: Box::new(|n| head(2 * n + 1)),
            times: (2_000, 20_000),
            ends: true,
        },
    ];
    for flood in floods {
        println!("measured: flood, {}", run(&ground, &flood));
    }
}

fn run(ground: &Ground, flood: &Flood<'_>) -> String {
    let name = flood.name;
    let times = strength(flood.times.0, flood.times.1);
    let mut beside = Client::open(ground.gateway.address);
    ground.calm(&mut beside, name);
    let before = ground.resident();
    let mut client = Client::open(ground.gateway.address);
    let mut ended = !client.send(&flood.begin);
    let mut most = 0;
    let mut number = 0;
    while !ended && number < times {
        let burst: Vec<u8> = (number..number + BURST).flat_map(|n| (flood.again)(n as u32)).collect();
        ended = !client.send(&burst);
        number += BURST;
        if ended || (number / BURST) % 8 == 1 {
            ground.calm(&mut beside, name);
            most = most.max(ground.resident().saturating_sub(before));
        }
    }
    let ended = ended || (flood.ends && client.ends_within(Duration::from_secs(5)));
    assert!(ended || !flood.ends, "{name}: the connection lives on after {number} times");
    ground.calm(&mut beside, name);
    most = most.max(ground.resident().saturating_sub(before));
    assert!(most <= MOST, "{name}: memory grew by {most} bytes");
    let ended = if ended { "ended" } else { "lives on" };
    format!("{name}: {number} times, the connection {ended}, memory grew by {} KiB", most / 1024)
}

impl Ground {
    /// Another client is served, and soon. A flood of calls may have reached the upstream, so
    /// that what arrived there is not counted, but it must be clean.
    fn calm(&self, client: &mut Client, name: &str) {
        let begun = Instant::now();
        let body = super::marked();
        let outcome = client.request(&borrowed(&self.fields("crm.read_long")), &body);
        assert_eq!(outcome, super::h2::Outcome::Answered(200, body), "{name}");
        assert!(begun.elapsed() < Duration::from_secs(5), "{name}: {:?}", begun.elapsed());
    }
}

#[test]
fn answers_that_nobody_reads_are_given_up() {
    let ground = Ground::tls("[bounds]\nwrite_idle = \"1s\"\nidle = \"3s\"\n");
    let mut beside = Client::open(ground.gateway.address);
    ground.calm(&mut beside, "before");
    let before = ground.resident();
    let filled = format!(r#""arguments":{{"text":"{}"}}"#, "x".repeat(60_000));
    let long = call("crm.read_long").replace(r#""arguments":{}"#, &filled);
    // Small and gathered, long and streamed; a window of nothing, and one of a few bytes.
    for (tool, body, window) in [
        ("crm.read_x", call("crm.read_x"), 0),
        ("crm.read_long", long.clone(), 0),
        ("crm.read_x", call("crm.read_x"), 10),
        ("crm.read_long", long, 10),
    ] {
        let fields = ground.fields(tool);
        let mut clients: Vec<Client> = (0..strength(4, 40))
            .map(|_| {
                let mut client = Client::with_settings(ground.gateway.address, &[(4, window)]);
                for stream in 0..strength(10, 100) as u32 {
                    let head = frame(HEADERS, END_HEADERS, 2 * stream + 1, &block(&borrowed(&fields)));
                    let pieces: Vec<u8> = body
                        .as_bytes()
                        .chunks(16_000)
                        .flat_map(|piece| frame(DATA, 0, 2 * stream + 1, piece))
                        .collect();
                    // The windows of the gateway let this many bytes through at once.
                    client.send(&[head, pieces, frame(DATA, END_STREAM, 2 * stream + 1, &[])].concat());
                    if body.len() > 16_000 {
                        break;
                    }
                }
                client
            })
            .collect();
        // The other client's connection may have idled meanwhile.
        beside = Client::open(ground.gateway.address);
        ground.calm(&mut beside, tool);
        let grown = ground.resident().saturating_sub(before);
        assert!(grown <= MOST, "{tool}, window {window}: memory grew by {grown} bytes");
        println!(
            "measured: unread answers on {} connections, {tool}, window {window}: memory grew by {} KiB",
            clients.len(),
            grown / 1024
        );
        for client in &mut clients {
            assert!(client.ends_within(Duration::from_secs(8)), "{tool}, window {window}: still open");
        }
        // The other client's connection has idled meanwhile.
        beside = Client::open(ground.gateway.address);
        ground.calm(&mut beside, tool);
    }
}
