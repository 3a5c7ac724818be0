//! The key format `mcp_<env>_<id>.<secret>` and the types that hold its parts.
//!
//! `env` is `live` or `test`; `id` is 16 base62 characters; `secret` is 32 random bytes as 43
//! base62 characters followed by 6 of CRC-32 (ISO-HDLC, the zip polynomial) over everything
//! before them, prefix included, so that a mistyped key is refused before any hash and secret
//! scanners can tell a real key. A raw key has no `Debug`, `Display` or `Serialize`: it lives
//! between the header and its digest, and on the screen once.

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use memchr::memmem::Finder;
use ring::rand::{SecureRandom, SystemRandom};

use super::base62;

const PREFIX: &[u8] = b"mcp_";
const ENV: usize = 4;
const ID: usize = 16;
const RANDOM: usize = 43;
const CHECK: usize = 6;
/// Bytes of a key's secret as stored and hashed: random part and checksum.
pub const SECRET: usize = RANDOM + CHECK;
/// Bytes of `mcp_<env>_<id>`.
pub const KEY_ID: usize = PREFIX.len() + ENV + 1 + ID;
/// Bytes of a whole raw key.
pub const RAW_KEY: usize = KEY_ID + 1 + SECRET;

/// The environment that a key is for; part of its id.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Env {
    /// `mcp_live_…`
    Live,
    /// `mcp_test_…`
    Test,
}

impl Env {
    fn as_bytes(self) -> &'static [u8; ENV] {
        match self {
            Self::Live => b"live",
            Self::Test => b"test",
        }
    }
}

/// `mcp_<env>_<id>` in 16 bytes: each half of the id as a number (62^8 < 2^48, and no division
/// of 128 bits to write it), the environment in the top bit. Public: it may be printed, logged
/// and stored.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId {
    high: u64,
    low: u64,
}

const TEST_BIT: u64 = 1 << 63;
/// Digits of half an id.
const HALF: usize = ID / 2;

impl KeyId {
    /// An id that no key has, for the dummy record: its first half lies beyond 62^8.
    pub const NONE: Self = Self { high: 1 << 62, low: 0 };

    fn from_halves(env: Env, high: u64, low: u64) -> Self {
        Self { high: if env == Env::Test { high | TEST_BIT } else { high }, low }
    }

    /// The environment of the key.
    pub fn env(self) -> Env {
        if self.high & TEST_BIT == 0 { Env::Live } else { Env::Test }
    }

    /// The id as a number, for hashing into a table.
    #[inline]
    pub fn bits(self) -> u128 {
        (u128::from(self.high) << 64) | u128::from(self.low)
    }

    /// Reads exactly `mcp_<env>_<id>`.
    #[inline]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let rest = text.strip_prefix(PREFIX)?;
        let (env, rest) = rest.split_first_chunk::<ENV>()?;
        let id = rest.strip_prefix(b"_")?;
        let env = match env {
            b"live" => Env::Live,
            b"test" => Env::Test,
            _ => return None,
        };
        if id.len() != ID {
            return None;
        }
        let (high, low) = id.split_at_checked(HALF)?;
        Some(Self::from_halves(env, base62::parse(high)?, base62::parse(low)?))
    }

    /// The id as text, without an allocation.
    pub fn to_text(self) -> [u8; KEY_ID] {
        let mut text = [0; KEY_ID];
        fill(&mut text, 0, PREFIX);
        fill(&mut text, PREFIX.len(), self.env().as_bytes());
        fill(&mut text, PREFIX.len() + ENV, b"_");
        fill(&mut text, KEY_ID - ID, &base62::format::<HALF>(self.high & !TEST_BIT));
        fill(&mut text, KEY_ID - HALF, &base62::format::<HALF>(self.low));
        text
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_text().iter().try_for_each(|&byte| fmt::Write::write_char(f, char::from(byte)))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Whether anything in a text has the form of a raw key, whole or cut short behind its id: the
/// search for keys where none may be.
#[inline]
pub fn holds_key(text: &[u8]) -> bool {
    // Nearly no header value has the last byte of the prefix: looking for it alone costs a few
    // instructions, setting up a search for the whole prefix some hundred, for every header.
    memchr::memchr_iter(b'_', text).any(|last| {
        begins_key((last + 1).checked_sub(PREFIX.len()).and_then(|at| text.get(at..)).unwrap_or_default())
    })
}

/// The same for a long text that has many underscores, as a record has: the search is set up once in a process.
pub fn long_holds_key(text: &[u8]) -> bool {
    static PREFIXES: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(PREFIX));
    PREFIXES.find_iter(text).any(|at| begins_key(text.get(at..).unwrap_or_default()))
}

