//! Digests of key secrets: what is stored instead of a key, and how a presented secret is
//! compared with it.
//!
//! Formats: `sha256:<64 hex>` (FIPS 180-4), or `hmac-sha256:<pepper id>:<64 hex>` (RFC 2104)
//! where a pepper is configured. A secret has at least 192 random bits, so one pass of an
//! approved one-way function suffices (NIST SP 800-63B, look-up secrets); a slow hash would
//! only be a lever for denial of service. Nothing here may branch on a stored digest before
//! every comparison has ended.

use ring::{digest, hmac};

use super::secret::Secret;

/// Peppers that may be configured at once: the one in use and the one being retired.
pub const PEPPERS: usize = 2;

/// 32 bytes of SHA-256 or HMAC-SHA-256.
pub type Digest = [u8; 32];

/// How a stored digest was made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Scheme {
    /// Plain SHA-256.
    Sha256,
    /// HMAC-SHA-256 under the pepper of this id.
    HmacSha256(Box<str>),
}

/// A stored key hash. `Debug` shows the scheme and eight hex digits, never the whole.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyHash {
    /// How the digest was made.
    pub scheme: Scheme,
    /// The digest itself.
    pub digest: Digest,
}

impl KeyHash {
    /// Reads `sha256:<hex>` or `hmac-sha256:<pepper id>:<hex>`; lower-case hex only, so that
    /// a hash has one spelling.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(hex) = text.strip_prefix("sha256:") {
            return Some(Self { scheme: Scheme::Sha256, digest: from_hex(hex)? });
        }
        let (pepper, hex) = text.strip_prefix("hmac-sha256:")?.split_once(':')?;
        if !is_pepper_id(pepper) {
            return None;
        }
        Some(Self { scheme: Scheme::HmacSha256(pepper.into()), digest: from_hex(hex)? })
    }

    /// The stored form, for the registry and for export. Not for the screen or a log.
    pub fn to_stored(&self) -> String {
        let mut text = match &self.scheme {
            Scheme::Sha256 => String::from("sha256:"),
            Scheme::HmacSha256(pepper) => format!("hmac-sha256:{pepper}:"),
        };
        push_hex(&mut text, &self.digest);
        text
    }

    /// The scheme and the first eight hex digits, enough to tell two hashes apart by eye.
    pub fn shortened(&self) -> String {
        let mut text = self.to_stored();
        let shown = text.len().saturating_sub(56);
        text.truncate(shown);
        text.push('…');
        text
    }
}

impl std::fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.shortened())
    }
}

/// Whether a text may name a pepper: 1 to 32 of `a-z0-9_-`.
pub fn is_pepper_id(text: &str) -> bool {
    (1..=32).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-')
}

fn from_hex(text: &str) -> Option<Digest> {
    let mut digest = [0; 32];
    if text.len() != 64 {
        return None;
    }
    // A million are read at a start: a branch on each digit would be foretold wrongly half the time.
    let mut seen = 0;
    for (place, pair) in digest.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let [high, low] = pair else { return None };
        let (high, low) = (nibble(*high), nibble(*low));
        seen |= high | low;
        *place = (high << 4) | (low & 15);
    }
    (seen < NO_DIGIT).then_some(digest)
}

const NO_DIGIT: u8 = 16;

/// What a byte is worth as a digit; both kinds are reckoned, so that the choice is no branch.
#[inline]
fn nibble(byte: u8) -> u8 {
    let (decimal, letter) = (byte.wrapping_sub(b'0'), byte.wrapping_sub(b'a'));
    let letter = if letter < 6 { letter + 10 } else { NO_DIGIT };
    if decimal < 10 { decimal } else { letter }
}

pub(crate) fn push_hex(text: &mut String, bytes: &[u8]) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        for half in [byte >> 4, byte & 15] {
            text.push(char::from(HEX.get(usize::from(half)).copied().unwrap_or(b'0')));
        }
    }
}

/// Every way in which this gateway hashes secrets: SHA-256 always, HMAC for each pepper.
///
/// The same set is computed for every request, whatever a record holds, so that kinds of
/// record cannot be told apart by time.
#[derive(Clone)]
pub struct Hasher {
    peppers: Vec<(Box<str>, hmac::Key)>,
}

/// The digests of one presented secret: index 0 is SHA-256, 1 and 2 are the peppers'.
pub struct Digests {
    all: [Digest; 1 + PEPPERS],
    count: usize,
}

/// Which of [`Digests`] a stored digest is to be compared with, as one byte of a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Kind(u8);

impl Kind {
    /// A hash under a pepper that is not configured: equal to no index, so it never matches.
    pub const UNKNOWN: Self = Self(u8::MAX);
    /// Plain SHA-256.
    pub const SHA256: Self = Self(0);
}

