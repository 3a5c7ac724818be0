//! A client of HTTP/2 that sends exactly the frames it is told, valid or not.
//!
//! Headers are written as literals without indexing and without Huffman's code; of what comes
//! back it reads what a case needs: statuses, bodies, resets and the end.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned};

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const PRIORITY: u8 = 2;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PING: u8 = 6;
pub(super) const GOAWAY: u8 = 7;
pub(super) const WINDOW_UPDATE: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;

pub(super) const END_STREAM: u8 = 1;
pub(super) const ACK: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What became of a stream.
#[derive(Debug, PartialEq)]
pub(super) enum Outcome {
    Answered(u16, String),
    /// Ended by the server, with this code.
    Reset(u32),
    /// The connection ended.
    Ended,
}

impl Outcome {
    /// Status and `data.reason` of a refusal.
    pub(super) fn reason(&self) -> (u16, String) {
        let Self::Answered(status, body) = self else { return (0, format!("{self:?}")) };
        let body: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
        (*status, body["error"]["data"]["reason"].as_str().unwrap_or_default().into())
    }
}

/// One connection.
pub(super) struct Client {
    stream: StreamOwned<ClientConnection, TcpStream>,
    next: u32,
    ended: bool,
}

impl Client {
    /// Connects with the server's defaults.
    pub(super) fn open(address: SocketAddr) -> Self {
        Self::with_settings(address, &[])
    }

    /// Connects, and tells these settings.
    pub(super) fn with_settings(address: SocketAddr, settings: &[(u16, u32)]) -> Self {
        let tcp = TcpStream::connect(address).unwrap();
        tcp.set_nodelay(true).unwrap();
        tcp.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        tcp.set_write_timeout(Some(Duration::from_secs(2))).unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let tls = ClientConnection::new(Arc::new(config()), name).unwrap();
        let mut client = Self { stream: StreamOwned::new(tls, tcp), next: 1, ended: false };
        // Without a table of headers, no answer can refer to one before it.
        let payload: Vec<u8> = [(1, 0)]
            .iter()
            .chain(settings)
            .flat_map(|(id, value)| id.to_be_bytes().into_iter().chain(value.to_be_bytes()))
            .collect();
        client.send(&[PREFACE, &frame(SETTINGS, 0, 0, &payload)].concat());
        client
    }

    /// Sends bytes as they are; whether the connection took them.
    pub(super) fn send(&mut self, bytes: &[u8]) -> bool {
        let sent = self.stream.write_all(bytes).and_then(|()| self.stream.flush());
        self.ended |= sent.is_err();
        !self.ended
    }

    /// The number of a stream that was not used.
    pub(super) fn stream(&mut self) -> u32 {
        self.next += 2;
        self.next - 2
    }

    /// Sends a request in two frames, its body in one.
    pub(super) fn request(&mut self, headers: &[(&str, &str)], body: &str) -> Outcome {
        let stream = self.stream();
        self.send(&request(stream, headers, body));
        self.outcome(stream)
    }

    /// Reads until a stream has ended.
    pub(super) fn outcome(&mut self, stream: u32) -> Outcome {
        let (mut status, mut body) = (0, Vec::new());
        loop {
            let Some((kind, flags, of, payload)) = self.frame() else {
                self.ended = true;
                return Outcome::Ended;
            };
            match kind {
                SETTINGS if flags & ACK == 0 => drop(self.send(&frame(SETTINGS, ACK, 0, &[]))),
                PING if flags & ACK == 0 => drop(self.send(&frame(PING, ACK, 0, &payload))),
                GOAWAY if payload.get(4..8) != Some(&[0; 4]) => {
                    self.ended = true;
                    return Outcome::Ended;
                }
                RST_STREAM if of == stream => {
                    return Outcome::Reset(u32::from_be_bytes(payload[..4].try_into().unwrap()));
                }
                HEADERS if of == stream => status = read_status(&payload),
                DATA if of == stream => body.extend(payload),
                _ => continue,
            }
            if of == stream && matches!(kind, HEADERS | DATA) && flags & END_STREAM != 0 {
                return Outcome::Answered(status, String::from_utf8_lossy(&body).into_owned());
            }
        }
    }

