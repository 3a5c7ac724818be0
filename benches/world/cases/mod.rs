//! Everything that one request can come to in memory, a name each: what is allowed, in both
//! eras and both kinds of answer, and each kind of refusal.
//!
//! A case is run through the same two functions that the server calls, and its answer is held
//! to the status and the reason that it must have: a count of the wrong path is no count.

mod plan;

use std::cell::RefCell;

use tollgate::base::UnixSeconds;
use tollgate::base::lease::WhenGone;
use tollgate::gateway::{ReplyBody, Worker, serve, turn_away};
use tollgate::policy::keys::Status;
use tollgate::state::Holder;
use tollgate::state::limiter::Asked;
use tollgate::telemetry::books::Reader;
use tollgate::wire::head::{Reply, RequestHead};

use super::upstream::{Pieces, Reaction, Stub};
use super::{FROM, at_once, entry, exchange, keys, noting, publisher, raw, scopes, to_its_end, worker_of};
use plan::{Arrives, Plan, plan};

/// Every case.
pub const CASES: [&str; 50] = [
    "modern_json",
    "modern_json_noted",
    "modern_json_4k",
    "modern_json_limited",
    "modern_sse",
    "modern_discover",
    "modern_api_key",
    "legacy_json",
    "legacy_session_json",
    "legacy_session_sse",
    "legacy_initialize",
    "missing_key",
    "invalid_key_malformed",
    "invalid_key_unknown",
    "invalid_key_wrong_secret",
    "expired_key",
    "revoked_key",
    "conflicting_keys",
    "origin_denied",
    "host_denied",
    "scope_missing",
    "method_denied",
    "not_configured",
    "rate_limited",
    "session_unknown_forged",
    "session_unknown_of_another",
    "route_unknown",
    "method_not_allowed",
    "method_not_allowed_old_transport",
    "request_timeout",
    "body_too_large",
    "headers_too_large",
    "malformed_request_head",
    "malformed_request_forwarded_key",
    "unsupported_media_type",
    "upstream_unreachable",
    "upstream_unreachable_broken",
    "upstream_timeout",
    "upstream_denied",
    "result_withheld",
    "overloaded",
    "overloaded_connections",
    "parse_error",
    "invalid_request_batch",
    "invalid_request_ambiguous",
    "method_unknown_modern",
    "method_unknown_legacy",
    "invalid_params",
    "header_mismatch",
    "version_unsupported",
];

/// Those that are also counted from bytes to bytes: what is most of a gateway's work, and of a
/// flood's.
pub const FROM_BYTES: [&str; 5] =
    ["modern_json", "modern_json_4k", "legacy_session_json", "invalid_key_unknown", "malformed_request_head"];

/// Keys in the table: one that is found costs the same among these as among a million hot ones.
const FEW: usize = 64;
const REVOKED: usize = 1_000;
const EXPIRED: usize = 1_001;
const UNKNOWN: usize = 2_000;

/// What cases are run on.
pub struct World {
    worker: Worker<Stub>,
    /// A worker that may take in no request.
    full: Worker<Stub>,
    /// A worker that notes its requests, and what it noted.
    noting: Worker<Stub>,
    noted: RefCell<Reader>,
    key: String,
    /// An id that the gateway sealed for `key`, and one that it sealed for another.
    sessions: [String; 2],
    /// Time limits are armed only by waiting, but they want a clock to be there.
    runtime: tokio::runtime::Runtime,
}

/// Takes the one token that a key has with the tool that is refused.
fn use_up(worker: &Worker<Stub>, key: tollgate::base::KeyId) {
    let snapshot = worker.snapshot();
    let rule = snapshot.policy.rules().iter().find(|rule| &*rule.text == "limited").unwrap();
    let asked = Asked {
        key,
        of_key: None,
        of_pair: rule.limits.per_key.as_ref(),
        of_tool: None,
        cost: 1,
        when_gone: WhenGone::default(),
    };
    assert!(worker.limiter.take(&asked).is_ok());
}

impl World {
    /// A world with a few keys.
    pub fn new() -> Self {
        let (mut changes, _) = keys(FEW);
        for (number, status, expires) in
            [(REVOKED, Status::Revoked, UnixSeconds::NEVER), (EXPIRED, Status::Active, UnixSeconds(1))]
        {
            let record = entry(&raw(number), &scopes(0));
            changes.push((record.id, Some(tollgate::policy::KeyEntry { status, expires, ..record })));
        }
        let ids = [changes[0].0, changes[1].0];
        let (publisher, metrics) = publisher(&changes, 1);
        let worker = worker_of(&publisher, &metrics, 0, 1_000);
        let full = worker_of(&publisher, &metrics, 0, 0);
        let (noting, noted) = noting(&publisher, &metrics);
        let snapshot = worker.snapshot();
        let server = snapshot.policy.server_at("/crm/mcp").unwrap();
        let seal = |key| {
            let holder = Holder { server: &server.name, endpoint: &server.endpoint.name, key };
            let id = snapshot.sealer.seal(b"0f8e2c9a7b6d4e1f", holder, worker.clock.now()).unwrap();
            id.to_str().unwrap().to_owned()
        };
        use_up(&worker, ids[0]);
        let sessions = ids.map(seal);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        Self { worker, full, noting, noted: RefCell::new(noted), key: raw(0), sessions, runtime }
    }

