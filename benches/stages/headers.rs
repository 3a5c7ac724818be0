//! What is done with headers between their arrival and their leaving: the server of the path,
//! the headers that decide, the mirrored name, and the allow-lists of both directions.

use std::collections::HashMap;
use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group};
use http::header::{AUTHORIZATION, CONTENT_LENGTH, HOST};
use http::{HeaderMap, HeaderValue};
use tollgate::wire::fields::Fields;
use tollgate::wire::http::{host_without_port, keep_only, passes_downstream, passes_upstream};
use tollgate::wire::mcp::mirror;

use crate::world::naive::{http as naive, state};
use crate::world::{BODY, Sent, policy, raw, upstream};

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
    let request = Sent::modern(&raw(0), BODY).request();
    let encoded = HeaderValue::from_static("=?base64?c2VhcmNo?=");
    assert_eq!(mirror::names(encoded.as_bytes(), "search"), Some(true));
    let mut disguised = request.headers().clone();
    disguised.insert("mcp-name", encoded.clone());
    assert!(naive::mirrors(request.headers(), "search") && naive::mirrors(&disguised, "search"));
    let mut group = c.benchmark_group("headers");
    group.bench_function("gathered", |b| b.iter(|| Fields::gather(black_box(request.headers()))));
    group.bench_function("gathered, naive", |b| {
        let names = ["host", "origin", "authorization", "x-api-key", "content-type", "content-encoding"];
        let more = ["last-event-id", "mcp-session-id", "mcp-protocol-version", "mcp-method", "mcp-name"];
        b.iter(|| {
            let one = |name: &&str| {
                let mut all = black_box(request.headers()).get_all(*name).iter();
                (all.next(), all.next().is_some())
            };
            (names.each_ref().map(one), more.each_ref().map(one))
        });
    });
    let name = Fields::gather(request.headers()).mcp_name.single().unwrap().unwrap();
    group.bench_function("mirrored name", |b| b.iter(|| mirror::names(black_box(name.as_bytes()), "search")));
    group.bench_function("mirrored name, naive", |b| {
        b.iter(|| naive::mirrors(black_box(request.headers()), "search"));
    });
    group.bench_function("mirrored name in base64", |b| {
        b.iter(|| mirror::names(black_box(encoded.as_bytes()), "search"));
    });
    group.bench_function("mirrored name in base64, naive", |b| {
        b.iter(|| naive::mirrors(black_box(&disguised), "search"));
    });
    group.finish();
}

fn passing(c: &mut Criterion) {
    let asked = Sent::modern(&raw(0), BODY).request().into_parts().0.headers;
    let answered = upstream::result().into_parts().0.headers;
    let up = |mut headers: HeaderMap| {
        for name in [AUTHORIZATION, CONTENT_LENGTH] {
            headers.remove(name);
        }
        headers.insert(HOST, HeaderValue::from_static("127.0.0.1:9"));
        keep_only(&mut headers, |name| *name == HOST || passes_upstream(name));
        headers
    };
    let down = |mut headers: HeaderMap| {
        keep_only(&mut headers, passes_downstream);
        headers
    };
    assert_eq!(up(asked.clone()).len(), naive::forwarded(&asked).len() + 1);
    assert_eq!(down(answered.clone()).len(), naive::told(&answered).len());
    let mut group = c.benchmark_group("headers");
    group.bench_function("towards the upstream", |b| {
        b.iter_batched(|| asked.clone(), up, BatchSize::SmallInput);
    });
    group.bench_function("towards the upstream, naive", |b| {
        let filter = |headers: HeaderMap| {
            let mut passing = naive::forwarded(&headers);
            passing.insert(HOST, HeaderValue::from_static("127.0.0.1:9"));
            passing
        };
        b.iter_batched(|| asked.clone(), filter, BatchSize::SmallInput);
    });
    group.bench_function("towards the client", |b| {
        b.iter_batched(|| answered.clone(), down, BatchSize::SmallInput);
    });
    group.bench_function("towards the client, naive", |b| {
        b.iter_batched(
            || answered.clone(),
            |headers: HeaderMap| naive::told(&headers),
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

criterion_group!(benches, route, deciding, passing);
