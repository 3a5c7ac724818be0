//! Floor 3: what replicas share through Redis while they serve: so far, the tokens of shared limits.
//!
//! Everything here may block and may fail; nothing of it runs on the request path, and no request
//! waits for it.

mod leases;

pub use leases::{Answers, Ledger};
