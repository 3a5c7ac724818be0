//! One configured MCP server: where it is served, where it lives, what its rules are.
//!
//! Plain data, compiled once per configuration. The credential it holds is for the upstream
//! alone, and is kept where nothing prints it.

use http::HeaderName;

use super::ids::{RuleId, ServerId};
use super::limits::Concurrent;
use super::rules::{NameRules, UriRules};
use crate::wire::http1::Preamble;

/// How to reach an upstream: everything that makes two connections interchangeable. Pools
/// are keyed by the whole value: equal in every field, or another pool.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Authority {
    /// Host name or IP address, brackets for IPv6.
    pub host: Box<str>,
    /// TCP port.
    pub port: u16,
    /// Whether TLS is spoken.
    pub tls: bool,
    /// The file of certificate authorities to trust instead of the system's.
    pub ca: Option<Box<str>>,
}

/// Where requests of a server go, with what all of them begin with.
#[derive(Debug)]
pub struct Endpoint {
    /// Its stable name, which sessions are bound to.
    pub name: Box<str>,
    /// How to connect.
    pub authority: Authority,
    /// Path and query of the MCP endpoint.
    pub path: http::uri::PathAndQuery,
    /// The beginning of its requests: target, `Host`, and the gateway's own credential.
    pub preamble: Preamble,
    /// The header that carries the credential.
    pub credential: Option<HeaderName>,
}

/// Headers that tell the upstream who calls.
#[derive(Debug, Default)]
pub struct Identity {
    /// Carries the key id.
    pub key_id: Option<HeaderName>,
    /// Carries the key's owner.
    pub owner: Option<HeaderName>,
}

/// A configured server.
#[derive(Debug)]
pub struct Server {
    /// Its place in the policy.
    pub id: ServerId,
    /// Its configured name.
    pub name: Box<str>,
    /// Where its requests go.
    pub endpoint: Endpoint,
    /// Allowed values of `Origin`, lower case.
    pub origins: Box<[Box<str>]>,
    /// What is told about the caller.
    pub identity: Identity,
    /// Request headers that pass beside those that the protocol needs.
    pub forward_headers: Box<[HeaderName]>,
    /// Whether a denied call is answered with status 200 and a JSON-RPC error.
    pub deny_with_ok: bool,
    /// How much may be under way towards it at once.
    pub concurrent: Concurrent,
    /// Whether answers tell what is left of the caller's limits.
    pub limit_headers: bool,
    /// Rules over tools.
    pub tools: NameRules,
    /// Rules over prompts.
    pub prompts: NameRules,
    /// Rules over resources.
    pub resources: UriRules,
    /// The rules of all three, as a range of the policy's rules.
    pub rules: std::ops::Range<u32>,
}

impl Server {
    /// Whether the gateway tells this header itself, so that no client can.
    #[inline]
    pub fn tells(&self, name: &[u8]) -> bool {
        let own = [&self.identity.key_id, &self.identity.owner, &self.endpoint.credential];
        own.into_iter().flatten().any(|own| own.as_str().as_bytes() == name)
    }

    /// Whether a rule belongs to this server.
    pub fn owns(&self, rule: RuleId) -> bool {
        self.rules.contains(&rule.0)
    }
}