    /// Reads one frame; `None` at the end.
    pub(super) fn frame(&mut self) -> Option<(u8, u8, u32, Vec<u8>)> {
        let mut head = [0; 9];
        self.stream.read_exact(&mut head).ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let mut payload = vec![0; length];
        self.stream.read_exact(&mut payload).ok()?;
        let stream = u32::from_be_bytes(head[5..9].try_into().unwrap()) & 0x7fff_ffff;
        Some((head[3], head[4], stream, payload))
    }

    pub(super) fn ended(&self) -> bool {
        self.ended
    }

    /// Whether the server ends the connection, which it has this long for.
    pub(super) fn ends_within(&mut self, time: Duration) -> bool {
        let begun = std::time::Instant::now();
        let _ = self.stream.sock.set_read_timeout(Some(time));
        while begun.elapsed() < time {
            match self.frame() {
                Some((GOAWAY, ..)) | None => return begun.elapsed() < time,
                Some(_) => {}
            }
        }
        false
    }
}

/// A frame.
pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// The frames of a request: head, and body where there is one.
pub(super) fn request(stream: u32, headers: &[(&str, &str)], body: &str) -> Vec<u8> {
    let end = if body.is_empty() { END_STREAM } else { 0 };
    let mut frames = frame(HEADERS, END_HEADERS | end, stream, &block(headers));
    if !body.is_empty() {
        frames.extend(frame(DATA, END_STREAM, stream, body.as_bytes()));
    }
    frames
}

/// Headers as literals without indexing (RFC 7541 §6.2.2).
pub(super) fn block(headers: &[(&str, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in headers {
        out.push(0);
        for text in [name, value] {
            integer(&mut out, text.len());
            out.extend_from_slice(text.as_bytes());
        }
    }
    out
}

/// An integer with a prefix of seven bits (RFC 7541 §5.1).
fn integer(out: &mut Vec<u8>, number: usize) {
    if number < 127 {
        return out.push(number as u8);
    }
    out.push(127);
    let mut rest = number - 127;
    while rest >= 128 {
        out.push(128 | (rest % 128) as u8);
        rest /= 128;
    }
    out.push(rest as u8);
}

/// The status of an answer's head, whose first field it is.
fn read_status(block: &[u8]) -> u16 {
    let start = block.iter().position(|byte| byte & 0xe0 != 0x20).unwrap();
    let block = &block[start..];
    match block[0] {
        indexed @ 0x88..=0x8e => [200, 204, 206, 304, 400, 404, 500][usize::from(indexed - 0x88)],
        0x48 | 0x08 | 0x18 if block[1] & 0x80 == 0 => {
            std::str::from_utf8(&block[2..5]).unwrap().parse().unwrap()
        }
        0x48 | 0x08 | 0x18 => huffman_digits(&block[2..2 + usize::from(block[1] & 0x7f)]),
        other => panic!("a status that is told as {other:#x}"),
    }
}

/// Three digits in Huffman's code of HPACK: 0 to 2 take five bits, 3 to 9 six.
fn huffman_digits(bytes: &[u8]) -> u16 {
    let bits: Vec<u16> =
        bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| u16::from(byte >> bit & 1))).collect();
    let read = |from: usize, count: usize| bits[from..from + count].iter().fold(0, |sum, bit| sum * 2 + bit);
    let (mut at, mut number) = (0, 0);
    for _ in 0..3 {
        let short = read(at, 5);
        let (digit, count) = if short < 3 { (short, 5) } else { (read(at, 6) - 0b01_1001 + 3, 6) };
        number = number * 10 + digit;
        at += count;
    }
    number
}

fn config() -> ClientConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config =
        builder.dangerous().with_custom_certificate_verifier(Arc::new(Anyone)).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    config
}

/// The certificate was made for this test; whose it is does not matter here.
#[derive(Debug)]
struct Anyone;

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

#[test]
fn statuses_are_read_in_every_way_they_are_told() {
    assert_eq!(read_status(&[0x88]), 200);
    assert_eq!(read_status(&[0x20, 0x8d]), 404);
    assert_eq!(read_status(b"\x48\x03421"), 421);
    // 302, as RFC 7541 C.4 tells it.
    assert_eq!(read_status(&[0x48, 0x82, 0x64, 0x02]), 302);
    let mut out = Vec::new();
    integer(&mut out, 1337 + 96);
    assert_eq!(out, [127, 0x9a, 10]);
}
