//! Checkpoints: a signature over how far a chain goes, by a key that who can write the folder need not have.
//!
//! Ed25519 over a text that says what it is for, so that a signature is good for nothing else. The private key
//! is read once and never shown; the public one stands in each checkpoint, and whoever verifies has it
//! from elsewhere.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{PrivatePkcs8KeyDer, SubjectPublicKeyInfoDer};

use super::chain::Hash;
use super::text::read_hex;

/// The first line of what is signed.
const DOMAIN: &str = "tollgate audit checkpoint 1";
/// An Ed25519 key in a `SubjectPublicKeyInfo` is this and its 32 bytes (RFC 8410, section 4).
const SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// What a checkpoint vouches for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Vouched<'v> {
    /// Whose chain.
    pub(super) replica: &'v str,
    /// Which.
    pub(super) chain: &'v str,
    /// The checkpoint's own number.
    pub(super) seq: u64,
    /// The hash of the record before it.
    pub(super) prev: Hash,
    /// The checkpoint's time, as it stands in it.
    pub(super) time: &'v str,
}

impl Vouched<'_> {
    /// The text that is signed: six lines, the last without an end.
    fn text(&self) -> String {
        let Self { replica, chain, seq, prev, time } = self;
        format!("{DOMAIN}\n{replica}\n{chain}\n{seq}\n{prev}\n{time}")
    }
}

/// Why a file holds no key.
#[derive(Debug, thiserror::Error)]
#[error(
    "no Ed25519 key: found {0}; accepted: a PEM file made by 'tollgate audit key' or 'openssl genpkey -algorithm ed25519'"
)]
pub struct NotAKey(&'static str);

/// Signs checkpoints. It cannot be printed.
pub struct Signer(Ed25519KeyPair);

impl Signer {
    /// Reads a private key: PKCS#8 in PEM, of version 1 or 2.
    pub fn read(pem: &[u8]) -> Result<Self, NotAKey> {
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem).map_err(|_| NotAKey("no 'BEGIN PRIVATE KEY'"))?;
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der.secret_pkcs8_der());
        pair.map(Self).map_err(|_| NotAKey("another kind of private key"))
    }

    /// Makes a private key, as PEM.
    pub fn generate() -> Result<String, crate::base::key::NoRandomness> {
        let der = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new());
        Ok(pem("PRIVATE KEY", der.map_err(|_| crate::base::key::NoRandomness)?.as_ref()))
    }

    /// Its public half.
    pub fn public(&self) -> PublicKey {
        let mut key = PublicKey([0; 32]);
        key.0.copy_from_slice(self.0.public_key().as_ref());
        key
    }

    pub(super) fn sign(&self, vouched: &Vouched<'_>) -> [u8; 64] {
        let mut signature = [0; 64];
        signature.copy_from_slice(self.0.sign(vouched.text().as_bytes()).as_ref());
        signature
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", self.public())
    }
}

/// The public half of a key that signs checkpoints.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Reads a public key in PEM.
    pub fn read(pem: &[u8]) -> Result<Self, NotAKey> {
        let der =
            SubjectPublicKeyInfoDer::from_pem_slice(pem).map_err(|_| NotAKey("no 'BEGIN PUBLIC KEY'"))?;
        let key = der.as_ref().strip_prefix(&SPKI).and_then(|key| key.try_into().ok());
        key.map(Self).ok_or(NotAKey("another kind of public key"))
    }

    /// Reads 64 hexadecimal digits, as they stand in checkpoints.
    pub(super) fn parse(text: &str) -> Option<Self> {
        read_hex(text.as_bytes()).map(Self)
    }

    /// The key in PEM, as `openssl pkey -pubin` reads it.
    pub fn to_pem(self) -> String {
        pem("PUBLIC KEY", &[SPKI.as_slice(), &self.0].concat())
    }

    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub(super) fn vouches(&self, vouched: &Vouched<'_>, signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.0).verify(vouched.text().as_bytes(), signature).is_ok()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut out = format!("-----BEGIN {label}-----\n");
    for line in text.as_bytes().chunks(64) {
        out.push_str(&String::from_utf8_lossy(line));
        out.push('\n');
    }
    out.push_str(&format!("-----END {label}-----\n"));
    out
}

#[cfg(test)]
mod tests {
    use super::{PublicKey, Signer, Vouched};
    use crate::telemetry::audit::chain::Hash;

    const VOUCHED: Vouched<'_> = Vouched {
        replica: "gw",
        chain: "00ff",
        seq: 7,
        prev: Hash([3; 32]),
        time: "2026-11-28T01:02:03.000000000Z",
    };

    #[test]
    fn a_signature_is_for_one_thing() {
        let (one, two) = (Signer::generate().unwrap(), Signer::generate().unwrap());
        let (one, two) = (Signer::read(one.as_bytes()).unwrap(), Signer::read(two.as_bytes()).unwrap());
        let signature = one.sign(&VOUCHED);
        assert!(one.public().vouches(&VOUCHED, &signature));
        assert!(!two.public().vouches(&VOUCHED, &signature));
        for other in [
            Vouched { replica: "gw2", ..VOUCHED },
            Vouched { chain: "00fe", ..VOUCHED },
            Vouched { seq: 8, ..VOUCHED },
            Vouched { prev: Hash([4; 32]), ..VOUCHED },
            Vouched { time: "2026-11-28T01:02:03.000000001Z", ..VOUCHED },
        ] {
            assert!(!one.public().vouches(&other, &signature));
        }
        assert!(!format!("{one:?}").contains("PRIVATE"));
    }

    #[test]
    fn keys_are_read_as_they_are_written_and_as_openssl_writes_them() {
        let pem = Signer::generate().unwrap();
        let public = Signer::read(pem.as_bytes()).unwrap().public();
        assert_eq!(PublicKey::read(public.to_pem().as_bytes()).unwrap(), public);
        assert_eq!(PublicKey::parse(&public.to_string()), Some(public));
        // The keys of RFC 8410, section 10, as openssl writes them.
        let openssl = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n";
        let known = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";
        let signer = Signer::read(openssl.as_bytes()).unwrap();
        assert_eq!(signer.public(), PublicKey::read(known.as_bytes()).unwrap());
        assert_eq!(signer.public().to_pem(), known);
        for bad in ["", "x", &pem.replace("PRIVATE", "PUBLIC"), known] {
            assert!(Signer::read(bad.as_bytes()).is_err());
        }
        assert!(PublicKey::read(pem.as_bytes()).is_err());
    }
}