/// Whether a text begins with what makes a key of it: an id and the dot behind it.
#[inline]
fn begins_key(text: &[u8]) -> bool {
    text.get(..KEY_ID).is_some_and(|id| KeyId::parse(id).is_some()) && text.get(KEY_ID) == Some(&b'.')
}

/// Bytes of what has the form of a raw key at the beginning of a text, whole or cut short behind
/// its id, with all digits that follow: a key with more behind it is a key as well. Another key that begins
/// right behind it is its own: the letters it begins with are digits too.
pub fn key_length(text: &[u8]) -> Option<usize> {
    let secret = text.get(KEY_ID + 1..).filter(|_| begins_key(text))?;
    let digits = secret.iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
    let next = (0..digits).find(|at| secret.get(*at..).is_some_and(begins_key));
    Some(KEY_ID + 1 + next.unwrap_or(digits))
}

/// A text that is not `mcp_<env>_<id>`.
#[derive(Debug, thiserror::Error)]
#[error("not a key id; accepted: mcp_live_ or mcp_test_ and 16 letters or digits, without the secret")]
pub struct NotAKeyId;

impl FromStr for KeyId {
    type Err = NotAKeyId;

    fn from_str(text: &str) -> Result<Self, NotAKeyId> {
        Self::parse(text.as_bytes()).ok_or(NotAKeyId)
    }
}

/// A raw key as a client sent it, borrowed from the request's header. It cannot be printed.
pub struct RawKey<'a> {
    id: KeyId,
    secret: &'a [u8; SECRET],
}

impl<'a> RawKey<'a> {
    /// Checks length, alphabet and checksum, without allocating and before any hash. `None`
    /// says nothing about which of them failed, as the caller may tell nobody.
    #[inline]
    pub fn parse(text: &'a [u8]) -> Option<Self> {
        if text.len() != RAW_KEY {
            return None;
        }
        let (before, check) = text.split_last_chunk::<CHECK>()?;
        let (id, rest) = text.split_at_checked(KEY_ID)?;
        let secret: &[u8; SECRET] = rest.strip_prefix(b".")?.try_into().ok()?;
        if !base62::is_digits(secret) || checksum(before) != *check {
            return None;
        }
        Some(Self { id: KeyId::parse(id)?, secret })
    }

    /// The public part.
    #[inline]
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// What is hashed: the 49 characters of the secret.
    #[inline]
    pub fn secret(&self) -> &[u8] {
        self.secret
    }
}

fn checksum(text: &[u8]) -> [u8; CHECK] {
    base62::format::<CHECK>(u64::from(crc32fast::hash(text)))
}

/// A freshly made key. It cannot be printed; [`NewKey::reveal`] gives it out once.
pub struct NewKey {
    id: KeyId,
    text: [u8; RAW_KEY],
}

/// The system's random generator gave nothing.
#[derive(Debug, thiserror::Error)]
#[error("the system's random generator does not answer, so no key was made; try again")]
pub struct NoRandomness;

impl NewKey {
    /// A key with a fresh id.
    pub fn generate(env: Env) -> Result<Self, NoRandomness> {
        let half = || Ok(u64::from_be_bytes(random()?) % 62_u64.pow(HALF as u32));
        Self::generate_for(KeyId::from_halves(env, half()?, half()?))
    }

