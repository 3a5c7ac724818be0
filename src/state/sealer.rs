//! Session ids as clients see them: sealed, and bound to one key on one server.
//!
//! No table: whoever has the sealing keys can open an id, so any worker and any replica serves
//! any session. Form, before base64url: a version byte, the sealing key's number, a nonce, and
//! under AES-256-GCM the key's id, the time of issue and the upstream's id; the server and its
//! endpoint are in the associated data. A sealing key is in use for a day; at ten thousand
//! sessions a second that is 2^30 random nonces, a quarter of the 2^32 that NIST SP 800-38D
//! allows one key.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderValue;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use crate::base::bounds::SESSION_ID_BYTES;
use crate::base::key::random;
use crate::base::{KeyId, SealingKey, UnixSeconds};

/// Of the form above.
const VERSION: u8 = 1;
const KEY_NUMBER: usize = 4;
const CLEAR: usize = 1 + KEY_NUMBER + NONCE_LEN;
const KEY_ID: usize = 16;
const ISSUED: usize = 4;
const TAG: usize = 16;
/// A new key seals only once every gateway over the same registry has had the time to read it.
const SPREAD: Duration = Duration::from_secs(120);

/// Whose a session is.
#[derive(Clone, Copy)]
pub struct Holder<'a> {
    /// The server's name.
    pub server: &'a str,
    /// The stable name of the endpoint that minted it.
    pub endpoint: &'a str,
    /// The key that it was opened with.
    pub key: KeyId,
}

/// Opens and seals session ids.
#[derive(Default)]
pub struct Sealer {
    /// The one that seals first.
    keys: Vec<(u32, LessSafeKey)>,
    lifetime: Duration,
}

impl Sealer {
    /// A sealer over these keys; ids older than `lifetime` are unknown.
    pub fn new(mut keys: Vec<SealingKey>, lifetime: Duration, now: UnixSeconds) -> Self {
        keys.sort_by_key(|key| key.made);
        // The newest that everybody knows; on the first start, the only one.
        let sealing = keys.iter().rposition(|key| key.made.plus(SPREAD) <= now).unwrap_or(0);
        if sealing < keys.len() {
            keys.swap(0, sealing);
        }
        let unbound = |key: SealingKey| {
            UnboundKey::new(&AES_256_GCM, &key.bytes).ok().map(|made| (key.id, LessSafeKey::new(made)))
        };
        Self { keys: keys.into_iter().filter_map(unbound).collect(), lifetime }
    }

    /// The id that the client gets for an upstream's; `None` when the upstream's is none, or
    /// nothing can be sealed.
    pub fn seal(&self, upstream: &[u8], holder: Holder<'_>, now: UnixSeconds) -> Option<HeaderValue> {
        if !is_session_id(upstream) {
            return None;
        }
        let (number, key) = self.keys.first()?;
        let nonce: [u8; NONCE_LEN] = random().ok()?;
        let mut sealed = Vec::with_capacity(CLEAR + KEY_ID + ISSUED + upstream.len() + TAG);
        sealed.push(VERSION);
        sealed.extend(number.to_be_bytes());
        sealed.extend(nonce);
        let mut secret = Vec::with_capacity(KEY_ID + ISSUED + upstream.len() + TAG);
        secret.extend(holder.key.bits().to_be_bytes());
        secret.extend(now.0.to_be_bytes());
        secret.extend(upstream);
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), holder.data(), &mut secret).ok()?;
        sealed.extend(secret);
        HeaderValue::from_maybe_shared(bytes::Bytes::from(URL_SAFE_NO_PAD.encode(sealed))).ok()
    }

    /// The upstream's id in a client's; `None` for an id that is forged, too old, or another
    /// holder's: nobody learns which.
    pub fn open(&self, sealed: &[u8], holder: Holder<'_>, now: UnixSeconds) -> Option<HeaderValue> {
        if sealed.len() > (CLEAR + KEY_ID + ISSUED + SESSION_ID_BYTES + TAG) * 4 / 3 + 4 {
            return None;
        }
        let mut sealed = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let (clear, secret) = sealed.split_at_mut_checked(CLEAR)?;
        let (version, rest) = clear.split_first()?;
        let (number, nonce) = rest.split_first_chunk::<KEY_NUMBER>()?;
        let number = u32::from_be_bytes(*number);
        let (_, key) =
            self.keys.iter().find(|(known, _)| *known == number).filter(|_| *version == VERSION)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let open: &[u8] = key.open_in_place(nonce, holder.data(), secret).ok()?;
        let (id, rest) = open.split_first_chunk::<KEY_ID>()?;
        let (issued, upstream) = rest.split_first_chunk::<ISSUED>()?;
        let issued = UnixSeconds(u32::from_be_bytes(*issued));
        let own = u128::from_be_bytes(*id) == holder.key.bits() && now < issued.plus(self.lifetime);
        HeaderValue::from_bytes(upstream).ok().filter(|_| own)
    }
}

