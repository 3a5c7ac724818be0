//! Open a stream: GET and DELETE, which only the legacy era has.
//!
//! GET asks for the server's own messages or resumes a stream, DELETE ends a session. Neither
//! names anything, so a key that may do anything on the server may do them.

use super::message::header_version;
use crate::base::Denial;
use crate::gateway::refusal::{Detail, Refusal};
use crate::wire::fields::Fields;
use crate::wire::mcp::Era;
use crate::wire::mcp::era::HeaderVersion;

/// A GET or DELETE of the legacy era.
pub(in crate::gateway) struct Stream(());

/// Checks the era of a GET or DELETE.
pub(in crate::gateway) fn open_stream(fields: &Fields<'_>) -> Result<Stream, Refusal> {
    match header_version(fields)? {
        HeaderVersion::Known(version) if version.era() == Era::Modern => Err(Refusal::detailed(
            Denial::MethodNotAllowed,
            Detail { allow: Some("POST"), ..Detail::default() },
        )),
        HeaderVersion::Unknown => Err(Refusal::hinted(
            Denial::InvalidRequest,
            "MCP-Protocol-Version names no version that is supported",
        )),
        HeaderVersion::Known(_) | HeaderVersion::Absent => Ok(Stream(())),
    }
}