impl Hasher {
    /// A hasher with up to [`PEPPERS`] peppers; the first hashes new keys. More are ignored:
    /// the configuration has refused them.
    pub fn new(peppers: &[(Box<str>, Secret)]) -> Self {
        let prepare = |(id, secret): &(Box<str>, Secret)| {
            (id.clone(), hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes()))
        };
        Self { peppers: peppers.iter().take(PEPPERS).map(prepare).collect() }
    }

    /// Every digest of a presented secret: 75 ns, and 142 ns more for each pepper.
    #[inline]
    pub fn digests(&self, secret: &[u8]) -> Digests {
        let mut all = [[0; 32]; 1 + PEPPERS];
        let mut count = 0;
        let tags = self.peppers.iter().map(|(_, key)| hmac_digest(key, secret));
        for (place, digest) in all.iter_mut().zip(std::iter::once(sha256(secret)).chain(tags)) {
            *place = digest;
            count += 1;
        }
        Digests { all, count }
    }

    /// The hash to store for a new secret.
    pub fn hash_new(&self, secret: &[u8]) -> KeyHash {
        match self.peppers.first() {
            Some((id, key)) => {
                KeyHash { scheme: Scheme::HmacSha256(id.clone()), digest: hmac_digest(key, secret) }
            }
            None => KeyHash { scheme: Scheme::Sha256, digest: sha256(secret) },
        }
    }

    /// The kind under which a stored hash is compared.
    pub fn kind(&self, scheme: &Scheme) -> Kind {
        match scheme {
            Scheme::Sha256 => Kind::SHA256,
            Scheme::HmacSha256(id) => self
                .peppers
                .iter()
                .position(|(known, _)| known == id)
                .and_then(|index| u8::try_from(index + 1).ok())
                .map_or(Kind::UNKNOWN, Kind),
        }
    }
}

impl Digests {
    /// Whether the stored digest equals the presented one of its kind, in constant time: all
    /// digests are compared, and the kind only selects among the results.
    #[inline]
    pub fn matches(&self, kind: Kind, stored: &Digest) -> bool {
        let mut found = false;
        for (index, digest) in (0_u8..).zip(self.all.iter().take(self.count)) {
            found |= equal(digest, stored) & (index == kind.0);
        }
        found
    }
}

/// Compares in constant time, about 3 ns.
#[inline]
fn equal(a: &Digest, b: &Digest) -> bool {
    // The replacement crates cost twelve times as much, see docs/decisions/0003.
    #[expect(deprecated, reason = "the only constant-time compare that ring offers")]
    let outcome = ring::constant_time::verify_slices_are_equal(a, b);
    outcome.is_ok()
}

fn sha256(secret: &[u8]) -> Digest {
    to_digest(digest::digest(&digest::SHA256, secret).as_ref())
}

fn hmac_digest(key: &hmac::Key, secret: &[u8]) -> Digest {
    to_digest(hmac::sign(key, secret).as_ref())
}

fn to_digest(bytes: &[u8]) -> Digest {
    // Both algorithms give 32 bytes; anything else leaves zeros, which match no secret.
    bytes.try_into().unwrap_or([0; 32])
}

#[cfg(test)]
mod tests {
    use super::{Hasher, KeyHash, Kind, Scheme};
    use crate::base::secret::Secret;

    fn peppers() -> Vec<(Box<str>, Secret)> {
        vec![("p1".into(), Secret::new("one")), ("p2".into(), Secret::new("two"))]
    }

    #[test]
    fn sha256_of_abc_is_the_published_vector() {
        let hash = Hasher::new(&[]).hash_new(b"abc");
        assert_eq!(
            hash.to_stored(),
            "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(format!("{hash:?}"), "sha256:ba7816bf…");
    }

    #[test]
    fn hmac_is_rfc_4231_case_two() {
        let hasher = Hasher::new(&[("p1".into(), Secret::new("Jefe"))]);
        let hash = hasher.hash_new(b"what do ya want for nothing?");
        assert_eq!(
            hash.to_stored(),
            "hmac-sha256:p1:5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    #[test]
    fn each_kind_matches_only_its_own_digest() {
        let hasher = Hasher::new(&peppers());
        let digests = hasher.digests(b"secret");
        let plain = Hasher::new(&[]).hash_new(b"secret");
        let first = hasher.hash_new(b"secret");
        assert!(digests.matches(hasher.kind(&plain.scheme), &plain.digest));
        assert!(digests.matches(hasher.kind(&first.scheme), &first.digest));
        assert!(!digests.matches(Kind::SHA256, &first.digest));
        assert!(!digests.matches(hasher.kind(&first.scheme), &plain.digest));
        assert!(!digests.matches(Kind::UNKNOWN, &plain.digest));
        assert_eq!(hasher.kind(&Scheme::HmacSha256("gone".into())), Kind::UNKNOWN);
    }

    #[test]
    fn an_absent_pepper_never_matches_zeros() {
        let hasher = Hasher::new(&[]);
        let digests = hasher.digests(b"secret");
        let pepper_kind = Hasher::new(&peppers()).kind(&Scheme::HmacSha256("p2".into()));
        assert!(!digests.matches(pepper_kind, &[0; 32]));
    }

    #[test]
    fn stored_hashes_have_one_spelling() {
        let good = format!("sha256:{}", "0a".repeat(32));
        assert_eq!(KeyHash::parse(&good).map(|h| h.to_stored()), Some(good.clone()));
        for bad in [
            good.to_uppercase(),
            good.replace("0a", "0A"),
            format!("{good}0"),
            "sha256:".into(),
            format!("hmac-sha256::{}", "0a".repeat(32)),
            format!("md5:{}", "0a".repeat(32)),
        ] {
            assert_eq!(KeyHash::parse(&bad), None, "{bad}");
        }
    }
}
