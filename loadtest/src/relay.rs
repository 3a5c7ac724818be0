//! `loadtest relay`: the least that anything between two sockets can be. It copies bytes both
//! ways, a connection upstream for each client's, on one thread, and looks at none of them.

use std::net::SocketAddr;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

use crate::{Done, runtime, say_listening, spawn};

/// `loadtest relay`
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// The one upstream.
    #[arg(long)]
    upstream: SocketAddr,
}

/// Serves until the process ends.
pub(crate) fn run(options: &Options) -> Done {
    runtime()?.block_on(async {
        let listener = TcpListener::bind(options.listen).await;
        let listener = listener.map_err(|error| format!("cannot listen on {}: {error}", options.listen))?;
        say_listening(listener.local_addr().map_err(|error| error.to_string())?);
        accept(listener, options.upstream).await;
        Ok(())
    })
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
