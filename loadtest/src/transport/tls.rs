//! TLS on both sides: the floor's as the gateway has it, and the client's.
//!
//! Same provider, versions, ticketer and kind of certificate on every target, so that what
//! differs is the work after the handshake.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;

use crate::Done;

/// The name that the certificate has and the client asks for.
pub(crate) const HOST: &str = "localhost";

/// Writes a certificate for [`HOST`] (ECDSA P-256) and its key.
pub(crate) fn write_certificate(certificate: &Path, key: &Path) -> Done {
    let made =
        rcgen::generate_simple_self_signed([HOST.to_owned()]).map_err(|e| format!("no certificate: {e}"))?;
    std::fs::write(certificate, made.cert.pem())
        .and_then(|()| write_private(key, &made.signing_key.serialize_pem()))
        .map_err(|error| format!("{}: {error}", certificate.display()))
}

/// Writes certificate and key into one file, as some peers want them.
pub(crate) fn write_both(certificate: &Path, key: &Path, both: &Path) -> Done {
    let read = |file: &Path| std::fs::read_to_string(file);
    read(certificate)
        .and_then(|chain| Ok(chain + &read(key)?))
        .and_then(|text| write_private(both, &text))
        .map_err(|error| format!("{}: {error}", both.display()))
}

/// A new file for the owner alone: gateways rightly refuse a key that everybody may read.
fn write_private(file: &Path, text: &str) -> std::io::Result<()> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
    file?.write_all(text.as_bytes())
}

/// A server's side: HTTP/2 and HTTP/1.1 by ALPN, tickets on.
pub(crate) fn acceptor(certificate: &Path, key: &Path) -> Done<TlsAcceptor> {
    let config = || -> Result<ServerConfig, Box<dyn std::error::Error>> {
        let key = PrivateKeyDer::from_pem_file(key)?;
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain(certificate)?, key)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        config.ticketer = ring::Ticketer::new()?;
        Ok(config)
    };
    Ok(TlsAcceptor::from(Arc::new(config().map_err(|error| format!("{}: {error}", certificate.display()))?)))
}

/// A client's side, which offers one protocol.
pub(crate) fn client(certificate: &Path, protocol: &[u8]) -> Done<Arc<ClientConfig>> {
    Ok(Arc::new(client_config(certificate, protocol)?))
}

/// The same, to be changed before it is used.
pub(crate) fn client_config(certificate: &Path, protocol: &[u8]) -> Done<ClientConfig> {
    let config = || -> Result<ClientConfig, Box<dyn std::error::Error>> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(chain(certificate)?);
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?;
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![protocol.to_vec()];
        Ok(config)
    };
    config().map_err(|error| format!("{}: {error}", certificate.display()))
}

/// A client's side for targets without TLS: no server could prove itself to it.
pub(crate) fn trusting_nobody() -> Done<Arc<ClientConfig>> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| error.to_string())?;
    Ok(Arc::new(builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth()))
}

fn chain(file: &Path) -> Result<Vec<CertificateDer<'static>>, rustls::pki_types::pem::Error> {
    CertificateDer::pem_file_iter(file)?.collect()
}
