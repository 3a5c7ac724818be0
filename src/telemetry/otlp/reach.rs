//! Whether a collector can be reached, for a person who asks. It sends nothing.

use std::io;
use std::sync::Arc;

use rustls::ClientConfig;

use super::link::Connecting;
use super::{OtlpParams, with_alpn};

/// Connects as an exporter would, TLS and the beginning of HTTP/2 included, and says what went wrong. It
/// waits for `params.timeout` at most.
///
/// # Errors
///
/// What the connection failed by, or that there was none in time.
pub fn reach(params: OtlpParams, tls: Option<Arc<ClientConfig>>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build_local(tokio::runtime::LocalOptions::default())?;
    let timeout = params.timeout;
    let tls = tls.map(|config| Arc::new(with_alpn(&config, params.protocol)));
    let connecting = Connecting { params, tls };
    runtime.block_on(async {
        match tokio::time::timeout(timeout, connecting.open()).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(fault)) => Err(io::Error::other(fault)),
            Err(_) => Err(io::Error::other(format!("no connection within {timeout:?}"))),
        }
    })
}
