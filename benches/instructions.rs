//! Instructions per stage, counted by callgrind: figures that a noisy machine does not move.
//!
//! Callgrind does not see the SHA extensions, so authentication counts the portable code.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::disallowed_methods,
    clippy::format_collect,
    reason = "a bench fails by panicking"
)]
#![allow(missing_docs, unreachable_pub, unused_qualifications, reason = "read by the files beside it only")]

mod world;

use std::hint::black_box;
use std::sync::Arc;

use bytes::Bytes;
use gungraun::{library_benchmark, library_benchmark_group, main};
use http::{Request, StatusCode};
use http_body_util::Full;
use tollgate::base::UnixSeconds;
use tollgate::base::digest::Hasher;
use tollgate::base::key::RawKey;
use tollgate::gateway::Worker;
use tollgate::policy::{Keys, Policy, Wanted, authenticate, authorise};
use tollgate::wire::jsonrpc::Scratch;

use world::{BODY, Stub, at_once, keys, large_body, policy, request, serve, worker};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn raw_key() -> String {
    keys(1).1
}

#[library_benchmark(setup = raw_key)]
#[bench::whole()]
fn parse_key(raw: String) -> bool {
    black_box(RawKey::parse(black_box(raw.as_bytes())).is_some())
}

fn table() -> (Keys, String) {
    let (changes, raw) = keys(1_000);
    (Keys::empty(Arc::new(Hasher::new(&[])), 1_000).with(&changes, &policy()), raw)
}

#[library_benchmark(setup = table)]
#[bench::known()]
fn authentication((keys, raw): (Keys, String)) -> (Keys, bool) {
    let key = RawKey::parse(raw.as_bytes()).unwrap();
    let digests = keys.hasher().digests(key.secret());
    let outcome = authenticate(&keys, key.id(), &digests, UnixSeconds(1_900_000_000)).is_ok();
    // The table goes back, so that taking it down is not counted.
    (keys, black_box(outcome))
}

fn warm(body: String) -> (Scratch, String) {
    let mut scratch = Scratch::new();
    scratch.read(body.as_bytes()).unwrap();
    (scratch, body)
}

#[library_benchmark(setup = warm)]
#[bench::small(BODY.to_owned())]
#[bench::large(large_body())]
fn envelope((mut scratch, body): (Scratch, String)) -> (Scratch, bool) {
    let outcome = scratch.read(black_box(body.as_bytes())).is_ok();
    (scratch, black_box(outcome))
}

fn decision() -> (Policy, Keys, String) {
    let (keys, raw) = table();
    (policy(), keys, raw)
}

#[library_benchmark(setup = decision)]
#[bench::exact()]
fn authorisation((policy, keys, raw): (Policy, Keys, String)) -> (Policy, Keys, bool) {
    let set = tollgate::policy::keys::ScopeSetId(0);
    let outcome = keys.grants(set).is_some_and(|grants| {
        policy.server_at(black_box("/crm/mcp")).is_some_and(|server| {
            authorise(server, grants, Wanted::Tool(black_box("search"))).outcome.is_ok()
        })
    });
    drop(raw);
    (policy, keys, black_box(outcome))
}

type Path = (Worker<Stub>, Request<Full<Bytes>>, tokio::runtime::Runtime);

fn path() -> Path {
    let (worker, raw) = worker(1_000);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let clock = runtime.enter();
    // The second request finds caches and scratch as all later ones do.
    assert_eq!(at_once(serve(&worker, request(&raw, BODY))).status(), StatusCode::OK);
    drop(clock);
    let next = request(&raw, BODY);
    (worker, next, runtime)
}

#[library_benchmark(setup = path)]
#[bench::call()]
fn whole_path((worker, request, runtime): Path) -> (Worker<Stub>, tokio::runtime::Runtime) {
    {
        let _clock = runtime.enter();
        drop(black_box(at_once(serve(&worker, request))));
    }
    (worker, runtime)
}

library_benchmark_group!(
    name = stages;
    benchmarks = parse_key, authentication, envelope, authorisation, whole_path
);

main!(library_benchmark_groups = stages);
