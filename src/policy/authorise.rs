//! Whether a key may do a thing: one rule, or none and then no.
//!
//! The same function serves the request path and `explain`, so the explanation cannot differ
//! from the decision.

use super::compiled::Grants;
use super::ids::RuleId;
use super::server::Server;
use crate::base::Denial;

/// What a caller wants of a server.
#[derive(Clone, Copy, Debug)]
pub enum Wanted<'a> {
    /// Lists, the handshake, a stream: something that any of the server's keys may have.
    Server,
    /// A tool by name.
    Tool(&'a str),
    /// A prompt by name.
    Prompt(&'a str),
    /// A resource by URI.
    Resource(&'a str),
    /// A task; no server permits them yet.
    Task,
}

/// A decision and the rule that made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The rule that applied, where one did.
    pub rule: Option<RuleId>,
    /// Whether the caller may.
    pub outcome: Result<(), Denial>,
}

/// Decides. `grants` must have been computed from the policy that `server` stands in.
#[inline]
pub fn authorise(server: &Server, grants: &Grants, wanted: Wanted<'_>) -> Decision {
    let rule = match wanted {
        Wanted::Server => {
            let outcome = if grants.server(server.id) { Ok(()) } else { Err(Denial::ScopeMissing) };
            return Decision { rule: None, outcome };
        }
        Wanted::Task => return Decision { rule: None, outcome: Err(Denial::MethodDenied) },
        Wanted::Tool(name) => server.tools.find(name),
        Wanted::Prompt(name) => server.prompts.find(name),
        Wanted::Resource(uri) => server.resources.find(uri),
    };
    let outcome = match rule {
        None => Err(Denial::NotConfigured),
        Some(rule) if grants.rule(rule) => Ok(()),
        Some(_) => Err(Denial::ScopeMissing),
    };
    Decision { rule, outcome }
}
