//! HTTP/1.1 heads, in and out, towards both sides.

use std::hint::black_box;

use bytes::BytesMut;
use criterion::{BatchSize, Criterion, criterion_group};
use http::StatusCode;
use tollgate::wire::http1::{
    AnswerLength, take_head, take_received, write_answer, write_chunk, write_request,
};

use crate::world::naive::http as naive;
use crate::world::upstream::{RESULT, events, head};
use crate::world::{BODY, Sent, raw};

/// Bytes of a head that are read; the configuration's default is as much or more.
const MOST: usize = 16 * 1024;

fn reading(c: &mut Criterion) {
    let request = Sent::modern(&raw(0), BODY).head();
    let answer =
        head("200 OK", "application/json", &format!("content-length: {}\r\n", RESULT.len())).freeze();
    let arrived = |bytes: &[u8]| BytesMut::from(bytes);
    assert!(take_received(&mut arrived(request.as_bytes()), MOST).unwrap().is_some());
    assert!(naive::read_request(request.as_bytes()).is_some() && naive::read_answer(&answer).is_some());
    let mut group = c.benchmark_group("head");
    group.bench_function("of a request, read", |b| {
        let setup = || arrived(request.as_bytes());
        b.iter_batched(
            setup,
            |mut read| take_received(black_box(&mut read), MOST).unwrap(),
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

fn writing(c: &mut Criterion) {
    let sent = Sent::modern(&raw(0), BODY).without("Authorization").request();
    let (method, uri, headers) = (sent.method(), sent.uri(), sent.headers());
    let answer = events(1);
    let date = b"Tue, 01 Dec 2026 12:00:00 GMT";
    let mut out = Vec::new();
    let mut group = c.benchmark_group("head");
    group.bench_function("of a request, written", |b| {
        b.iter(|| {
            out.clear();
            write_request(&mut out, method, uri, black_box(headers), BODY.len());
            out.len()
        });
    });
    group.bench_function("of a request, written, naive", |b| {
        b.iter(|| naive::write_request(method, uri, black_box(headers), BODY.len()));
    });
    group.bench_function("of an answer, written", |b| {
        b.iter(|| {
            out.clear();
            let length = AnswerLength::Known(RESULT.len() as u64);
            write_answer(&mut out, StatusCode::OK, black_box(answer.headers()), length, date, false);
            out.len()
        });
    });
    group.bench_function("of an answer, written, naive", |b| {
        b.iter(|| naive::write_answer(StatusCode::OK, black_box(answer.headers()), RESULT.len()));
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
