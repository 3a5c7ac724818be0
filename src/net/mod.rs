//! The edge towards clients: sockets, TLS, HTTP connections.
//!
//! It hands requests to a service and knows nothing of keys or rules. Every wait has a limit;
//! every task stays on its worker's thread.

pub mod connection;
pub mod http1;
mod http2;
pub mod listen;
mod stop;
pub mod task;
pub mod tls;
mod turns;

pub use connection::{ConnectionParams, Service, serve_connection};
pub use http1::{DateCache, RequestBody};
pub use listen::{ListenFault, bind};
pub use tls::TlsListener;
