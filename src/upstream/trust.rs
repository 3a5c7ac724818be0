//! Whom the gateway trusts when it speaks TLS to an upstream.
//!
//! One client configuration for each set of certificate authorities: the system's, or those
//! of a file. Made when the configuration is loaded, so that no request waits for a file.

use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

/// Client configurations by certificate authorities; all workers share it.
#[derive(Clone, Default)]
pub struct Trust(Arc<ArcSwap<Vec<Prepared>>>);

/// A set of authorities, `None` being the system's, with its configuration.
type Prepared = (Option<Box<str>>, Arc<ClientConfig>);

/// Certificate authorities that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the certificate authorities of {place} cannot be used: {reason}")]
pub struct TrustFault {
    place: String,
    reason: String,
}

impl Trust {
    /// Prepares these authorities, `None` being the system's, instead of those before.
    pub fn prepare(&self, wanted: impl IntoIterator<Item = Option<Box<str>>>) -> Result<(), TrustFault> {
        let mut configs: Vec<Prepared> = Vec::new();
        for ca in wanted {
            if !configs.iter().any(|(known, _)| *known == ca) {
                let config = client_config(ca.as_deref())?;
                configs.push((ca, Arc::new(config)));
            }
        }
        self.0.store(Arc::new(configs));
        Ok(())
    }

    /// The configuration for an authority; `None` when it was not prepared.
    pub fn get(&self, ca: Option<&str>) -> Option<Arc<ClientConfig>> {
        self.0.load().iter().find(|(known, _)| known.as_deref() == ca).map(|(_, config)| Arc::clone(config))
    }
}

fn client_config(ca: Option<&str>) -> Result<ClientConfig, TrustFault> {
    let fault = |reason: String| TrustFault { place: ca.unwrap_or("the system").to_owned(), reason };
    let certificates = match ca {
        Some(file) => read(Path::new(file)).map_err(fault)?,
        None => rustls_native_certs::load_native_certs().certs,
    };
    let mut roots = RootCertStore::empty();
    // Single odd certificates in the system's store are common and harmless.
    roots.add_parsable_certificates(certificates);
    if roots.is_empty() {
        return Err(fault("there is none".into()));
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| fault(error.to_string()))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

fn read(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_file_iter(file).and_then(Iterator::collect);
    chain.map_err(|error| error.to_string())
}
