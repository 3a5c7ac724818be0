//! Floor 4, control side: builds snapshots and publishes them: from the configuration, and
//! from what the registry says.
//!
//! Seconds, not microseconds: it may allocate, wait and fail. A bad candidate never replaces
//! a good snapshot. It must never be called from a request.

mod compile;
mod follow;
mod leases;
mod open;
mod publish;
mod reload;

pub use compile::compile;
pub use follow::{Follower, FollowerFault, Pace, UsedBatch};
pub use leases::{LeaseParams, Leases};
pub use open::{Opened, feed, open, place};
pub use publish::{KeyLoad, Publisher};
pub use reload::{Fixed, Reload, ReloadParams};
