//! Which era a message belongs to: the table that keeps gateway and server of one mind.
//!
//! Servers disagree on ambiguous input (one picks the era from the header, another from the
//! body), so header and body must agree before anything is forwarded.

use super::{Method, ProtocolVersion};
use crate::wire::jsonrpc::{Envelope, Message, MetaVersion};

/// The two ways of speaking MCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Era {
    /// Up to 2025-11-25: handshake, sessions, server-to-client requests.
    Legacy,
    /// From 2026-07-28: each request stands alone; closing the stream cancels it.
    Modern,
}

/// `MCP-Protocol-Version` of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderVersion {
    /// No such header: legal in the legacy era.
    Absent,
    /// A revision that exists.
    Known(ProtocolVersion),
    /// Any other value.
    Unknown,
}

/// Why no era can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EraFault {
    /// A modern header on a request whose body lacks the modern members.
    MetaMissing,
    /// Header and body name different versions.
    Disagree,
    /// An unknown version; `modern` when the body speaks the modern way.
    Unknown {
        /// Told as -32022 when true, as -32600 otherwise.
        modern: bool,
    },
    /// A client's answer in the era that has no requests of servers.
    NoAnswers,
    /// A method that this era does not have.
    NoSuchMethod(Era),
}

/// Reads the table, top down.
#[inline]
pub fn judge(header: HeaderVersion, envelope: &Envelope) -> Result<Era, EraFault> {
    let modern_body = envelope.version != MetaVersion::Absent;
    let modern_header = matches!(header, HeaderVersion::Known(v) if v.era() == Era::Modern);
    if envelope.method == Method::Initialize {
        return if modern_header || modern_body {
            Err(EraFault::NoSuchMethod(Era::Modern))
        } else {
            known_or_absent(header).map(|()| Era::Legacy)
        };
    }
    let era = match (header, &envelope.version) {
        (HeaderVersion::Unknown, MetaVersion::Absent) => return Err(EraFault::Unknown { modern: false }),
        (HeaderVersion::Unknown, _) => return Err(EraFault::Unknown { modern: true }),
        (HeaderVersion::Known(version), MetaVersion::Known(meta)) => {
            if version != *meta || !modern_header {
                return Err(EraFault::Disagree);
            }
            Era::Modern
        }
        (_, MetaVersion::Known(_) | MetaVersion::Unknown(_)) => return Err(EraFault::Disagree),
        (HeaderVersion::Known(_), MetaVersion::Absent) if modern_header => Era::Modern,
        (HeaderVersion::Known(_) | HeaderVersion::Absent, MetaVersion::Absent) => Era::Legacy,
    };
    // A modern notification has no `_meta` of its own, and a client sends no responses.
    let wants_meta = era == Era::Modern && envelope.message == Message::Request;
    if wants_meta && !(modern_body && envelope.has_capabilities) {
        return Err(EraFault::MetaMissing);
    }
    match envelope.message {
        Message::Response if era == Era::Modern => Err(EraFault::NoAnswers),
        Message::Response => Ok(era),
        _ if envelope.method.exists_in(era) => Ok(era),
        _ => Err(EraFault::NoSuchMethod(era)),
    }
}

fn known_or_absent(header: HeaderVersion) -> Result<(), EraFault> {
    match header {
        HeaderVersion::Unknown => Err(EraFault::Unknown { modern: false }),
        HeaderVersion::Known(_) | HeaderVersion::Absent => Ok(()),
    }
}
