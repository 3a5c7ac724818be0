//! The edge towards clients: sockets, TLS, HTTP connections.
//!
//! It hands requests to a service and knows nothing of keys or rules. Every wait has a limit;
//! every task stays on its worker's thread.

pub mod connection;
pub mod listen;
pub mod task;
mod timer;
pub mod tls;

pub use connection::{ConnectionParams, serve_connection};
pub use listen::{ListenFault, bind};
pub use tls::TlsListener;
