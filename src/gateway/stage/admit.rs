//! Admit: everything that a request had to prove, in one value. `forward` takes nothing else.

use std::time::Duration;

use http::HeaderValue;

use super::session::told;
use super::{Caller, Grant, Message, Routed, Session, Stream, Within};
use crate::base::{KeyId, UnderWay};
use crate::policy::Verified;
use crate::state::limiter::Left;
use crate::wire::jsonrpc;
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

    /// What it is for as long as it is under way.
    pub(super) fn under_way(&self) -> UnderWay {
        let stays_open = match self {
            Self::Message(message) => message.envelope().method.stays_open(),
            Self::Stream(stream) => stream.opens(),
        };
        if stays_open { UnderWay::Stream } else { UnderWay::Call }
    }

    /// Whether something else that is under way may end only by it: answers to the server's own
    /// requests, cancellations, the end of a session.
    pub(super) fn is_awaited(&self) -> bool {
        match self {
            Self::Message(message) => message.envelope().message != jsonrpc::Message::Request,
            Self::Stream(stream) => !stream.opens(),
        }
    }

    /// Whether it asks which versions the server speaks.
    pub(super) fn discovers(&self) -> bool {
        matches!(self, Self::Message(message) if message.envelope().method == Method::Discover)
    }
}

/// A request that may be forwarded.
pub(in crate::gateway) struct Admitted<'s> {
    caller: Caller<'s>,
    era: Era,
    session: Session,
    discovers: bool,
    left: Option<Box<Left>>,
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

    /// What is left of the caller's limits, where the client is told.
    pub(in crate::gateway) fn left(&self) -> Option<&Left> {
        self.left.as_deref()
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
    within: Within,
) -> Admitted<'s> {
    let rule = grant.rule().and_then(|rule| caller.routed().snapshot().policy.rule(rule));
    Admitted {
        era: intent.era(),
        session,
        discovers: intent.discovers(),
        left: within.into_left(),
        first_byte: rule.and_then(|rule| rule.first_byte),
        caller,
    }
}
