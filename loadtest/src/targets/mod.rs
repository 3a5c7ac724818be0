//! What is started and measured: a server process and its end, the gateway's world of
//! configuration and keys, and other gateways with theirs.
//!
//! Nothing of what is installed on the machine is changed, and nothing here measures: who takes
//! part, in which order and under which load is never decided here.

pub(crate) mod fixture;
pub(crate) mod peers;
pub(crate) mod registry;
pub(crate) mod server;
