//! Floor 0: ids, secrets, digests, the clock, bounds and the closed list of refusals.
//!
//! Everything above may use these; this floor knows nobody. It must never do I/O and never
//! hold a raw key longer than the borrow it was given.

pub mod base62;
pub mod bounds;
pub mod clock;
pub mod deadline;
pub mod denial;
pub mod digest;
pub mod key;
pub mod lease;
pub mod limit;
pub mod moment;
pub mod network;
pub mod random;
pub mod redis;
pub mod sealing;
pub mod secret;
pub mod stream;
pub mod text;
pub mod thread;
pub mod tick;
pub mod under_way;
pub mod unseen;

pub use clock::{Clock, UnixSeconds};
pub use deadline::Deadline;
pub use denial::Denial;
pub use key::KeyId;
pub use limit::{Limit, LimitFault, Nanos};
pub use network::{Holder, Network};
pub use sealing::SealingKey;
pub use stream::Stream;
pub use tick::Tick;
pub use under_way::UnderWay;