    /// A case that was run once, so that caches and scratch are as all later requests find them.
    pub fn warm(&self, name: &str) -> Ready {
        let mut ready = self.ready(name);
        let (status, reason) = (ready.plan.status, ready.plan.reason);
        let reply = self.answer(&mut ready);
        assert_eq!(reply.status, status, "{name}");
        let told = format!("\"reason\":\"{reason}\"");
        let body = whole_body(reply);
        assert!(reason.is_empty() || body.contains(&told), "{name}: {body}");
        self.ready(name)
    }

    /// Runs a case, its answer to the end; the bytes of its body.
    pub fn run(&self, ready: &mut Ready) -> usize {
        let _clock = self.runtime.enter();
        to_its_end(self.answer(ready))
    }

    /// A case that is about to be run.
    pub fn ready(&self, name: &str) -> Ready {
        self.noted.borrow_mut().take(usize::MAX, |_| ());
        let mut plan = plan(name, self);
        if let Some(reaction) = plan.reaction.take() {
            let worker =
                if matches!(plan.arrives, Arrives::AtNoting(_)) { &self.noting } else { &self.worker };
            worker.upstream.give(match reaction {
                Ok(arriving) => Reaction::Answers(arriving.read()),
                Err(fault) => Reaction::Fails(fault),
            });
        }
        let request = match &plan.arrives {
            Arrives::Whole(sent) | Arrives::AtFull(sent) | Arrives::AtNoting(sent) => Some(sent.request()),
            Arrives::Unread(_) => None,
        };
        Ready { plan, request }
    }

    /// A case of [`FROM_BYTES`] that was run once; its bytes.
    pub fn warm_bytes(&self, name: &str) -> Vec<u8> {
        let status = plan(name, self).status;
        let arrived = self.bytes(name);
        let left = self.run_bytes(&arrived);
        let text = String::from_utf8(left).unwrap();
        assert!(text.starts_with(&format!("HTTP/1.1 {status} ")), "{name}: {text}");
        self.bytes(name)
    }

    /// The bytes of a case that is about to be run; the upstream's answer will arrive as bytes too.
    pub fn bytes(&self, name: &str) -> Vec<u8> {
        let plan = plan(name, self);
        if let Some(reaction) = plan.reaction {
            self.worker.upstream.give(reaction.map_or_else(Reaction::Fails, Reaction::Sends));
        }
        match plan.arrives {
            Arrives::Whole(sent) | Arrives::AtFull(sent) | Arrives::AtNoting(sent) => sent.bytes(),
            // Without `Host`.
            Arrives::Unread(_) => b"POST /crm/mcp HTTP/1.1\r\nAccept: */*\r\n\r\n".to_vec(),
        }
    }

    /// Runs a case from the bytes that arrive to those that leave.
    pub fn run_bytes(&self, arrived: &[u8]) -> Vec<u8> {
        let _clock = self.runtime.enter();
        exchange(&self.worker, arrived)
    }

    fn answer(&self, ready: &mut Ready) -> Reply<ReplyBody<Pieces>> {
        let _clock = self.runtime.enter();
        match (&ready.plan.arrives, ready.request.take()) {
            (Arrives::AtFull(_), Some((head, body))) => at_once(serve(&self.full, FROM, head, body)),
            (Arrives::AtNoting(_), Some((head, body))) => at_once(serve(&self.noting, FROM, head, body)),
            (_, Some((head, body))) => at_once(serve(&self.worker, FROM, head, body)),
            (Arrives::Unread(why), None) => turn_away(&self.worker, FROM, *why),
            (_, None) => panic!("a request is missing"),
        }
    }
}

fn whole_body(reply: Reply<ReplyBody<Pieces>>) -> String {
    use http_body_util::BodyExt as _;
    let body = at_once(reply.body.collect()).unwrap().to_bytes();
    String::from_utf8(body.to_vec()).unwrap()
}

/// A case that is about to be run. What it was made of is left behind, so that dropping that is
/// not counted.
pub struct Ready {
    plan: Plan,
    request: Option<(RequestHead, Pieces)>,
}

impl Ready {
    /// The reason that it is refused for; empty where it is allowed.
    pub fn reason(&self) -> &'static str {
        self.plan.reason
    }
}
