//! What is decided by headers: the server of the path, the headers that decide, the mirrored
//! name. Naive versions have theirs in a map. How heads are read and passed on is in `http1`.

use std::collections::HashMap;
use std::hint::black_box;

use criterion::{Criterion, criterion_group};
use http::HeaderValue;
use tollgate::wire::fields::Fields;
use tollgate::wire::http::host_without_port;
use tollgate::wire::mcp::mirror;

use crate::world::naive::{http as naive, state};
use crate::world::{BODY, Sent, policy, raw};

fn route(c: &mut Criterion) {
    let policy = policy();
    let servers: HashMap<String, String> =
        policy.servers().iter().map(|server| (server.name.to_string(), server.name.to_string())).collect();
    assert!(state::route(&servers, "/crm/mcp").is_some() && policy.server_at("/crm/mcp").is_some());
    let mut group = c.benchmark_group("route");
    group.bench_function("a path", |b| b.iter(|| policy.server_at(black_box("/crm/mcp")).unwrap().id));
    group.bench_function("a path, naive", |b| {
        b.iter(|| state::route(&servers, black_box("/crm/mcp")).unwrap().len());
    });
    group.bench_function("a host", |b| {
        b.iter(|| policy.serves_host(host_without_port(black_box("localhost:8443")).unwrap()));
    });
    group.finish();
}

fn deciding(c: &mut Criterion) {
    let sent = Sent::modern(&raw(0), BODY);
    let (asked, _) = sent.request();
    let (_, _, headers) = naive::read_request(sent.head().as_bytes()).unwrap();
    let encoded = HeaderValue::from_static("=?base64?c2VhcmNo?=");
    assert_eq!(mirror::names(encoded.as_bytes(), "search"), Some(true));
    let mut disguised = headers.clone();
    disguised.insert("mcp-name", encoded.clone());
    assert!(naive::mirrors(&headers, "search") && naive::mirrors(&disguised, "search"));
    let mut group = c.benchmark_group("headers");
    group.bench_function("gathered", |b| b.iter(|| Fields::gather(black_box(&asked.lines))));
    group.bench_function("gathered, naive", |b| {
        let names = ["host", "origin", "authorization", "x-api-key", "content-type", "content-encoding"];
        let more = ["last-event-id", "mcp-session-id", "mcp-protocol-version", "mcp-method", "mcp-name"];
        b.iter(|| {
            let one = |name: &&str| {
                let mut all = black_box(&headers).get_all(*name).iter();
                (all.next(), all.next().is_some())
            };
            (names.each_ref().map(one), more.each_ref().map(one))
        });
    });
    let name = Fields::gather(&asked.lines).mcp_name.single().unwrap().unwrap();
    group.bench_function("mirrored name", |b| b.iter(|| mirror::names(black_box(name), "search")));
    group.bench_function("mirrored name, naive", |b| {
        b.iter(|| naive::mirrors(black_box(&headers), "search"));
    });
    group.bench_function("mirrored name in base64", |b| {
        b.iter(|| mirror::names(black_box(encoded.as_bytes()), "search"));
    });
    group.bench_function("mirrored name in base64, naive", |b| {
        b.iter(|| naive::mirrors(black_box(&disguised), "search"));
    });
    group.finish();
}

criterion_group!(benches, route, deciding);
