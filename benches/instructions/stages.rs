//! Single stages.

use std::hint::black_box;
use std::sync::Arc;

use bytes::BytesMut;
use gungraun::{library_benchmark, library_benchmark_group};
use http::Method;
use tollgate::base::UnixSeconds;
use tollgate::base::digest::Hasher;
use tollgate::base::key::RawKey;
use tollgate::policy::{Keys, Policy, Wanted, authenticate, authorise};
use tollgate::wire::fields::Fields;
use tollgate::wire::http1::{
    ReceivedHead, ResponseHead, begin_request, end_request, take_head, take_received, write_line,
};
use tollgate::wire::jsonrpc::Scratch;

use crate::world::decisions::{Decisions, key};
use crate::world::upstream::head;
use crate::world::{BODY, HEAD_BYTES, Sent, keys, large_body, policy, raw};

#[library_benchmark]
#[bench::whole(raw(0))]
fn parse_key(raw: String) -> String {
    black_box(RawKey::parse(black_box(raw.as_bytes())).is_some());
    raw
}

/// Lookups that are counted together: where one lands in its table is chance, by a seed, and moves
/// the count of one by as much as the budgets allow.
const TOGETHER: usize = 8;

fn table() -> (Keys, Vec<String>) {
    let (changes, _) = keys(1_000);
    let keys = Keys::empty(Arc::new(Hasher::new(&[])), 1_000).with(&changes, &policy());
    (keys, (0..TOGETHER).map(raw).collect())
}

#[library_benchmark(setup = table)]
#[bench::of_eight()]
fn authentication((keys, raws): (Keys, Vec<String>)) -> (Keys, Vec<String>) {
    for raw in &raws {
        let key = RawKey::parse(black_box(raw).as_bytes()).unwrap();
        let digests = keys.hasher().digests(key.secret());
        black_box(authenticate(&keys, key.id(), &digests, UnixSeconds(1_900_000_000)).is_ok());
    }
    // The table goes back, so that taking it down is not counted.
    (keys, raws)
}

fn warm(body: String) -> (Scratch, String) {
    let mut scratch = Scratch::new();
    scratch.read(body.as_bytes()).unwrap();
    (scratch, body)
}

#[library_benchmark(setup = warm)]
#[bench::small(BODY.to_owned())]
#[bench::large(large_body())]
fn envelope((mut scratch, body): (Scratch, String)) -> (Scratch, String) {
    black_box(scratch.read(black_box(body.as_bytes())).is_ok());
    (scratch, body)
}

fn decision() -> (Policy, Keys) {
    let (keys, _) = table();
    (policy(), keys)
}

#[library_benchmark(setup = decision)]
#[bench::exact()]
fn authorisation((policy, keys): (Policy, Keys)) -> (Policy, Keys) {
    let set = tollgate::policy::keys::ScopeSetId(0);
    let outcome = keys.grants(set).is_some_and(|grants| {
        policy.server_at(black_box("/crm/mcp")).is_some_and(|server| {
            authorise(server, grants, Wanted::Tool(black_box("search"))).outcome.is_ok()
        })
    });
    black_box(outcome);
    (policy, keys)
}

fn deciding(which: &str) -> (Decisions, Vec<String>) {
    let mut decisions = Decisions::new();
    let keys: Vec<String> = (0..TOGETHER).map(|number| key(which, number)).collect();
    for key in &keys {
        let _ = decisions.decide(key);
    }
    (decisions, keys)
}

#[library_benchmark(setup = deciding)]
#[bench::good_key("good_key")]
#[bench::malformed_key("malformed_key")]
#[bench::unknown_key("unknown_key")]
#[bench::wrong_secret("wrong_secret")]
fn eight_decisions((mut decisions, keys): (Decisions, Vec<String>)) -> (Decisions, Vec<String>) {
    for key in &keys {
        black_box(decisions.decide(black_box(key)).is_ok());
    }
    (decisions, keys)
}

fn request_bytes() -> BytesMut {
    let read = BytesMut::from(Sent::modern(&raw(0), BODY).head().as_bytes());
    // The first head ever read also finds out what the processor can.
    take_received(&mut read.clone(), HEAD_BYTES).unwrap();
    read
}

#[library_benchmark(setup = request_bytes)]
#[bench::call()]
fn head_in(mut read: BytesMut) -> (BytesMut, Option<ReceivedHead>) {
    let head = take_received(&mut read, HEAD_BYTES).unwrap();
    (read, black_box(head))
}

fn answer_bytes() -> BytesMut {
    let read = BytesMut::from(&head("200 OK", "application/json", "content-length: 123\r\n")[..]);
    take_head(&mut read.clone(), &mut 0).unwrap();
    read
}

#[library_benchmark(setup = answer_bytes)]
#[bench::json()]
fn head_of_answer(mut read: BytesMut) -> (BytesMut, Option<ResponseHead>) {
    let head = take_head(&mut read, &mut 0).unwrap();
    (read, black_box(head))
}

fn to_write() -> (Policy, Vec<u8>, ReceivedHead) {
    let head = take_received(&mut request_bytes(), HEAD_BYTES).unwrap().unwrap();
    (policy(), Vec::with_capacity(4_096), head)
}

// What passes of a head, behind what every request to the server begins with.
#[library_benchmark(setup = to_write)]
#[bench::call()]
fn head_out((policy, mut out, received): (Policy, Vec<u8>, ReceivedHead)) -> (Policy, Vec<u8>, ReceivedHead) {
    let preamble = &policy.servers()[0].endpoint.preamble;
    begin_request(&mut out, &Method::POST, preamble);
    let passing = received.head.lines.iter().filter(|line| line.known().passes_upstream());
    passing.for_each(|line| write_line(&mut out, line));
    end_request(&mut out, &Method::POST, BODY.len());
    (policy, black_box(out), received)
}

#[library_benchmark(setup = to_write)]
#[bench::call()]
fn fields((policy, out, received): (Policy, Vec<u8>, ReceivedHead)) -> (Policy, Vec<u8>, ReceivedHead) {
    black_box(Fields::gather(black_box(&received.head.lines)));
    (policy, out, received)
}

library_benchmark_group!(
    name = alone;
    benchmarks =
        parse_key, authentication, envelope, authorisation, eight_decisions, head_in, fields, head_out, head_of_answer
);