impl Holder<'_> {
    fn data(&self) -> Aad<Vec<u8>> {
        Aad::from([b"tollgate session", self.server.as_bytes(), self.endpoint.as_bytes()].join(&0))
    }
}

/// Visible ASCII (specification 2025-11-25, transports), within the bound.
fn is_session_id(id: &[u8]) -> bool {
    (1..=SESSION_ID_BYTES).contains(&id.len()) && id.iter().all(u8::is_ascii_graphic)
}

#[cfg(test)]
mod tests {
    use super::{Holder, Sealer};
    use crate::base::{KeyId, SealingKey, UnixSeconds};
    use std::time::Duration;

    const NOW: UnixSeconds = UnixSeconds(1_800_000_000);
    const DAY: Duration = Duration::from_secs(86_400);

    fn key(id: u32, made: UnixSeconds) -> SealingKey {
        SealingKey { id, bytes: [id as u8; 32], made }
    }

    fn sealer(keys: &[SealingKey]) -> Sealer {
        Sealer::new(keys.to_vec(), DAY * 7, NOW)
    }

    fn id(last: char) -> KeyId {
        format!("mcp_live_000000000000000{last}").parse().unwrap()
    }

    #[test]
    fn an_id_opens_for_its_holder_alone() {
        let sealer = sealer(&[key(1, NOW.minus(DAY))]);
        let holder = Holder { server: "crm", endpoint: "http://a/mcp", key: id('1') };
        let sealed = sealer.seal(b"upstream-id", holder, NOW).unwrap();
        assert!(sealed.as_bytes().iter().all(u8::is_ascii_graphic));
        assert!(!String::from_utf8_lossy(sealed.as_bytes()).contains("upstream"));
        assert_ne!(sealed, sealer.seal(b"upstream-id", holder, NOW).unwrap(), "never the same twice");
        let open = |holder, now| sealer.open(sealed.as_bytes(), holder, now);
        assert_eq!(open(holder, NOW.plus(DAY)).unwrap(), "upstream-id");
        assert_eq!(open(Holder { key: id('2'), ..holder }, NOW), None);
        assert_eq!(open(Holder { server: "mail", ..holder }, NOW), None);
        assert_eq!(open(Holder { endpoint: "http://b/mcp", ..holder }, NOW), None);
        assert_eq!(open(holder, NOW.plus(DAY * 7)), None, "too old");
    }

    #[test]
    fn no_changed_id_opens() {
        let sealer = sealer(&[key(1, NOW)]);
        let holder = Holder { server: "crm", endpoint: "http://a/mcp", key: id('1') };
        let sealed = sealer.seal(b"x", holder, NOW).unwrap().as_bytes().to_vec();
        for at in 0..sealed.len() {
            let mut other = sealed.clone();
            other[at] = if other[at] == b'A' { b'B' } else { b'A' };
            assert_eq!(sealer.open(&other, holder, NOW), None, "{at}");
            assert_eq!(sealer.open(&sealed[..at], holder, NOW), None, "{at}");
        }
        for odd in [&b""[..], b"=", b"upstream-id", &[b'A'; 10_000]] {
            assert_eq!(sealer.open(odd, holder, NOW), None);
        }
    }

    #[test]
    fn what_is_no_session_id_is_not_sealed() {
        let sealer = sealer(&[key(1, NOW)]);
        let holder = Holder { server: "crm", endpoint: "http://a/mcp", key: id('1') };
        for odd in [&b""[..], b"a b", b"\xff", &[b'x'; 1025]] {
            assert!(sealer.seal(odd, holder, NOW).is_none());
        }
        let long = [b'x'; 1024];
        let sealed = sealer.seal(&long, holder, NOW).unwrap();
        assert_eq!(sealer.open(sealed.as_bytes(), holder, NOW).unwrap().as_bytes(), long);
        assert!(Sealer::default().seal(b"x", holder, NOW).is_none());
    }

    #[test]
    fn a_new_key_seals_only_once_others_know_it_and_an_old_one_still_opens() {
        let holder = Holder { server: "crm", endpoint: "http://a/mcp", key: id('1') };
        let (old, new) = (key(1, NOW.minus(DAY)), key(2, NOW));
        let sealed = sealer(&[old.clone(), new.clone()]).seal(b"x", holder, NOW).unwrap();
        assert!(
            sealer(std::slice::from_ref(&old)).open(sealed.as_bytes(), holder, NOW).is_some(),
            "sealed with the old"
        );
        let later = Sealer::new(vec![new, old], DAY * 7, NOW.plus(Duration::from_secs(121)));
        assert!(later.open(sealed.as_bytes(), holder, NOW).is_some());
        let sealed = later.seal(b"x", holder, NOW).unwrap();
        assert!(sealer(&[key(1, NOW)]).open(sealed.as_bytes(), holder, NOW).is_none(), "sealed with the new");
    }
}
