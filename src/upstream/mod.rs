//! The edge towards MCP servers: connecting, pooling, one exchange at a time.
//!
//! Each worker has its own pools. Nothing is retried unless no byte of it was sent: tool
//! calls are not idempotent. No redirect is followed and no address comes from a client.

mod body;
mod client;
mod connect;
mod connection;
mod exchange;
mod idle;
mod outgoing;
mod trust;

pub use body::{BodyFault, UpstreamBody};
pub use client::{Upstream, UpstreamParams};
pub use connect::ConnectFault;
pub use exchange::{Exchange, SendFault};
pub use idle::Pooled;
pub use outgoing::{Outgoing, OutgoingHead};
pub use trust::{Trust, TrustFault};
