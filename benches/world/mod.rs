//! What every bench measures on: one policy, keys, requests, an upstream without sockets.
//!
//! The policy has the size of a shared server's, the keys the number of a large company's
//! agents. Beside the product's parts stand the naive ones in [`naive`].

#![allow(dead_code, unused_imports, reason = "each bench takes what it needs of it")]

pub mod cases;
pub mod decisions;
mod exchange;
mod keys;
pub mod naive;
mod request;
pub mod upstream;

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http_body::Body;
use tollgate::base::digest::Hasher;
use tollgate::base::{Clock, SealingKey, UnixSeconds};
use tollgate::config::{Environment, load_text};
use tollgate::control::{Publisher, compile};
use tollgate::gateway::{Pauses, RequestBounds, Shared, Worker};
use tollgate::policy::Policy;
use tollgate::policy::keys::Change;
use tollgate::state::{Ceilings, Limiter, Load, Sealer};
use tollgate::telemetry::Metrics;
use tollgate::telemetry::books::{Books, BooksParams, Reader, open};
use tollgate::wire::head::Reply;

pub use exchange::exchange;
pub use keys::{entry, keys, raw, scopes, with_wrong_secret};
pub use request::{BODY, HEAD_BYTES, LEGACY, Sent, body_behind, body_of_300, large_body};
pub use upstream::{Pieces, Reaction, Stub};

/// Where clients connect from.
pub const FROM: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Keys that a bench of the whole path has in its table.
pub const KEYS: usize = 100_000;

/// A server with one called tool and thirty others, and a second server.
pub fn policy() -> Policy {
    let mut text = String::from(
        // What is refused for want of a right key is refused as often as it is measured.
        r#"[listen]
plaintext = "loopback"
failed_keys = { rate = "1000000/s", burst = 1000000 }
[[servers]]
name = "crm"
upstreams = ["http://127.0.0.1:9/mcp"]
[servers.tools.search]
scopes = ["crm:read"]
"#,
    );
    // Two that are always within their limits, and one that never is.
    for (tool, limits) in [
        ("counted_by_key", r#"{ rate = "1000000/s", burst = 1000000 }"#),
        (
            "counted",
            r#"{ rate = "1000000/s", burst = 1000000 }, { rate = "1000000/s", burst = 1000000, per = "tool" }"#,
        ),
        ("limited", r#"{ rate = "1/h", burst = 1 }"#),
    ] {
        text.push_str(&format!("[servers.tools.{tool}]\nscopes = [\"crm:read\"]\nlimits = [{limits}]\n"));
    }
    for number in 0..30 {
        text.push_str(&format!("[servers.tools.tool_{number}]\nscopes = [\"crm:write:area_{number}\"]\n"));
    }
    text.push_str("[servers.tools.\"report_*\"]\nscopes = [\"crm:report\"]\n");
    text.push_str("[[servers]]\nname = \"mail\"\nupstreams = [\"http://127.0.0.1:9/mcp\"]\n");
    text.push_str("[servers.tools.\"*\"]\nscopes = [\"mail:send\"]\n");
    let settings = load_text(&text, "bench", Path::new("."), &Environment::default());
    compile(&settings.map_err(|faults| faults.to_string()).unwrap())
}

/// What publishes a snapshot with these keys, for this many workers.
pub fn publisher(changes: &[Change], workers: usize) -> (Publisher, Arc<Metrics>) {
    let metrics = Arc::new(Metrics::new(workers));
    let publisher = Publisher::new(policy(), Hasher::new(&[]), Arc::clone(&metrics));
    let key = SealingKey { id: 1, bytes: [7; 32], made: UnixSeconds::EPOCH };
    let week = Duration::from_secs(7 * 86_400);
    publisher.replace_sealer(Sealer::new(vec![key], week, Clock::system().now()));
    publisher.change_keys(changes);
    (publisher, metrics)
}

/// The worker of this number, which takes in so many requests at once.
pub fn worker_of(
    publisher: &Publisher,
    metrics: &Arc<Metrics>,
    number: usize,
    requests: usize,
) -> Worker<Stub> {
    worker_with(publisher, metrics, number, requests, Arc::new(Limiter::new(1_000)))
}

/// The same with a limiter that workers share.
pub fn worker_with(
    publisher: &Publisher,
    metrics: &Arc<Metrics>,
    number: usize,
    requests: usize,
    limiter: Arc<Limiter>,
) -> Worker<Stub> {
    of(publisher, metrics, number, requests, limiter, Books::none(number))
}

fn of(
    publisher: &Publisher,
    metrics: &Arc<Metrics>,
    number: usize,
    requests: usize,
    limiter: Arc<Limiter>,
    books: Books,
) -> Worker<Stub> {
    let minute = Duration::from_secs(60);
    let pauses = Pauses { answer: minute, stream: minute, comment: minute };
    let bounds = RequestBounds { body: 4 << 20, body_idle: minute, body_total: minute, pauses };
    let ceilings = Ceilings { requests, streams: 1_000, bodies: 32 << 20 };
    let load = Load::new(ceilings, Arc::default());
    let reader = publisher.cell().reader();
    let shared = Shared { clock: Clock::system(), metrics: Arc::clone(metrics), limiter };
    Worker::new(number, bounds, load, shared, books, Stub::default(), reader)
}

/// The worker, which notes its requests, and the reader of what it noted.
pub fn noting(publisher: &Publisher, metrics: &Arc<Metrics>) -> (Worker<Stub>, Reader) {
    let params = BooksParams { waiting: 8_192, under_way: 64, refuse: true, refusals_told: 10, sync: false };
    let (mut books, reader) = open(1, params);
    let limiter = Arc::new(Limiter::new(1_000));
    (of(publisher, metrics, 0, 1_000, limiter, books.remove(0)), reader)
}

/// A worker over `count` keys, and a raw key that may call the tool.
pub fn worker(count: usize) -> (Worker<Stub>, String) {
    let (changes, raw) = keys(count);
    let (publisher, metrics) = publisher(&changes, 1);
    (worker_of(&publisher, &metrics, 0, 1_000), raw)
}

/// The outcome of a future that has nothing to wait for.
pub fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => panic!("an upstream that answers at once was waited for"),
    }
}

/// Takes an answer to its end, as whoever writes it does; how many bytes its body had.
pub fn to_its_end<B: Body<Data = Bytes> + Unpin>(reply: Reply<B>) -> usize {
    let mut bytes = 0;
    each_piece(reply.body, |piece| bytes += piece.len());
    bytes
}

/// Takes a body to its end, piece by piece.
pub fn each_piece<B: Body<Data = Bytes> + Unpin>(mut body: B, mut take: impl FnMut(&Bytes)) {
    let mut task = Context::from_waker(Waker::noop());
    while !body.is_end_stream() {
        match Pin::new(&mut body).poll_frame(&mut task) {
            Poll::Ready(Some(Ok(frame))) => frame.data_ref().into_iter().for_each(&mut take),
            Poll::Ready(None) => break,
            Poll::Ready(Some(Err(_))) | Poll::Pending => panic!("an answer that is there broke off"),
        }
    }
}
