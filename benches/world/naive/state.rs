//! What one would keep first: servers and counters in maps of strings, sessions as sealed JSON,
//! events taken apart and written again.

use std::collections::HashMap;
use std::sync::Mutex;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom as _, SystemRandom};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// The server's name of a path.
pub fn route<'s>(servers: &'s HashMap<String, String>, path: &str) -> Option<&'s String> {
    let parts: Vec<&str> = path.split('/').collect();
    match parts.as_slice() {
        ["", name, "mcp"] => servers.get(*name),
        _ => None,
    }
}

/// What a sealed session id says.
#[derive(Serialize, Deserialize)]
pub struct Session {
    pub server: String,
    pub key: String,
    pub upstream: String,
    pub issued: u32,
}

fn sealing(key: &[u8; 32]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).unwrap())
}

/// Seals a session.
pub fn seal(key: &[u8; 32], session: &Session) -> String {
    let mut nonce = [0; NONCE_LEN];
    SystemRandom::new().fill(&mut nonce).unwrap();
    let mut secret = serde_json::to_vec(session).unwrap();
    sealing(key)
        .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut secret)
        .unwrap();
    URL_SAFE_NO_PAD.encode([&nonce[..], &secret].concat())
}

/// Opens a session for its key and server.
pub fn open(key: &[u8; 32], sealed: &str, server: &str, holder: &str) -> Option<String> {
    let mut sealed = URL_SAFE_NO_PAD.decode(sealed).ok()?;
    let (nonce, secret) = sealed.split_at_mut_checked(NONCE_LEN)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let opened = sealing(key).open_in_place(nonce, Aad::empty(), secret).ok()?;
    let session: Session = serde_json::from_slice(opened).ok()?;
    (session.server == server && session.key == holder).then_some(session.upstream)
}

/// Counters by their labels.
#[derive(Default)]
pub struct Counters(Mutex<HashMap<(String, String, String), u64>>);

impl Counters {
    /// Counts one.
    pub fn add(&self, server: &str, tool: &str, outcome: &str) {
        let labels = (server.to_owned(), tool.to_owned(), outcome.to_owned());
        *self.0.lock().unwrap().entry(labels).or_default() += 1;
    }
}

/// Buckets of one label, their sum, and how many there are.
type Row = (Vec<u64>, f64, u64);

/// Times by their labels, in buckets.
pub struct Times {
    bounds: Vec<f64>,
    rows: Mutex<HashMap<(String, String), Row>>,
}

impl Times {
    /// No times yet.
    pub fn new(bounds: Vec<f64>) -> Self {
        Self { bounds, rows: Mutex::default() }
    }

    /// Counts one, in seconds.
    pub fn observe(&self, server: &str, stage: &str, seconds: f64) {
        let mut rows = self.rows.lock().unwrap();
        let new = || (vec![0; self.bounds.len() + 1], 0.0, 0);
        let row = rows.entry((server.to_owned(), stage.to_owned())).or_insert_with(new);
        let bucket = self.bounds.iter().position(|bound| seconds <= *bound).unwrap_or(self.bounds.len());
        row.0[bucket] += 1;
        row.1 += seconds;
        row.2 += 1;
    }
}

/// The body of a refusal.
pub fn refusal(id: &serde_json::Value, code: i32, message: &str, reason: &str) -> Vec<u8> {
    let error = json!({ "code": code, "message": message, "data": { "reason": reason } });
    serde_json::to_vec(&json!({ "jsonrpc": "2.0", "id": id, "error": error })).unwrap()
}

/// A stream of events, taken apart at its empty lines and written again.
pub fn pass_events(buffer: &mut String, piece: &[u8], out: &mut Vec<u8>) {
    buffer.push_str(&String::from_utf8_lossy(piece));
    while let Some(end) = buffer.find("\r\n\r\n") {
        let event: String = buffer.drain(..end + 4).collect();
        let (mut name, mut data) = (None, Vec::new());
        for line in event.lines() {
            match line.split_once(": ") {
                Some(("event", value)) => name = Some(value.to_owned()),
                Some(("data", value)) => data.push(value.to_owned()),
                _ => {}
            }
        }
        if let Some(name) = name {
            out.extend_from_slice(format!("event: {name}\r\n").as_bytes());
        }
        for line in data {
            out.extend_from_slice(format!("data: {line}\r\n").as_bytes());
        }
        out.extend_from_slice(b"\r\n");
    }
}
