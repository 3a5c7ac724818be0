//! What is spoken between clients and servers of a measurement: the protocols, TLS on both
//! sides, and where hyper's tasks run.
//!
//! Both sides take it from here, so that no target meets other settings than the next. It must
//! never know who speaks or what is said.

mod protocol;
pub(crate) mod tls;

pub(crate) use self::protocol::{OnThisThread, Protocol};
