//! TLS in front of a world's gateway, and clients that trust its certificate.
//!
//! A client is a plain blocking stream: what it does wrong on top of TLS is the test's affair.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::World;

/// A client's stream over TLS.
pub type Secure = StreamOwned<ClientConnection, TcpStream>;

/// Clients that trust one gateway; one configuration for each protocol that they may offer.
#[derive(Clone)]
pub struct Trusting {
    h1: Arc<ClientConfig>,
    h2: Arc<ClientConfig>,
}

impl World {
    /// Puts TLS in front of this world's gateway; to be called before it serves.
    pub fn secure(&self) -> Trusting {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let (certificate, key) =
            (self.folder.path().join("server.pem"), self.folder.path().join("server.key"));
        std::fs::write(certificate, made.cert.pem()).unwrap();
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
        self.edit(
            "plaintext = \"loopback\"",
            "tls = { certificate = \"server.pem\", private_key = \"server.key\" }",
        );
        let der = made.cert.der().clone();
        Trusting { h1: client(&der, b"http/1.1"), h2: client(&der, b"h2") }
    }

    /// Changes the configuration's text.
    pub fn edit(&self, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.config()).unwrap();
        assert!(text.contains(from), "{from} is not in {text}");
        std::fs::write(self.config(), text.replace(from, to)).unwrap();
    }
}

fn client(certificate: &CertificateDer<'static>, protocol: &[u8]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    Arc::new(config)
}

impl Trusting {
    /// A connection whose handshake is done; reads and writes wait for at most `patience`.
    pub fn connect(&self, address: SocketAddr, h2: bool, patience: Duration) -> io::Result<Secure> {
        self.over(TcpStream::connect(address)?, h2, patience)
    }

    /// The same over a connection that is there.
    pub fn over(&self, stream: TcpStream, h2: bool, patience: Duration) -> io::Result<Secure> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
        let config = Arc::clone(if h2 { &self.h2 } else { &self.h1 });
        let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
        let connection = ClientConnection::new(config, name).map_err(io::Error::other)?;
        let mut secure = StreamOwned::new(connection, stream);
        while secure.conn.is_handshaking() {
            secure.conn.complete_io(&mut secure.sock)?;
        }
        Ok(secure)
    }
}
