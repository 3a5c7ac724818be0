//! What goes back beside results: a stream of events as it passes, refusals, and the counters.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group};
use serde_json::json;
use tollgate::base::Denial;
use tollgate::gateway::{ReplyBody, Unread, serve, turn_away};
use tollgate::telemetry::{Metrics, Outcome};
use tollgate::wire::http1::HeadFault;
use tollgate::wire::jsonrpc::{ErrorBody, error_body};

use crate::world::naive::state as naive;
use crate::world::upstream::events;
use crate::world::{BODY, FROM, Pieces, Reaction, Sent, at_once, each_piece, to_its_end, worker};

/// Events of one stream.
const EVENTS: usize = 100;

fn stream(c: &mut Criterion) {
    let (worker, raw) = worker(1_000);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _clock = runtime.enter();
    let begun = || {
        worker.upstream.give(Reaction::Answers(events(EVENTS).read()));
        let (head, body) = Sent::modern(&raw, BODY).request();
        at_once(serve(&worker, FROM, head, body))
    };
    let mut pieces = Vec::new();
    each_piece(events(EVENTS).read().body, |piece| pieces.push(piece.clone()));
    let pass = || {
        let (mut buffer, mut out) = (String::new(), Vec::new());
        for piece in &pieces {
            naive::pass_events(&mut buffer, black_box(piece), &mut out);
        }
        out
    };
    assert_eq!(to_its_end(begun()), pass().len());
    let mut group = c.benchmark_group("stream of 100 events");
    group.throughput(Throughput::Elements(EVENTS as u64));
    group.bench_function("passed", |b| {
        b.iter_batched(begun, to_its_end::<ReplyBody<Pieces>>, BatchSize::SmallInput);
    });
    group.bench_function("passed, naive", |b| b.iter(pass));
    group.finish();
}

fn refusal(c: &mut Criterion) {
    let (worker, _) = worker(8);
    let row = Denial::ScopeMissing.row();
    let mut group = c.benchmark_group("refusal");
    group.bench_function("whole answer", |b| {
        b.iter(|| turn_away::<_, Pieces>(&worker, FROM, black_box(Unread::Head(HeadFault::TooLarge))));
    });
    group.bench_function("body", |b| {
        b.iter(|| {
            let error =
                ErrorBody { code: row.code, message: row.sentence, data: json!({ "reason": row.reason }) };
            error_body(Some(black_box("17")), &error)
        });
    });
    group.bench_function("body, naive", |b| {
        let id = json!(17);
        b.iter(|| naive::refusal(black_box(&id), row.code, row.sentence, row.reason));
    });
    group.finish();
}

fn counters(c: &mut Criterion) {
    let metrics = Metrics::new(2);
    let cells = metrics.requests("crm", "search");
    let naive = naive::Counters::default();
    let mut group = c.benchmark_group("counter");
    group.bench_function("add", |b| b.iter(|| cells.add(black_box(0), Outcome::Answered as usize)));
    group.bench_function("add, naive", |b| b.iter(|| naive.add(black_box("crm"), "search", "answered")));
    group.finish();
}

criterion_group!(benches, stream, refusal, counters);
