//! `loadtest bare-server`: rustls on a socket and the stub's answers, the least that a TLS
//! handshake and a request behind it can cost. One thread, TLS with the gateway's settings.
//!
//! It speaks HTTP/1.1 alone: after the handshake, what HTTP/2 costs is not its question.

use std::path::PathBuf;
use std::rc::Rc;

use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::Listen;
use super::stub::{self, Answers};
use crate::transport::tls;
use crate::{Done, spawn};

/// `loadtest bare-server`
#[derive(clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    listen: Listen,
    /// Certificate in PEM.
    #[arg(long)]
    certificate: PathBuf,
    /// Its key in PEM.
    #[arg(long)]
    key: PathBuf,
}

/// Serves until the process ends.
pub(crate) fn run(options: &Options) -> Done {
    let acceptor = tls::acceptor(&options.certificate, &options.key)?;
    options.listen.serve(async |listener| accept(listener, acceptor).await)
}

/// Accepts for ever.
pub(crate) async fn accept(listener: TcpListener, tls: TlsAcceptor) {
    let answers = Answers::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (tls, answers) = (tls.clone(), Rc::clone(&answers));
        // The end of a connection, whichever way, is no event here.
        spawn(async move { drop(serve(stream, tls, &answers).await) });
    }
}

async fn serve(stream: TcpStream, tls: TlsAcceptor, answers: &Answers) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let stream = tls.accept(stream).await?;
    if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
        return Ok(());
    }
    stub::serve(stream, answers).await
}
