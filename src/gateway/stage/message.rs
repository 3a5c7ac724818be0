//! Read: one message, its era, and headers that agree with the body.
//!
//! The body decides; headers are a mirror that must not lie. What gateway and server could
//! read differently does not get past here.

use bytes::Bytes;

use crate::base::Denial;
use crate::gateway::refusal::{Detail, Refusal};
use crate::gateway::worker::Worker;
use crate::policy::Server;
use crate::telemetry::event::Event;
use crate::wire::fields::{Field, Fields, Twice, text};
use crate::wire::jsonrpc::{self, Envelope, MetaVersion, Subject};
use crate::wire::mcp::era::{HeaderVersion, judge};
use crate::wire::mcp::{Era, EraFault, ProtocolVersion, mirror};
use crate::wire::traceparent::TraceParent;

/// A message that can be read in one way only.
pub(in crate::gateway) struct Message {
    envelope: Envelope,
    era: Era,
    /// As the header tells it, or the body.
    version: Option<ProtocolVersion>,
}

impl Message {
    pub(super) fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    pub(super) fn era(&self) -> Era {
        self.era
    }

    /// The trace that its `_meta` names.
    pub(in crate::gateway) fn traceparent(&self) -> Option<&TraceParent> {
        self.envelope.traceparent.as_ref()
    }

    /// Notes what the message is.
    pub(in crate::gateway) fn note(&self, event: &mut Event, body: &[u8]) {
        let envelope = &self.envelope;
        (event.method, event.era) = (envelope.method, Some(self.era));
        event.version = self.version;
        envelope.id.note(body, &mut event.id);
        if let Subject::Tool(text) | Subject::Prompt(text) | Subject::Resource(text) = &envelope.subject {
            event.target.set(text.in_body(body).as_bytes());
        }
    }
}

/// Reads a message.
pub(in crate::gateway) async fn read<X>(
    worker: &Worker<X>,
    server: &Server,
    fields: &Fields<'_>,
    body: &Bytes,
) -> Result<Message, Refusal> {
    let envelope = worker.read_envelope(body).await;
    let envelope = envelope.map_err(|fault| Refusal::hinted(fault.0.denial(), fault.0.hint()))?;
    let told = header_version(fields)?;
    let era = judge(told, &envelope)
        .map_err(|fault| era_refusal(worker, server, fault, &envelope, fields.protocol_version))?;
    check_mirror(fields, &envelope, era, body)?;
    let version = match (told, &envelope.version) {
        (HeaderVersion::Known(version), _) => Some(version),
        (_, MetaVersion::Known(version)) => Some(*version),
        _ => None,
    };
    Ok(Message { envelope, era, version })
}

/// `MCP-Protocol-Version`; twice is a disagreement with itself.
pub(super) fn header_version(fields: &Fields<'_>) -> Result<HeaderVersion, Refusal> {
    Ok(match single(fields.protocol_version)? {
        None => HeaderVersion::Absent,
        Some(value) => {
            let known = text(value).and_then(|text| ProtocolVersion::parse(text.trim()));
            known.map_or(HeaderVersion::Unknown, HeaderVersion::Known)
        }
    })
}

fn era_refusal<X>(
    worker: &Worker<X>,
    server: &Server,
    fault: EraFault,
    envelope: &Envelope,
    version: Field<'_>,
) -> Refusal {
    match fault {
        EraFault::MetaMissing => Refusal::hinted(
            Denial::InvalidParams,
            "params._meta needs io.modelcontextprotocol/protocolVersion and io.modelcontextprotocol/clientCapabilities",
        ),
        EraFault::Disagree => Refusal::hinted(
            Denial::HeaderMismatch,
            "MCP-Protocol-Version and params._meta name different versions, or one of them is missing",
        ),
        EraFault::Unknown { modern: true } => {
            let requested = version.single().ok().flatten().and_then(text);
            let requested_version = Some(requested.unwrap_or_default().chars().take(64).collect());
            let supported = worker.spoken.by(&server.name);
            Refusal::detailed(
                Denial::VersionUnsupported,
                Detail { supported, requested_version, ..Detail::default() },
            )
        }
        EraFault::Unknown { modern: false } => {
            Refusal::hinted(Denial::InvalidRequest, "MCP-Protocol-Version names no version that is supported")
        }
        EraFault::NoAnswers => {
            Refusal::hinted(Denial::InvalidRequest, "clients send no answers in this protocol version")
        }
        // A notification has no answer that could carry the error, so it is refused outright.
        EraFault::NoSuchMethod(_) if envelope.message == jsonrpc::Message::Notification => {
            Denial::MethodDenied.into()
        }
        EraFault::NoSuchMethod(Era::Modern) => Denial::MethodUnknown.into(),
        EraFault::NoSuchMethod(Era::Legacy) => Refusal::from(Denial::MethodUnknown).with_ok_status(),
    }
}

/// `Mcp-Method` and `Mcp-Name`: required of modern requests, and never wrong.
fn check_mirror(fields: &Fields<'_>, envelope: &Envelope, era: Era, body: &[u8]) -> Result<(), Refusal> {
    let required = era == Era::Modern && envelope.message == jsonrpc::Message::Request;
    match single(fields.mcp_method)? {
        Some(value) if value.trim_ascii() == envelope.method.name().as_bytes() => {}
        None if !required => {}
        _ => return Err(Refusal::hinted(Denial::HeaderMismatch, "Mcp-Method must repeat the body's method")),
    }
    // Tasks mirror their id; whoever names one is judged by the task, not by the header.
    if envelope.subject == Subject::Task {
        return Ok(());
    }
    let name = match &envelope.subject {
        Subject::Tool(text) | Subject::Prompt(text) | Subject::Resource(text)
            if envelope.method.mirrors_name() =>
        {
            Some(text.in_body(body))
        }
        _ => None,
    };
    match (single(fields.mcp_name)?, name) {
        (None, None) => Ok(()),
        (None, Some(_)) if !required => Ok(()),
        (Some(value), Some(name)) if mirror::names(value, name) == Some(true) => Ok(()),
        _ => Err(Refusal::hinted(Denial::HeaderMismatch, "Mcp-Name must repeat the name or URI of the body")),
    }
}

/// A header of the protocol, which may be there once.
pub(super) fn single(field: Field<'_>) -> Result<Option<&[u8]>, Refusal> {
    let twice = |Twice| Refusal::hinted(Denial::HeaderMismatch, "a header of the protocol was sent twice");
    field.single().map_err(twice)
}
