//! Admit: everything that a request had to prove, in one value. `forward` takes nothing else.

use std::time::Duration;

use http::HeaderValue;

use super::session::told;
use super::{Caller, Grant, Message, Routed, Session, Stream, Within};
use crate::base::KeyId;
use crate::policy::Verified;
use crate::wire::mcp::{Era, Method};

/// What a request wants: to send a message, or a stream of the legacy era.
pub(in crate::gateway) enum Intent {
    /// A POST.
    Message(Message),
    /// A GET or DELETE.
    Stream(Stream),
}

impl Intent {
    /// The era that the request belongs to.
    pub(super) fn era(&self) -> Era {
        match self {
            Self::Message(message) => message.era(),
            Self::Stream(_) => Era::Legacy,
        }
    }
}

/// A request that may be forwarded.
pub(in crate::gateway) struct Admitted<'s> {
    caller: Caller<'s>,
    era: Era,
    session: Session,
    discovers: bool,
    first_byte: Option<Duration>,
}

impl<'s> Admitted<'s> {
    pub(in crate::gateway) fn routed(&self) -> &Routed<'s> {
        self.caller.routed()
    }

    /// The caller's key.
    pub(in crate::gateway) fn key(&self) -> KeyId {
        self.caller.id()
    }

    pub(super) fn verified(&self) -> &Verified {
        self.caller.verified()
    }

    pub(super) fn session(&self) -> &Session {
        &self.session
    }

    /// Time until the answer begins, where the tool has one of its own.
    pub(super) fn first_byte(&self) -> Option<Duration> {
        self.first_byte
    }

    /// The era that the request belongs to.
    pub(in crate::gateway) fn era(&self) -> Era {
        self.era
    }

    /// Whether the answer lists the versions that the server speaks.
    pub(in crate::gateway) fn discovers(&self) -> bool {
        self.discovers
    }

    /// The id that the client gets for a session of the upstream's.
    pub(in crate::gateway) fn session_told(&self, upstream: &[u8]) -> Option<HeaderValue> {
        told(&self.session, &self.caller, upstream)
    }
}

/// Puts the proofs together.
pub(in crate::gateway) fn admit<'s>(
    caller: Caller<'s>,
    intent: &Intent,
    session: Session,
    grant: &Grant,
    _within: Within,
) -> Admitted<'s> {
    let discovers =
        matches!(intent, Intent::Message(message) if message.envelope().method == Method::Discover);
    let rule = grant.rule().and_then(|rule| caller.routed().snapshot().policy.rule(rule));
    Admitted {
        era: intent.era(),
        session,
        discovers,
        first_byte: rule.and_then(|rule| rule.first_byte),
        caller,
    }
}
