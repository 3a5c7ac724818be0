//! The edge towards MCP servers: connecting, pooling, one exchange at a time.
//!
//! Each worker has its own pools. Nothing is retried unless no byte of it was sent: tool
//! calls are not idempotent. No redirect is followed and no address comes from a client.

mod body;
mod connect;
mod exchange;
mod pool;
mod trust;

pub use body::{BodyFault, UpstreamBody};
pub use connect::ConnectFault;
pub use exchange::{Exchange, SendFault};
pub use pool::{Upstream, UpstreamParams};
pub use trust::{Trust, TrustFault};
