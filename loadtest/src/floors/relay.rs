//! `loadtest relay`: the least that anything between two sockets can be. It copies bytes both
//! ways, a connection upstream for each client's, on one thread, and looks at none of them.

use std::net::SocketAddr;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

use super::Listen;
use crate::{Done, spawn};

/// `loadtest relay`
#[derive(clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    listen: Listen,
    /// The one upstream.
    #[arg(long)]
    upstream: SocketAddr,
}

/// Serves until the process ends.
pub(crate) fn run(options: &Options) -> Done {
    options.listen.serve(async |listener| accept(listener, options.upstream).await)
}

/// Accepts for ever.
pub(crate) async fn accept(listener: TcpListener, upstream: SocketAddr) {
    while let Ok((stream, _)) = listener.accept().await {
        // The end of a connection, whichever way, is no event here.
        spawn(async move { drop(pass(stream, upstream).await) });
    }
}

async fn pass(mut client: TcpStream, upstream: SocketAddr) -> std::io::Result<()> {
    client.set_nodelay(true)?;
    let mut server = TcpStream::connect(upstream).await?;
    server.set_nodelay(true)?;
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}
