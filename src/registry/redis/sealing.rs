//! The sealing keys, encrypted under a secret that Redis never sees.
//!
//! A field is a key's number; its value is when it was made, and AES-256-GCM over the key's bytes
//! with number and time as associated data. Whoever reads or changes them in Redis can make no
//! session id.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use redis::Commands as _;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Salt};

use super::{Fault, Redis};
use crate::base::key::random;
use crate::base::sealing::SEALING_KEY;
use crate::base::secret::Secret;
use crate::base::{SealingKey, UnixSeconds};

impl Redis {
    /// The keys as the contract says. Where this user may not write, the keys that others made
    /// are taken as they are.
    pub(super) fn sealing(
        &mut self,
        now: UnixSeconds,
        renew: Duration,
        keep: Duration,
    ) -> Result<Vec<SealingKey>, Fault> {
        let Some(secret) = self.params.sealing.clone() else {
            return Err(Fault::Refused(
                "session ids need a secret: set registry.peppers or registry.sealing".into(),
            ));
        };
        let Some(cipher) = cipher(&secret) else {
            return Err(Fault::Refused("the secret for session ids cannot be used".into()));
        };
        let known = self.sealed(&cipher)?;
        if known.iter().any(|key| now < key.made.plus(renew)) {
            return Ok(known.into_iter().filter(|key| now < key.made.plus(keep)).collect());
        }
        let number = known.iter().map(|key| key.id).max().unwrap_or(0) + 1;
        let key = SealingKey { id: number, bytes: random()?, made: now };
        let old: Vec<u32> = known.iter().filter(|key| now >= key.made.plus(keep)).map(|key| key.id).collect();
        let value = seal(&cipher, &key).ok_or_else(|| self.fault("a sealing key cannot be encrypted"))?;
        self.ask(|connection, names| {
            // Of gateways that start together the first one's key is everybody's.
            let _: bool = connection.hset_nx(&names.sealing, number, value)?;
            if old.is_empty() { Ok(()) } else { connection.hdel(&names.sealing, old) }
        })?;
        self.sealed(&cipher)
    }

    /// The keys that can be opened with this secret.
    fn sealed(&mut self, cipher: &LessSafeKey) -> Result<Vec<SealingKey>, Fault> {
        let fields: Vec<(u32, String)> = self.ask(|connection, names| connection.hgetall(&names.sealing))?;
        let keys = fields.iter().filter_map(|(number, value)| {
            let key = open(cipher, *number, value);
            if key.is_none() {
                tracing::warn!(number, "a sealing key cannot be opened with this replica's secret; sessions sealed with it are unknown here");
            }
            key
        });
        Ok(keys.collect())
    }
}

/// The cipher of a secret (RFC 5869).
fn cipher(secret: &Secret) -> Option<LessSafeKey> {
    let derived = Salt::new(HKDF_SHA256, b"tollgate").extract(secret.expose().as_bytes());
    let key: UnboundKey = derived.expand(&[b"session sealing keys"], &AES_256_GCM).ok()?.into();
    Some(LessSafeKey::new(key))
}

fn associated(number: u32, made: UnixSeconds) -> Aad<[u8; 8]> {
    let mut both = [0; 8];
    let (first, second) = both.split_at_mut(4);
    first.copy_from_slice(&number.to_be_bytes());
    second.copy_from_slice(&made.0.to_be_bytes());
    Aad::from(both)
}

fn seal(cipher: &LessSafeKey, key: &SealingKey) -> Option<String> {
    let nonce: [u8; NONCE_LEN] = random().ok()?;
    let mut bytes = key.bytes.to_vec();
    let associated = associated(key.id, key.made);
    cipher.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), associated, &mut bytes).ok()?;
    Some(format!("{}:{}", key.made.0, STANDARD.encode([&nonce[..], &bytes].concat())))
}

fn open(cipher: &LessSafeKey, number: u32, value: &str) -> Option<SealingKey> {
    let (made, sealed) = value.split_once(':')?;
    let made = UnixSeconds(made.parse().ok()?);
    let mut sealed = STANDARD.decode(sealed).ok()?;
    let (nonce, bytes) = sealed.split_first_chunk_mut::<NONCE_LEN>()?;
    let nonce = Nonce::assume_unique_for_key(*nonce);
    let opened = cipher.open_in_place(nonce, associated(number, made), bytes).ok()?;
    let bytes: [u8; SEALING_KEY] = (&*opened).try_into().ok()?;
    Some(SealingKey { id: number, bytes, made })
}

#[cfg(test)]
mod tests {
    use super::{cipher, open, seal};
    use crate::base::secret::Secret;
    use crate::base::{SealingKey, UnixSeconds};

    #[test]
    fn a_key_opens_under_its_secret_its_number_and_its_time_only() {
        let own = cipher(&Secret::new("one secret of an installation")).unwrap();
        let key = SealingKey { id: 3, bytes: [7; 32], made: UnixSeconds(1_800_000_000) };
        let value = seal(&own, &key).unwrap();
        let opened = open(&own, 3, &value).unwrap();
        assert_eq!((opened.id, opened.bytes, opened.made), (3, [7; 32], key.made));
        assert!(open(&own, 4, &value).is_none());
        assert!(open(&own, 3, &value.replace("1800000000", "1800000001")).is_none());
        assert!(open(&cipher(&Secret::new("another")).unwrap(), 3, &value).is_none());
        for odd in ["", "1800000000:", "x:AAAA", "1800000000:AAAA"] {
            assert!(open(&own, 3, odd).is_none());
        }
    }
}