    /// A fresh secret for an id that exists: a rotation.
    pub fn generate_for(id: KeyId) -> Result<Self, NoRandomness> {
        let random: [u8; 32] = random()?;
        let mut text = [b'.'; RAW_KEY];
        let secret = base62::format_bytes(&random);
        fill(&mut text, 0, &id.to_text());
        fill(&mut text, KEY_ID + 1, &secret);
        let check = checksum(text.get(..RAW_KEY - CHECK).unwrap_or_default());
        fill(&mut text, RAW_KEY - CHECK, &check);
        Ok(Self { id, text })
    }

    /// The public part.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// What is hashed.
    pub fn secret(&self) -> &[u8] {
        self.text.get(KEY_ID + 1..).unwrap_or_default()
    }

    /// The raw key, for the screen, once.
    pub fn reveal(self) -> String {
        self.text.iter().map(|&byte| char::from(byte)).collect()
    }
}

/// Copies a part to its place; what does not fit is left out, and the tests would see it.
#[inline]
fn fill(text: &mut [u8], at: usize, part: &[u8]) {
    if let Some(place) = text.get_mut(at..at + part.len()) {
        place.copy_from_slice(part);
    }
}

/// Bytes from the system's generator, for key material and for nonces.
pub fn random<const N: usize>() -> Result<[u8; N], NoRandomness> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| NoRandomness)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::{Env, KEY_ID, KeyId, NewKey, RAW_KEY, RawKey, holds_key, key_length, long_holds_key};

    #[test]
    fn a_fresh_key_is_read_back() {
        for env in [Env::Live, Env::Test] {
            let key = NewKey::generate(env).unwrap();
            let (id, secret) = (key.id(), key.secret().to_vec());
            let text = key.reveal();
            assert_eq!(text.len(), RAW_KEY);
            let raw = RawKey::parse(text.as_bytes()).unwrap();
            assert_eq!(raw.id(), id);
            assert_eq!(raw.secret(), secret);
            assert_eq!(id.env(), env);
            assert_eq!(text.split('.').next().unwrap(), id.to_string());
        }
    }

    #[test]
    fn any_changed_character_is_noticed() {
        let text = NewKey::generate(Env::Live).unwrap().reveal().into_bytes();
        for place in 0..text.len() {
            let mut wrong = text.clone();
            wrong[place] = if wrong[place] == b'a' { b'b' } else { b'a' };
            assert!(RawKey::parse(&wrong).is_none(), "place {place}");
        }
        assert!(RawKey::parse(&text[..RAW_KEY - 1]).is_none());
    }

    #[test]
    fn ids_have_one_spelling() {
        let id: KeyId = "mcp_test_0123456789abcdef".parse().unwrap();
        assert_eq!(id.to_string(), "mcp_test_0123456789abcdef");
        for bad in [
            "mcp_prod_0123456789abcdef",
            "mcp_live_0123456789abcde",
            "mcp_live_0123456789abcde-",
            "MCP_live_0123456789abcdef",
        ] {
            assert!(bad.parse::<KeyId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_key_is_found_whole_or_cut_and_an_id_is_none() {
        let text = NewKey::generate(Env::Test).unwrap().reveal();
        for (text, length) in [
            (text.clone(), Some(RAW_KEY)),
            (format!("{text}, {text}"), Some(RAW_KEY)),
            (format!("{text}more"), Some(RAW_KEY + 4)),
            (format!("{text}{text}"), Some(RAW_KEY)),
            (text.chars().take(KEY_ID + 1).collect(), Some(KEY_ID + 1)),
            (text.chars().take(KEY_ID).collect(), None),
            (format!(" {text}"), None),
        ] {
            assert_eq!(key_length(text.as_bytes()), length, "{text}");
            assert_eq!(holds_key(text.as_bytes()), long_holds_key(text.as_bytes()), "{text}");
            assert_eq!(holds_key(text.as_bytes()), length.is_some() || text.starts_with(' '), "{text}");
        }
    }

    #[test]
    fn two_keys_differ() {
        let (a, b) = (NewKey::generate(Env::Live).unwrap(), NewKey::generate(Env::Live).unwrap());
        assert_ne!(a.id(), b.id());
        assert_ne!(a.secret(), b.secret());
    }
}
