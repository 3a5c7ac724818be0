//! The gateway as one would write it first: strings, maps of strings, a whole JSON value.
//!
//! Correct, and what the product's parts are measured against; a part that does not beat it
//! has not earned its keep.

pub mod http;
pub mod state;

use std::collections::HashMap;
use std::sync::{Arc, RwLock};

use ::http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use ring::digest::{SHA256, digest};
use serde_json::Value;
use tollgate::base::base62::ALPHABET;
use tollgate::policy::Authority;
use tollgate::upstream::Exchange;

use super::{Pieces, Stub};

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

    /// The whole path.
    pub async fn serve(&self, upstream: &Stub, request: Request<Pieces>) -> Response<Full<Bytes>> {
        let refused = || {
            let mut response = Response::new(Full::from("refused"));
            *response.status_mut() = ::http::StatusCode::FORBIDDEN;
            response
        };
        let (head, body) = request.into_parts();
        let presented = head.headers.get("authorization").and_then(|value| value.to_str().ok());
        let Some((id, secret)) = presented.and_then(|text| parse_key(text.strip_prefix("Bearer ")?)) else {
            return refused();
        };
        let Some(record) = self.authenticate(&secret).filter(|record| record.id == id) else {
            return refused();
        };
        let body = body.collect().await.unwrap().to_bytes();
        let Some((method, tool)) = read_envelope(&body) else { return refused() };
        if method != "tools/call" || !self.authorise(&record, &tool) {
            return refused();
        }
        let mut headers = HeaderMap::new();
        for (name, value) in &head.headers {
            if !["authorization", "host", "connection", "cookie"].contains(&name.as_str()) {
                headers.append(name.clone(), value.clone());
            }
        }
        headers.insert(HeaderName::from_static("host"), HeaderValue::from_static("127.0.0.1:9"));
        let mut onward = Request::post("/mcp").body(body).unwrap();
        *onward.headers_mut() = headers;
        let authority = Authority { host: "127.0.0.1".into(), port: 9, tls: false, ca: None };
        let response = upstream.send(&authority, onward, None).await.unwrap();
        let (head, body) = response.into_parts();
        Response::from_parts(head, Full::new(body.collect().await.unwrap().to_bytes()))
    }
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
