//! What MCP's revisions say, as tables: methods, versions, eras, mirrored headers.
//!
//! Facts of the specification only; whether a key may do a thing is decided elsewhere. A new
//! revision is added here first.

pub mod era;
pub mod method;
pub mod mirror;
pub mod offer;
#[cfg(test)]
mod tests;
pub mod version;

pub use era::{Era, EraFault};
pub use method::{Concern, Method};
pub use version::ProtocolVersion;
