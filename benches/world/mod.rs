//! What every bench measures on: one policy, keys, one request, an upstream without sockets.
//!
//! The policy has the size of a common server's, the keys the number of a large company's
//! agents. Beside the product's parts stand the naive ones in [`naive`].

#![allow(dead_code, reason = "each bench takes what it needs of it")]

pub mod naive;

use std::convert::Infallible;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Method, Request, Response};
use http_body_util::combinators::MapErr;
use http_body_util::{BodyExt as _, Full};
use tollgate::base::digest::Hasher;
use tollgate::base::key::{Env, NewKey};
use tollgate::base::{Clock, UnixSeconds};
use tollgate::config::{Environment, load_text};
use tollgate::control::{Publisher, compile};
use tollgate::gateway::{Pauses, ReplyBody, RequestBounds, Worker};
use tollgate::policy::keys::{Change, Status};
use tollgate::policy::{Authority, KeyEntry, Policy, ScopePattern, ScopeSet};
use tollgate::state::{Ceilings, Load};
use tollgate::telemetry::Metrics;
use tollgate::upstream::{BodyFault, Exchange, Outgoing, SendFault};
use tollgate::wire::head::{Reply, RequestHead};
use tollgate::wire::http1::take_head;

/// Keys that a bench of the whole path has in its table.
pub const KEYS: usize = 100_000;

/// 249 bytes, of the newest revision.
pub const BODY: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"search","arguments":{"query":"unpaid invoices from the last quarters"},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}"#;
const ANSWER: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"resultType":"complete","content":[{"type":"text","text":"3 invoices"}],"isError":false}}"#;

/// The head before it.
const ANSWER_HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 120\r\n\r\n";

/// The same call with 4 KiB of arguments.
pub fn large_body() -> String {
    BODY.replace("unpaid", &"unpaid and overdue, or disputed; ".repeat(118))
}

/// A server with one called tool and thirty others, and a second server.
pub fn policy() -> Policy {
    let mut text = String::from(
        r#"[listen]
plaintext = "loopback"
[[servers]]
name = "crm"
upstreams = ["http://127.0.0.1:9/mcp"]
[servers.tools.search]
scopes = ["crm:read"]
"#,
    );
    for number in 0..30 {
        text.push_str(&format!("[servers.tools.tool_{number}]\nscopes = [\"crm:write:area_{number}\"]\n"));
    }
    text.push_str("[servers.tools.\"report_*\"]\nscopes = [\"crm:report\"]\n");
    text.push_str("[[servers]]\nname = \"mail\"\nupstreams = [\"http://127.0.0.1:9/mcp\"]\n");
    text.push_str("[servers.tools.\"*\"]\nscopes = [\"mail:send\"]\n");
    let settings = load_text(&text, "bench", Path::new("."), &Environment::default());
    compile(&settings.map_err(|faults| faults.to_string()).unwrap())
}

/// The scopes of key number `n`: eight sets go round.
pub fn scopes(n: usize) -> Vec<String> {
    let mut scopes = vec!["crm:read".to_owned(), "crm:report".to_owned()];
    scopes.extend((0..n % 8).map(|area| format!("crm:write:area_{area}")));
    scopes
}

/// Fresh keys with their entries; the raw key of the last.
pub fn keys(count: usize) -> (Vec<Change>, String) {
    let hasher = Hasher::new(&[]);
    let mut changes = Vec::with_capacity(count);
    let mut raw = String::new();
    for number in 0..count {
        let key = NewKey::generate(Env::Live).unwrap();
        let patterns = scopes(number).iter().map(|scope| ScopePattern::parse(scope).unwrap()).collect();
        let entry = KeyEntry {
            id: key.id(),
            hash: hasher.hash_new(key.secret()),
            previous: None,
            scopes: ScopeSet::new(patterns),
            status: Status::Active,
            expires: UnixSeconds::NEVER,
            owner: None,
        };
        changes.push((key.id(), Some(entry)));
        raw = key.reveal();
    }
    (changes, raw)
}

/// A worker over `count` keys, and a raw key that may call the tool.
pub fn worker(count: usize) -> (Worker<Stub>, String) {
    let metrics = Arc::new(Metrics::new(1));
    let publisher = Publisher::new(policy(), Hasher::new(&[]), Arc::clone(&metrics));
    let (changes, raw) = keys(count);
    publisher.change_keys(&changes);
    let minute = Duration::from_secs(60);
    let pauses = Pauses { answer: minute, stream: minute, comment: minute };
    let bounds = RequestBounds { body: 4 << 20, body_idle: minute, body_total: minute, pauses };
    let ceilings = Ceilings { requests: 1_000, streams: 1_000, bodies: 32 << 20 };
    let reader = publisher.cell().reader();
    (Worker::new(0, bounds, Load::new(ceilings, Arc::default()), Clock::system(), metrics, Stub, reader), raw)
}

/// The call with its headers, as hyper hands it over.
pub fn request(raw: &str, body: &str) -> Request<Full<Bytes>> {
    Request::builder()
        .method(Method::POST)
        .uri("/crm/mcp")
        .header("host", "localhost")
        .header("authorization", format!("Bearer {raw}"))
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .header("user-agent", "bench")
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", "tools/call")
        .header("mcp-name", "search")
        .header("content-length", body.len())
        .body(Full::from(body.to_owned()))
        .unwrap()
}

/// The answer to the naive gateway, which has a map of headers.
pub fn answer(request: &Request<Bytes>) -> Response<Full<Bytes>> {
    std::hint::black_box(request);
    let response = Response::builder().header("content-type", "application/json");
    response.header("content-length", ANSWER.len()).body(Full::from(ANSWER)).unwrap()
}

/// Serves a request as the server of HTTP/2 has it done.
pub async fn serve<X: Exchange>(
    worker: &Worker<X>,
    request: Request<Full<Bytes>>,
) -> Response<ReplyBody<X::Body>> {
    let (head, body) = request.into_parts();
    tollgate::gateway::serve(worker, RequestHead::from(head), body).await.into_http()
}

/// An upstream that answers at once.
pub struct Stub;

impl Exchange for Stub {
    type Body = MapErr<Full<Bytes>, fn(Infallible) -> BodyFault>;

    async fn send(
        &self,
        _to: &Authority,
        request: Outgoing,
        _first_byte: Option<Duration>,
    ) -> Result<Reply<Self::Body>, SendFault> {
        drop(std::hint::black_box(request));
        let mut read = BytesMut::from(ANSWER_HEAD);
        let head = take_head(&mut read, &mut 0).unwrap().unwrap();
        let body = Full::from(ANSWER).map_err((|never| match never {}) as fn(Infallible) -> BodyFault);
        Ok(Reply { passed: head.lines, ..Reply::new(head.status, body) })
    }
}

/// The outcome of a future that has nothing to wait for.
pub fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => panic!("an upstream that answers at once was waited for"),
    }
}
