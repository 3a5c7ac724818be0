//! Open a stream: GET and DELETE, which only the legacy era has.
//!
//! GET asks for the server's own messages or resumes a stream, DELETE ends a session. Neither
//! names anything, so a key that may do anything on the server may do them. Neither has a body:
//! one would not be forwarded, so that client and upstream would have seen different requests.

use http::Method;
use http_body::Body;

use super::message::{header_version, single};
use super::route::{not_allowed, old_transport};
use crate::base::Denial;
use crate::gateway::refusal::Refusal;
use crate::wire::fields::{Field, Fields};
use crate::wire::mcp::era::HeaderVersion;
use crate::wire::mcp::{Era, ProtocolVersion};

/// A GET or DELETE of the legacy era.
pub(in crate::gateway) struct Stream {
    opens: bool,
}

impl Stream {
    /// Whether a stream is opened; else a session is ended.
    pub(super) fn opens(&self) -> bool {
        self.opens
    }
}

/// Checks the era of a GET or DELETE.
pub(in crate::gateway) fn open_stream(
    method: &Method,
    fields: &Fields<'_>,
    body: &impl Body,
) -> Result<Stream, Refusal> {
    if !body.is_end_stream() {
        return Err(Refusal::hinted(Denial::MalformedRequest, "only POST has a body here"));
    }
    single(fields.last_event_id)?;
    match header_version(fields)? {
        HeaderVersion::Absent if *method == Method::DELETE && fields.session_id == Field::Absent => {
            Err(Refusal::hinted(Denial::InvalidRequest, "DELETE ends the session that Mcp-Session-Id names"))
        }
        HeaderVersion::Known(ProtocolVersion::V2024_11_05) => Err(old_transport()),
        HeaderVersion::Known(version) if version.era() == Era::Modern => Err(not_allowed("POST")),
        HeaderVersion::Unknown => Err(Refusal::hinted(
            Denial::InvalidRequest,
            "MCP-Protocol-Version names no version that is supported",
        )),
        // Clients of 2024-11-05 begin like this: no session, no version, nothing to resume. A
        // client of a later revision has said hello before and names what it agreed on.
        HeaderVersion::Absent if opens_nothing(fields) => Err(old_transport()),
        HeaderVersion::Known(_) | HeaderVersion::Absent => Ok(Stream { opens: *method == Method::GET }),
    }
}

fn opens_nothing(fields: &Fields<'_>) -> bool {
    fields.session_id == Field::Absent && fields.last_event_id == Field::Absent
}
