//! `params._meta`, as far as it is read: which version a message speaks, what its client can do, and of
//! which trace it is a part.
//!
//! The first two decide, and are read as strictly as the rest; the last decides nothing.

use super::envelope::MetaVersion;
use super::read::{Fault, Flaw, Read, Seen, fault, keep, string};
use super::view::{Kind, View};
use crate::base::bounds;
use crate::wire::mcp::ProtocolVersion;
use crate::wire::traceparent::TraceParent;

/// Names the version of a modern message.
const VERSION: &str = "io.modelcontextprotocol/protocolVersion";
/// Names the client's capabilities; required in a modern request.
const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
/// Names the trace (SEP-414). Whatever it holds is legal.
const TRACE: &str = "traceparent";

const META: [&str; 2] = [VERSION, CAPABILITIES];

/// What was read of it.
pub(super) struct Meta {
    pub(super) version: MetaVersion,
    pub(super) has_capabilities: bool,
    pub(super) traceparent: Option<TraceParent>,
}

impl Default for Meta {
    fn default() -> Self {
        Self { version: MetaVersion::Absent, has_capabilities: false, traceparent: None }
    }
}

/// Reads it.
pub(super) fn read_meta<'v, V: View<'v>>(value: &V) -> Read<Meta> {
    if value.kind() != Kind::Object {
        return fault(Flaw::Type);
    }
    let (mut read, mut traces) = (Meta::default(), 0_u32);
    let mut seen = Seen::new(&META);
    value.members(|name, value| {
        match seen.enter(name)? {
            VERSION => {
                let text = string(&value)?;
                read.version = match ProtocolVersion::parse(text.as_str()) {
                    Some(known) => MetaVersion::Known(known),
                    None => MetaVersion::Unknown(keep(text, bounds::NAME_BYTES)?),
                };
            }
            CAPABILITIES => {
                if value.kind() != Kind::Object {
                    return fault(Flaw::Type);
                }
                read.has_capabilities = true;
            }
            _ if name == TRACE => {
                traces += 1;
                let told = if traces == 1 { value.text().ok() } else { None };
                read.traceparent = told.and_then(|told| TraceParent::parse(told.as_str().as_bytes()));
            }
            _ => {}
        }
        Ok::<(), Fault>(())
    })?;
    Ok(read)
}
