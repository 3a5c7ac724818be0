//! Floor 3: what replicas share through Redis while they serve: the tokens of shared limits, and a stream that
//! each tells its audit records to.
//!
//! Everything here may block and may fail; nothing of it runs on the request path, and no request
//! waits for it.

mod audit;
mod leases;

pub use audit::AuditStream;
pub use leases::{Answers, Ledger};
