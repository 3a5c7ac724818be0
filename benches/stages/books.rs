//! What the books cost a request: its time put into the metrics, and its record handed to the audit log.
//!
//! `books of a request` does what the request's context does with them, and nothing else; the reader takes
//! events out of the queue between the samples, which are as long as the reader never is behind.

use std::cell::Cell;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group};
use tollgate::base::moment::Moment;
use tollgate::base::{KeyId, UnderWay};
use tollgate::telemetry::books::{Books, BooksParams, open};
use tollgate::telemetry::cells::{RequestCells, ServerCells};
use tollgate::telemetry::histogram::BOUNDS;
use tollgate::telemetry::names::NameId;
use tollgate::telemetry::{Metrics, Outcome, Stage};
use tollgate::wire::jsonrpc::Id;
use tollgate::wire::mcp::{Era, Method, ProtocolVersion};

use crate::world::naive::state as naive;

/// Times that are looked at in turn: as many as make the branches of a walk hard to foresee.
const TIMES: usize = 4_096;
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn observe(c: &mut Criterion) {
    let metrics = Metrics::new(2);
    let cells = metrics.server("crm").seconds;
    // From a microsecond to a minute, every order of magnitude as often.
    let times: Vec<u64> = (0..TIMES as u64)
        .map(|number| {
            let drawn = (number + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            1_000_u64.saturating_add((drawn | (1 << 63)) >> (28 + drawn % 26))
        })
        .collect();
    let place = Cell::new(0);
    let next = || {
        place.set((place.get() + 1) % TIMES);
        times[place.get()]
    };
    let seconds = |nanos| Duration::from_nanos(nanos).as_secs_f64();
    let naive = naive::Times::new(BOUNDS.map(seconds).to_vec());
    let mut group = c.benchmark_group("histogram");
    group.bench_function("observe", |b| b.iter(|| cells.observe(black_box(0), Stage::Gateway, next())));
    group.bench_function("close a request", |b| {
        b.iter(|| cells.close(black_box(0), black_box(900_000), Some(next())));
    });
    group.bench_function("observe, naive", |b| {
        b.iter(|| naive.observe("crm", "gateway", seconds(next())));
    });
    group.finish();
}

/// The queue's length as it is by default (`audit.queue`), and what may be under way at most.
const WAITING: usize = 8_192;
const UNDER_WAY: usize = 2_048;
/// Requests that are noted before the reader is waited for: what a busy worker notes between two looks of the audit
/// log's writer, 5 ms. So many events are on their way between the two cores.
const TURN: u64 = 128;
/// How long the reader sleeps when it has taken what there was. The audit log's writer sleeps for longer; one that
/// never slept would ask for the ends of the queue with each event that is put in, which no reader does here.
const PAUSE: Duration = Duration::from_micros(100);

/// The metrics of one request, closed as it ends.
fn measure(cells: &ServerCells, rule: &RequestCells) -> (Moment, Moment, Moment) {
    let begun = Moment::now();
    cells.under_way.add(black_box(0), UnderWay::Call as usize);
    let sent = Moment::now();
    cells.under_way.take(black_box(0), UnderWay::Call as usize);
    let ended = Moment::now();
    rule.add(black_box(0), Outcome::Answered as usize);
    cells.seconds.close(black_box(0), ended.since(begun), Some(ended.since(sent)));
    (begun, sent, ended)
}

/// The record of one request, as most are.
fn note(books: &Books, key: KeyId, names: [NameId; 3], (begun, sent, ended): (Moment, Moment, Moment)) {
    if !books.have_room() {
        return;
    }
    if let Some(mut event) = books.begin(begun, black_box(HERE)) {
        event.trace = books.trace(None);
        [event.server, event.endpoint, event.rule] = black_box(names);
        event.key = Some(black_box(key));
        event.owner.set(black_box(b"agents of the sales team"));
        (event.method, event.era) = black_box((Method::ToolsCall, Some(Era::Modern)));
        event.version = black_box(Some(ProtocolVersion::V2026_07_28));
        event.target.set(black_box(b"crm.read_customer"));
        Id::Number(black_box(4_711)).note(b"", &mut event.id);
        (event.request_bytes, event.answer_bytes, event.status) = black_box((321, 4_567, 200));
        (event.sent, event.ended, event.outcome) = (Some(sent), ended, Outcome::Answered);
        books.note(event);
    }
}

fn request(c: &mut Criterion) {
    let metrics = Metrics::new(2);
    let (cells, rule) = (metrics.server("crm"), metrics.requests("crm", "crm.read_*"));
    let names = ["crm", "http://127.0.0.1:9001/mcp", "crm.read_*"].map(|name| metrics.names.number(name));
    let key = KeyId::parse(b"mcp_live_0123456789abcdef").unwrap();
    let params =
        BooksParams { waiting: WAITING, under_way: UNDER_WAY, refuse: true, refusals_told: 10, sync: false };
    let (mut books, mut reader) = open(1, params);
    let (books, none) = (books.remove(0), Books::none(0));
    let taken = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&taken);
    // On the other core, as the audit log's writer: what it read has to come back to this one.
    let thread = std::thread::spawn(move || {
        while !reader.is_abandoned() {
            let count = reader.take(256, |event| {
                black_box(event);
            });
            counted.fetch_add(count as u64, Ordering::Release);
            std::thread::park_timeout(PAUSE);
        }
    });
    let mut group = c.benchmark_group("books of a request");
    group.bench_function("look at the time", |b| b.iter(Moment::now));
    group.bench_function("metrics", |b| b.iter(|| measure(&cells, &rule)));
    group.bench_function("metrics, with an audit log that is not kept", |b| {
        b.iter(|| note(&none, key, names, measure(&cells, &rule)));
    });
    let mut noted = 0;
    group.bench_function("metrics and audit", |b| {
        b.iter_custom(|iterations| {
            let mut spent = Duration::ZERO;
            let mut left = iterations;
            while left > 0 {
                let turn = left.min(TURN);
                let begun = Instant::now();
                (0..turn).for_each(|_| note(&books, key, names, measure(&cells, &rule)));
                spent += begun.elapsed();
                (left, noted) = (left - turn, noted + turn);
                while taken.load(Ordering::Acquire) < noted {
                    std::hint::spin_loop();
                }
            }
            spent
        });
    });
    group.finish();
    drop(books);
    thread.join().unwrap();
}

criterion_group!(benches, observe, request);
