//! Certificates and keys from PEM files, checked before anything listens.
//!
//! The private key stays in its type, whose `Debug` shows nothing of it.

use std::path::Path;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::fault::Faults;
use super::fault::unreadable;

/// A certificate with its chain and a key that fits it.
#[derive(Debug)]
pub struct CertificateChain {
    /// The server's certificate first.
    pub certificates: Vec<CertificateDer<'static>>,
    /// The private key.
    pub key: PrivateKeyDer<'static>,
}

/// Reads a chain and its key; faults are noted at the settings' paths.
pub fn read_certificate(
    certificate: &Path,
    key: &Path,
    path: &str,
    faults: &mut Faults,
) -> Option<CertificateChain> {
    let certificates = read_chain(certificate, &format!("{path}.certificate"), faults);
    let key_path = format!("{path}.private_key");
    let key = read_key(key, &key_path, faults);
    let (certificates, key) = (certificates?, key?);
    match CertifiedKey::from_der(
        certificates.clone(),
        key.clone_key(),
        &rustls::crypto::ring::default_provider(),
    ) {
        Ok(_) => Some(CertificateChain { certificates, key }),
        Err(rustls::Error::InconsistentKeys(_)) => {
            faults.add(
                key_path,
                "a key that belongs to another certificate",
                "the key of the first certificate in 'certificate'",
            );
            None
        }
        Err(error) => {
            faults.add(
                format!("{path}.certificate"),
                format!("a certificate or key that cannot be used ({error})"),
                "an X.509 certificate with an ECDSA, Ed25519 or RSA key",
            );
            None
        }
    }
}

/// Reads the certificate authorities of one file.
pub fn read_authorities(
    file: &Path,
    path: &str,
    faults: &mut Faults,
) -> Option<Vec<CertificateDer<'static>>> {
    read_chain(file, path, faults)
}

fn read_chain(file: &Path, path: &str, faults: &mut Faults) -> Option<Vec<CertificateDer<'static>>> {
    let bytes = read(file, path, "a PEM file with certificates", faults)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match chain {
        Ok(chain) if !chain.is_empty() => Some(chain),
        _ => {
            faults.add(
                path,
                format!("no certificate in {}", file.display()),
                "a PEM file with 'BEGIN CERTIFICATE'",
            );
            None
        }
    }
}

fn read_key(file: &Path, path: &str, faults: &mut Faults) -> Option<PrivateKeyDer<'static>> {
    let bytes = read(file, path, "a PEM file with a private key", faults)?;
    if others_can_read(file) {
        faults.add(
            path,
            format!("{}, which every user of this machine can read", file.display()),
            "a file that others cannot read (chmod o-rwx)",
        );
        return None;
    }
    let Ok(key) = PrivateKeyDer::from_pem_slice(&bytes) else {
        faults.add(
            path,
            format!("no private key in {}", file.display()),
            "a PEM file with 'BEGIN PRIVATE KEY', unencrypted",
        );
        return None;
    };
    Some(key)
}

fn read(file: &Path, path: &str, accepted: &str, faults: &mut Faults) -> Option<Vec<u8>> {
    match std::fs::read(file) {
        Ok(bytes) => Some(bytes),
        Err(error) => {
            faults.add(path, format!("{} ({})", unreadable(&error), file.display()), accepted);
            None
        }
    }
}

/// Whether users beside owner and group may read a file that holds a secret.
pub(super) fn others_can_read(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(file).is_ok_and(|metadata| metadata.permissions().mode() & 0o007 != 0)
}
