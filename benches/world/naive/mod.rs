//! The gateway as one would write it first: strings, maps of strings, a whole JSON value.
//!
//! Correct, and what the product's parts are measured against; a part that does not beat it
//! has not earned its keep.

pub mod http;
pub mod state;

use std::collections::HashMap;
use std::sync::{Arc, RwLock};

use ::http::header::HOST;
use ::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use ring::digest::{SHA256, digest};
use serde_json::Value;
use tollgate::base::base62::ALPHABET;

/// A key's record.
#[derive(Clone)]
pub struct Record {
    pub id: String,
    pub scopes: Vec<String>,
    pub expires: Option<u64>,
}

/// Records by the hexadecimal digest of the whole key, behind a lock.
#[derive(Default)]
pub struct Gateway {
    pub keys: RwLock<HashMap<String, Arc<Record>>>,
    /// Tool or pattern, and its scopes.
    pub rules: Vec<(String, Vec<String>)>,
}

/// Splits a key and checks its checksum.
pub fn parse_key(text: &str) -> Option<(String, String)> {
    let (id, secret) = text.split_once('.')?;
    let parts: Vec<&str> = id.split('_').collect();
    let letters = |text: &str| text.chars().all(|c| ALPHABET.iter().any(|digit| char::from(*digit) == c));
    if parts.len() != 3 || parts[0] != "mcp" || parts[2].len() != 16 || !letters(parts[2]) || !letters(secret)
    {
        return None;
    }
    let (_, check) = secret.split_at_checked(43)?;
    let mut number = crc32fast::hash(&text.as_bytes()[..text.len() - 6]);
    let mut expected = Vec::new();
    for _ in 0..6 {
        expected.insert(0, char::from(ALPHABET[(number % 62) as usize]));
        number /= 62;
    }
    (check == expected.into_iter().collect::<String>()).then(|| (id.to_owned(), secret.to_owned()))
}

/// The digest as text.
pub fn hex_digest(text: &str) -> String {
    digest(&SHA256, text.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Method and tool of a body.
pub fn read_envelope(body: &[u8]) -> Option<(String, String)> {
    let value: Value = serde_json::from_slice(body).ok()?;
    let method = value["method"].as_str()?.to_owned();
    let name = value["params"]["name"].as_str().unwrap_or_default().to_owned();
    Some((method, name))
}

impl Gateway {
    /// Finds a key's record.
    pub fn authenticate(&self, secret: &str) -> Option<Arc<Record>> {
        let keys = self.keys.read().unwrap();
        keys.get(&hex_digest(secret)).cloned()
    }

    /// Whether the scopes of the tool's rule are all there.
    pub fn authorise(&self, record: &Record, tool: &str) -> bool {
        let matches = |pattern: &str| match pattern.strip_suffix('*') {
            Some(prefix) => tool.starts_with(prefix),
            None => pattern == tool,
        };
        let Some((_, needed)) = self.rules.iter().find(|(pattern, _)| matches(pattern)) else { return false };
        needed.iter().all(|scope| record.scopes.iter().any(|held| held == scope))
    }

    /// The whole path, from the bytes that arrived to those that leave; the upstream answers with
    /// these. It checks less than the product does: no host, origin, era or session, and it
    /// counts nothing.
    pub fn exchange(&self, arrived: &[u8], answer: &[u8]) -> Vec<u8> {
        self.call(arrived, answer).unwrap_or_else(|| {
            let head = http::write_answer(StatusCode::FORBIDDEN, &HeaderMap::new(), 7);
            format!("{head}refused").into_bytes()
        })
    }

    fn call(&self, arrived: &[u8], answer: &[u8]) -> Option<Vec<u8>> {
        let (head, body) = split(arrived)?;
        let (method, _, headers) = http::read_request(head)?;
        let presented = headers.get("authorization")?.to_str().ok()?.strip_prefix("Bearer ")?;
        let (id, secret) = parse_key(presented)?;
        let record = self.authenticate(&secret).filter(|record| record.id == id)?;
        let (called, tool) = read_envelope(body)?;
        if called != "tools/call" || !http::mirrors(&headers, &tool) || !self.authorise(&record, &tool) {
            return None;
        }
        let mut onward = http::forwarded(&headers);
        onward.insert(HOST, HeaderValue::from_static("127.0.0.1:9"));
        let request = http::write_request(&method, &Uri::from_static("/mcp"), &onward, body.len());
        std::hint::black_box([request.as_bytes(), body].concat());
        let (head, body) = split(answer)?;
        let (status, headers) = http::read_answer(head)?;
        let head = http::write_answer(status, &http::told(&headers), body.len());
        Some([head.as_bytes(), body].concat())
    }
}

/// A message's head and its body.
fn split(message: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = message.windows(4).position(|four| four == b"\r\n\r\n")?;
    message.split_at_checked(end + 4)
}

/// The gateway with the same rules and keys as the product's.
pub fn gateway(raw_keys: impl IntoIterator<Item = (String, usize)>) -> Gateway {
    let mut rules: Vec<_> =
        (0..30).map(|n| (format!("tool_{n}"), vec![format!("crm:write:area_{n}")])).collect();
    rules.push(("search".to_owned(), vec!["crm:read".to_owned()]));
    let keys = raw_keys.into_iter().map(|(raw, number)| {
        let (id, secret) = raw.split_once('.').unwrap();
        let record = Record { id: id.to_owned(), scopes: super::scopes(number), expires: None };
        (hex_digest(secret), Arc::new(record))
    });
    Gateway { keys: RwLock::new(keys.collect()), rules }
}
