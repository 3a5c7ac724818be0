//! Resume: the session that a legacy request names, opened for the key that it belongs to.
//!
//! The client's id is sealed; another key's, another server's, a forged and a forgotten one get
//! one answer. A session is no proof of anything: the key was proved before. Modern requests
//! have no session, whatever they send.

use http::HeaderValue;

use super::{Caller, Intent};
use crate::base::Denial;
use crate::gateway::refusal::Refusal;
use crate::state::Holder;
use crate::wire::fields::Fields;
use crate::wire::jsonrpc;
use crate::wire::mcp::Era;

/// The session that a request belongs to, if any.
pub(in crate::gateway) struct Session(Option<Ids>);

struct Ids {
    sealed: HeaderValue,
    upstream: HeaderValue,
}

impl Session {
    /// The upstream's id, for the request that goes there.
    pub(super) fn upstream(&self) -> Option<&HeaderValue> {
        self.0.as_ref().map(|ids| &ids.upstream)
    }
}

/// Opens the session.
pub(in crate::gateway) fn resume(
    caller: &Caller<'_>,
    intent: &Intent,
    fields: &Fields<'_>,
) -> Result<Session, Refusal> {
    if intent.era() == Era::Modern {
        return Ok(Session(None));
    }
    let Some(sealed) = super::message::single(fields.session_id)? else {
        return if answers(intent) {
            // A server knows its request again by its number alone: without the session, any
            // key could answer for another.
            Err(Refusal::hinted(Denial::InvalidRequest, "an answer needs the session of its request"))
        } else {
            Ok(Session(None))
        };
    };
    let sealer = &caller.routed().snapshot().sealer;
    let upstream = sealer.open(sealed, holder(caller), caller.seen()).ok_or(Denial::SessionUnknown)?;
    let sealed = HeaderValue::from_bytes(sealed).map_err(|_| Denial::SessionUnknown)?;
    Ok(Session(Some(Ids { sealed, upstream })))
}

/// The id that the client gets for one that came from the upstream: its own, where it is the
/// same session; `None` for what is no session id.
pub(super) fn told(session: &Session, caller: &Caller<'_>, upstream: &[u8]) -> Option<HeaderValue> {
    match &session.0 {
        Some(ids) if ids.upstream == upstream => Some(ids.sealed.clone()),
        _ => {
            let sealer = &caller.routed().snapshot().sealer;
            sealer.seal(upstream, holder(caller), caller.seen())
        }
    }
}

fn holder<'a>(caller: &Caller<'a>) -> Holder<'a> {
    let server = caller.routed().server();
    Holder { server: &server.name, endpoint: &server.endpoint.name, key: caller.id() }
}

fn answers(intent: &Intent) -> bool {
    matches!(intent, Intent::Message(message) if message.envelope().message == jsonrpc::Message::Response)
}
