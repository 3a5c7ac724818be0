//! HTTP/1.1 heads, in and out, towards both sides.

use std::hint::black_box;

use bytes::BytesMut;
use criterion::{BatchSize, Criterion, criterion_group};
use http::header::HOST;
use http::uri::PathAndQuery;
use http::{HeaderValue, Method, Uri};
use tollgate::wire::head::Reply;
use tollgate::wire::http1::{
    AnswerLength, Preamble, begin_request, end_request, take_head, take_received, write_answer, write_chunk,
    write_line,
};

use crate::world::naive::http as naive;
use crate::world::upstream::{RESULT, head, json};
use crate::world::{BODY, HEAD_BYTES, Sent, raw};

fn reading(c: &mut Criterion) {
    let request = Sent::modern(&raw(0), BODY).head();
    let answer = head("200 OK", "application/json", &format!("content-length: {}\r\n", RESULT.len()));
    let arrived = |bytes: &[u8]| BytesMut::from(bytes);
    assert!(take_received(&mut arrived(request.as_bytes()), HEAD_BYTES).unwrap().is_some());
    assert!(naive::read_request(request.as_bytes()).is_some() && naive::read_answer(&answer).is_some());
    let mut group = c.benchmark_group("head");
    group.bench_function("of a request, read", |b| {
        let setup = || arrived(request.as_bytes());
        b.iter_batched(
            setup,
            |mut read| take_received(black_box(&mut read), HEAD_BYTES).unwrap(),
            BatchSize::SmallInput,
        );
    });
    group.bench_function("of a request, read, naive", |b| {
        let setup = || arrived(request.as_bytes());
        b.iter_batched(setup, |read| naive::read_request(black_box(&read)).unwrap(), BatchSize::SmallInput);
    });
    group.bench_function("of an answer, read", |b| {
        let setup = || arrived(&answer);
        b.iter_batched(
            setup,
            |mut read| take_head(black_box(&mut read), &mut 0).unwrap(),
            BatchSize::SmallInput,
        );
    });
    group.bench_function("of an answer, read, naive", |b| {
        let setup = || arrived(&answer);
        b.iter_batched(setup, |read| naive::read_answer(black_box(&read)).unwrap(), BatchSize::SmallInput);
    });
    group.finish();
}

/// What passes of a head, written for the other side.
fn writing(c: &mut Criterion) {
    let sent = Sent::modern(&raw(0), BODY);
    let (asked, _) = sent.request();
    let (_, _, headers) = naive::read_request(sent.head().as_bytes()).unwrap();
    let (target, host) = (PathAndQuery::from_static("/mcp"), HeaderValue::from_static("127.0.0.1:9"));
    let preamble = Preamble::new(&target, [(&HOST, &host)]);
    let mut out = Vec::new();
    let mut group = c.benchmark_group("head");
    group.bench_function("of a request, passed on", |b| {
        b.iter(|| {
            out.clear();
            begin_request(&mut out, &Method::POST, &preamble);
            let passing = black_box(&asked.lines).iter().filter(|line| line.known().passes_upstream());
            passing.for_each(|line| write_line(&mut out, line));
            end_request(&mut out, &Method::POST, BODY.len());
            out.len()
        });
    });
    group.bench_function("of a request, passed on, naive", |b| {
        b.iter(|| {
            let mut passing = naive::forwarded(black_box(&headers));
            passing.insert(HOST, host.clone());
            naive::write_request(&Method::POST, &Uri::from_static("/mcp"), &passing, BODY.len())
        });
    });
    let answered = json("200 OK", "", RESULT);
    let (status, headers) = naive::read_answer(answered.bytes()).unwrap();
    let reply = answered.read();
    let date = b"Tue, 01 Dec 2026 12:00:00 GMT";
    group.bench_function("of an answer, passed on", |b| {
        let filtered = || {
            let mut reply = Reply { passed: reply.passed.clone(), ..Reply::new(reply.status, ()) };
            reply.passed.keep_only(|line| line.known().passes_downstream());
            reply
        };
        b.iter(|| {
            out.clear();
            let length = AnswerLength::Known(RESULT.len() as u64);
            write_answer(&mut out, &black_box(filtered()), length, date, false);
            out.len()
        });
    });
    group.bench_function("of an answer, passed on, naive", |b| {
        b.iter(|| naive::write_answer(status, &naive::told(black_box(&headers)), RESULT.len()));
    });
    group.bench_function("of a chunk, written", |b| {
        b.iter(|| {
            out.clear();
            write_chunk(&mut out, black_box(RESULT.as_bytes()));
            out.len()
        });
    });
    group.finish();
}

criterion_group!(benches, reading, writing);
