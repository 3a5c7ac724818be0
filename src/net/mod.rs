//! The edge towards clients: sockets, TLS, HTTP connections.
//!
//! It hands requests to a service and knows nothing of keys or rules. Every wait has a limit;
//! every task stays on its worker's thread.

pub mod connection;
mod date;
pub mod http1;
pub mod http2;
pub mod listen;
mod params;
mod proxy;
mod stop;
pub mod task;
pub mod tls;
mod turns;

pub use connection::{Peer, Service, serve_connection};
pub use date::DateCache;
pub use http1::RequestBody;
pub use listen::{ListenFault, bind};
pub use params::{ConnectionParams, ReadScratch};
pub use tls::TlsListener;
