//! The servers of our own: the upstream, and the least that a target can be, which every ratio
//! is against.
//!
//! Each is a process of its own while something is measured, and does one thing as cheaply as it
//! can be done. They must never know of commands, loads or figures, and are no servers to use.

pub(crate) mod bare_proxy;
pub(crate) mod bare_server;
pub(crate) mod relay;
pub(crate) mod stub;

use std::net::SocketAddr;

use tokio::net::TcpListener;

use crate::{Done, runtime};

/// Where one of them listens.
#[derive(clap::Args)]
struct Listen {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
}

impl Listen {
    /// Listens, says where on standard output, for the process that started this one, and accepts
    /// until the process ends.
    fn serve(&self, accept: impl AsyncFnOnce(TcpListener)) -> Done {
        runtime()?.block_on(async {
            let listener = TcpListener::bind(self.listen).await;
            let listener = listener.map_err(|error| format!("cannot listen on {}: {error}", self.listen))?;
            let address = listener.local_addr().map_err(|error| error.to_string())?;
            println!("{{\"listening\":\"{address}\"}}");
            accept(listener).await;
            Ok(())
        })
    }
}
