//! JSON-RPC 2.0 messages as MCP uses them: read strictly, refuse in full, write errors.
//!
//! Two readers give the same answer about one body: [`fast`] walks a simd-json tape on
//! reused scratch; where its parser will not commit itself (numbers beyond 64 bits, unpaired
//! surrogates, and everything that is not JSON), [`slow`] decides with `serde_json`. What is
//! looked at, and what is refused, stands once, in [`read`], over what both offer.

#[cfg(test)]
#[path = "../../../tests/corpus/load.rs"]
#[expect(unreachable_pub, dead_code, reason = "a library wherever it is included; headers matter elsewhere")]
mod corpus;
pub mod envelope;
pub mod error;
pub mod fast;
mod fold;
mod meta;
pub mod read;
pub mod slow;
#[cfg(test)]
mod tests;
mod view;

pub use envelope::{Envelope, Id, Message, MetaVersion, Subject, Text};
pub use error::{ErrorBody, error_body};
pub use fast::Scratch;
pub use read::{Fault, Flaw};
