//! Admit: everything that a request had to prove, in one value. `forward` takes nothing else.

use super::{Caller, Grant, Message, Routed, Stream};
use crate::policy::Verified;
use crate::wire::mcp::Era;

/// What a request wants: to send a message, or a stream of the legacy era.
pub(in crate::gateway) enum Intent {
    /// A POST.
    Message(Message),
    /// A GET or DELETE.
    Stream(Stream),
}

/// A request that may be forwarded.
pub(in crate::gateway) struct Admitted<'s> {
    caller: Caller<'s>,
    era: Era,
}

impl<'s> Admitted<'s> {
    pub(super) fn routed(&self) -> &Routed<'s> {
        self.caller.routed()
    }

    pub(super) fn verified(&self) -> &Verified {
        self.caller.verified()
    }

    /// The era that the request belongs to.
    pub(in crate::gateway) fn era(&self) -> Era {
        self.era
    }
}

/// Puts the proofs together.
pub(in crate::gateway) fn admit(caller: Caller<'_>, intent: Intent, _grant: Grant) -> Admitted<'_> {
    let era = match intent {
        Intent::Message(message) => message.era(),
        Intent::Stream(_) => Era::Legacy,
    };
    Admitted { caller, era }
}
