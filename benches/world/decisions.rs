//! The gateway's own decisions about one call, without the stages around them: who calls, what
//! the message is, whether it may be.

use tollgate::base::digest::Hasher;
use tollgate::base::key::RawKey;
use tollgate::base::{Denial, UnixSeconds};
use tollgate::policy::{Keys, Policy, Wanted, authenticate, authorise};
use tollgate::wire::jsonrpc::{Scratch, Subject};
use tollgate::wire::mcp::ProtocolVersion;
use tollgate::wire::mcp::era::{HeaderVersion, judge};

use super::{body_of_300, keys, policy, raw, with_wrong_secret};

/// Keys in the table.
const COUNT: usize = 1_000;
const NOW: UnixSeconds = UnixSeconds(1_900_000_000);

/// What is decided by, and a body of 300 bytes.
pub struct Decisions {
    policy: Policy,
    keys: Keys,
    scratch: Scratch,
    body: String,
}

impl Decisions {
    pub fn new() -> Self {
        let policy = policy();
        let (changes, _) = keys(COUNT);
        let keys = Keys::empty(std::sync::Arc::new(Hasher::new(&[])), COUNT).with(&changes, &policy);
        Self { policy, keys, scratch: Scratch::new(), body: body_of_300() }
    }

    /// Authenticates, reads the envelope, authorises.
    pub fn decide(&mut self, key: &str) -> Result<(), Denial> {
        let key = RawKey::parse(key.as_bytes()).ok_or(Denial::InvalidKey)?;
        let digests = self.keys.hasher().digests(key.secret());
        let verified = authenticate(&self.keys, key.id(), &digests, NOW)?;
        let body = self.body.as_bytes();
        let envelope = self.scratch.read(body).map_err(|fault| fault.0.denial())?;
        let version = HeaderVersion::Known(ProtocolVersion::V2026_07_28);
        judge(version, &envelope).map_err(|_| Denial::HeaderMismatch)?;
        let Subject::Tool(tool) = &envelope.subject else { return Err(Denial::MethodDenied) };
        let server = self.policy.server_at("/crm/mcp").ok_or(Denial::RouteUnknown)?;
        let grants = self.keys.grants(verified.scopes).ok_or(Denial::ScopeMissing)?;
        authorise(server, grants, Wanted::Tool(tool.in_body(body))).outcome
    }
}

/// A key that may call, and those that are refused.
pub const KINDS: [&str; 4] = ["good_key", "malformed_key", "unknown_key", "wrong_secret"];

/// Key number `n` of a kind.
pub fn key(kind: &str, n: usize) -> String {
    match kind {
        "good_key" => raw(n),
        "malformed_key" => raw(n).replace('.', "-"),
        "unknown_key" => raw(COUNT + n),
        _ => with_wrong_secret(n),
    }
}
