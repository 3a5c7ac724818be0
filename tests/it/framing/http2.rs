//! HTTP/2 at the level of frames: what h2 leaves to its user is as strict as with HTTP/1.1, and
//! the request that is made of it for the upstream is clean.

use super::h2::{
    CONTINUATION, Client, DATA, END_HEADERS, END_STREAM, HEADERS, Outcome, RST_STREAM, WINDOW_UPDATE, block,
    frame, request,
};
use super::{Ground, marked};
use crate::world::call;

/// What must come of a case.
#[derive(Clone, Copy, Debug)]
enum Want {
    /// Forwarded, once, and answered.
    Served,
    /// Status and reason; nothing forwarded.
    Refused(u16, &'static str),
    /// The stream was reset or the connection ended; nothing forwarded.
    Broken,
    /// One of the two: which, is a matter of timing.
    RefusedOrBroken,
}
use Want::{Broken, Refused, RefusedOrBroken, Served};

const MALFORMED: Want = Refused(400, "malformed_request");
const HOST: Want = Refused(421, "host_denied");
const NOWHERE: Want = Refused(404, "route_unknown");
const MISMATCH: Want = Refused(400, "header_mismatch");

type Fields = Vec<(String, String)>;

#[derive(Clone)]
struct Case {
    name: String,
    /// Frames on stream 1, made of the usual headers and body.
    frames: Vec<u8>,
    want: Want,
}

impl Ground {
    /// The headers of a call over HTTP/2.
    pub(super) fn fields(&self, tool: &str) -> Fields {
        let bearer = format!("Bearer {}", self.key);
        [
            (":method", "POST"),
            (":scheme", "https"),
            (":authority", "localhost"),
            (":path", "/crm/mcp"),
            ("content-type", "application/json"),
            ("accept", "application/json, text/event-stream"),
            ("mcp-protocol-version", "2026-07-28"),
            ("mcp-method", "tools/call"),
            ("mcp-name", tool),
            ("authorization", &bearer),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
    }

    /// Calls on this connection, and gets the answer to this very call.
    pub(super) fn innocent_h2(&self, client: &mut Client, case: &str) {
        let body = marked();
        let before = self.seen();
        let outcome = client.request(&borrowed(&self.fields("crm.read_long")), &body);
        assert_eq!(outcome, Outcome::Answered(200, body), "the call after {case}");
        assert_eq!(self.arrived(before, case), 1, "the call after {case}");
    }
}

pub(super) fn borrowed(fields: &Fields) -> Vec<(&str, &str)> {
    fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

#[test]
fn one_clean_request_or_a_refusal() {
    let ground = Ground::tls("");
    let cases = [heads(&ground), bodies(&ground)].concat();
    assert!(cases.len() >= 60, "{}", cases.len());
    let mut beside = Client::open(ground.gateway.address);
    for Case { name, frames, want } in &cases {
        let before = ground.seen();
        let mut client = Client::open(ground.gateway.address);
        let stream = client.stream();
        client.send(frames);
        let outcome = client.outcome(stream);
        match want {
            Served => assert_eq!(outcome.reason().0, 200, "{name}: {outcome:?}"),
            Refused(status, reason) => {
                assert_eq!(outcome.reason(), (*status, (*reason).into()), "{name}: {outcome:?}");
            }
            Broken => assert!(matches!(outcome, Outcome::Reset(_) | Outcome::Ended), "{name}: {outcome:?}"),
            RefusedOrBroken => assert!(outcome.reason().0 != 200, "{name}: {outcome:?}"),
        }
        assert_eq!(
            ground.arrived(before, name),
            usize::from(matches!(want, Served)),
            "{name}: requests upstream"
        );
        if !client.ended() {
            ground.innocent_h2(&mut client, name);
        }
        ground.innocent_h2(&mut beside, name);
    }
    println!("measured: HTTP/2, {} cases, each one clean request or a refusal", cases.len());
}

/// Cases that differ in their headers.
fn heads(ground: &Ground) -> Vec<Case> {
    let usual = ground.fields("crm.read_x");
    let body = call("crm.read_x");
    let length = body.len().to_string();
    let key = ground.key.as_str();
    let mut cases = Vec::new();
    let mut case = |name: &str, fields: &Fields, want: Want| {
        cases.push(Case { name: name.into(), frames: request(1, &borrowed(fields), &body), want });
    };
    // One pseudo-header changed, left out, or told twice.
    for (name, value, want) in [
        (":path", Some("/crm/mcp?api_key=x"), Served),
        (":authority", Some("LOCALHOST:8443"), Served),
        (":scheme", Some("http"), Served),
        (":path", Some("/crm%2fmcp"), NOWHERE),
        (":path", Some("//localhost/crm/mcp"), NOWHERE),
        (":path", Some("/crm/../crm/mcp"), NOWHERE),
        (":path", Some("/crm\\mcp"), RefusedOrBroken),
        (":path", Some("*"), RefusedOrBroken),
        (":path", Some("crm/mcp"), RefusedOrBroken),
        (":path", Some("https://localhost/crm/mcp"), RefusedOrBroken),
        (":path", Some(""), Broken),
        (":path", Some("/crm/mcp x"), Broken),
        (":path", Some("/crm/mcp\r\nx: y"), Broken),
        (":path", None, RefusedOrBroken),
        (":method", None, Broken),
        (":method", Some(""), Broken),
        (":method", Some("PO ST"), Broken),
        (":method", Some("POST / HTTP/1.1\r\nx"), Broken),
        (":method", Some("post"), Refused(405, "method_not_allowed")),
        (":method", Some("TRACE"), Refused(405, "method_not_allowed")),
        (":method", Some("CONNECT"), RefusedOrBroken),
        (":scheme", None, Broken),
        (":scheme", Some("ftp"), MALFORMED),
        (":scheme", Some("javascript"), MALFORMED),
        (":scheme", Some("ht tp"), Broken),
        (":authority", None, HOST),
        (":authority", Some(""), RefusedOrBroken),
        (":authority", Some("evil.example"), HOST),
        (":authority", Some("user@localhost"), HOST),
        (":authority", Some("localhost, evil"), Broken),
        (":authority", Some("localhost/crm"), Broken),
    ] {
        let mut fields = usual.clone();
        match value {
            Some(value) => {
                fields.iter_mut().filter(|field| field.0 == name).for_each(|field| field.1 = value.into());
            }
            None => fields.retain(|field| field.0 != name),
        }
        case(&format!("{name} {value:?}"), &fields, want);
    }
    for name in [":method", ":scheme", ":authority", ":path"] {
        let mut fields = usual.clone();
        let twice = fields.iter().find(|field| field.0 == name).unwrap().clone();
        fields.insert(0, twice);
        case(&format!("{name} twice"), &fields, Broken);
        fields.rotate_left(1);
        case(&format!("{name} last"), &fields, Broken);
    }
    // One header more.
    for (name, value, want) in [
        ("content-length", length.as_str(), Served),
        ("te", "trailers", Served),
        ("expect", "100-continue", Served),
        ("cookie", key, Served),
        ("x-http-method-override", "DELETE", Served),
        (":status", "200", Broken),
        (":unknown", "x", Broken),
        (":protocol", "websocket", Broken),
        ("Mcp-Name", "crm.read_x", Broken),
        ("connection", "close", Broken),
        ("transfer-encoding", "chunked", Broken),
        ("upgrade", "h2c", Broken),
        ("keep-alive", "timeout=5", Broken),
        ("proxy-connection", "keep-alive", Broken),
        ("te", "gzip", Broken),
        ("x", "a\r\nb: c", Broken),
        ("x", "a\nb", Broken),
        ("x", "a\0b", Broken),
        ("x y", "z", Broken),
        ("x:y", "z", Broken),
        ("x\r\ny", "z", Broken),
        ("", "z", Broken),
        ("content-length", "5", RefusedOrBroken),
        ("content-length", "99999", RefusedOrBroken),
        ("content-length", "+5", RefusedOrBroken),
        ("content-length", "18446744073709551616", RefusedOrBroken),
        ("host", "localhost", Served),
        ("host", "evil.example", HOST),
        ("expect", "200-ok", MALFORMED),
        ("mcp_name", "crm.read_y", MALFORMED),
        ("transfer_encoding", "chunked", MALFORMED),
        ("mcp-name", "crm.read_x", MISMATCH),
        ("mcp-protocol-version", "2025-06-18", MISMATCH),
        ("authorization", "Bearer x", Refused(400, "conflicting_keys")),
        ("content-type", "text/plain", Refused(415, "unsupported_media_type")),
        ("content-encoding", "gzip", Refused(415, "unsupported_media_type")),
        ("origin", "https://evil.example", Refused(403, "origin_denied")),
    ] {
        let mut fields = usual.clone();
        fields.push((name.into(), value.into()));
        case(&format!("{name:?}: {value:?}"), &fields, want);
    }
    let mut lengths = usual.clone();
    lengths.extend([
        ("content-length".to_owned(), length.clone()),
        ("content-length".to_owned(), "5".to_owned()),
    ]);
    case("two lengths", &lengths, RefusedOrBroken);
    let mut hosts = usual.clone();
    hosts.retain(|field| field.0 != ":authority");
    hosts.extend([("host".to_owned(), "localhost".to_owned()), ("host".to_owned(), "evil".to_owned())]);
    case("two hosts", &hosts, HOST);
    let mut many = usual.clone();
    many.extend((0..101).map(|number| (format!("x-{number}"), "y".to_owned())));
    case("101 headers", &many, Refused(431, "headers_too_large"));
    let mut extended = usual;
    extended[0].1 = "CONNECT".into();
    extended.insert(1, (":protocol".into(), "websocket".into()));
    case("extended CONNECT", &extended, Broken);
    cases
}

/// Cases that differ in their frames.
fn bodies(ground: &Ground) -> Vec<Case> {
    let usual = block(&borrowed(&ground.fields("crm.read_x")));
    let body = call("crm.read_x");
    let head = frame(HEADERS, END_HEADERS, 1, &usual);
    let whole = frame(DATA, END_STREAM, 1, body.as_bytes());
    let open = frame(DATA, 0, 1, body.as_bytes());
    let trailers = |fields: &[(&str, &str)]| frame(HEADERS, END_HEADERS | END_STREAM, 1, &block(fields));
    let (first, second) = usual.split_at(20);
    let padded = [&[3][..], body.as_bytes(), &[0; 3]].concat();
    let large = "x".repeat(20_000);
    let long: Vec<_> = (0..5).map(|_| ("x", large.as_str())).collect();
    let mut old = ground.fields("crm.read_x");
    old.retain(|(name, _)| name.starts_with(':') || name == "authorization");
    old[0].1 = "GET".into();
    old.push(("mcp-protocol-version".into(), "2025-06-18".into()));
    let get = block(&borrowed(&old));
    [
        ("as usual", [&head[..], &whole].concat(), Served),
        (
            "a head in two",
            [frame(HEADERS, 0, 1, first), frame(CONTINUATION, END_HEADERS, 1, second), whole.clone()]
                .concat(),
            Served,
        ),
        ("padding", [&head[..], &frame(DATA, END_STREAM | 8, 1, &padded)].concat(), Served),
        ("trailers", [&head[..], &open, &trailers(&[("x", "y"), ("mcp-name", "other")])].concat(), Served),
        (
            "pieces",
            [
                &head[..],
                &frame(DATA, 0, 1, &body.as_bytes()[..9]),
                &frame(DATA, 0, 1, &body.as_bytes()[9..]),
                &frame(DATA, END_STREAM, 1, &[]),
            ]
            .concat(),
            Served,
        ),
        ("no body", frame(HEADERS, END_HEADERS | END_STREAM, 1, &usual), Refused(400, "parse_error")),
        // h2 does not look; trailers are dropped whatever they hold.
        ("trailers with a pseudo-header", [&head[..], &open, &trailers(&[(":path", "/x")])].concat(), Served),
        (
            "trailers that do not end",
            [&head[..], &open, &frame(HEADERS, END_HEADERS, 1, &block(&[("x", "y")]))].concat(),
            RefusedOrBroken,
        ),
        (
            "trailers of the connection",
            [&head[..], &open, &trailers(&[("transfer-encoding", "chunked")])].concat(),
            RefusedOrBroken,
        ),
        (
            "padding beyond the frame",
            [&head[..], &frame(DATA, END_STREAM | 8, 1, &[200, b'{'])].concat(),
            Broken,
        ),
        ("another frame in a head", [frame(HEADERS, 0, 1, first), whole.clone()].concat(), Broken),
        (
            "a head of another stream in a head",
            [frame(HEADERS, 0, 1, first), frame(CONTINUATION, END_HEADERS, 3, second)].concat(),
            Broken,
        ),
        ("data before a head", whole.clone(), Broken),
        ("data on the connection", frame(DATA, 0, 0, b"x"), Broken),
        ("a head on an even stream", frame(HEADERS, END_HEADERS | END_STREAM, 2, &usual), Broken),
        ("a head on the connection", frame(HEADERS, END_HEADERS | END_STREAM, 0, &usual), Broken),
        ("a frame too long", frame(DATA, 0, 1, &vec![0; 16_385]), Broken),
        (
            "a header table that is none",
            frame(HEADERS, END_HEADERS | END_STREAM, 1, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
            Broken,
        ),
        (
            "a header cut short",
            frame(HEADERS, END_HEADERS | END_STREAM, 1, &usual[..usual.len() - 3]),
            Broken,
        ),
        ("a window of nothing", [&head[..], &frame(WINDOW_UPDATE, 0, 1, &[0; 4])].concat(), Broken),
        (
            "a window beyond its limit",
            [&head[..], &frame(WINDOW_UPDATE, 0, 1, &0x7fff_ffff_u32.to_be_bytes())].concat(),
            Broken,
        ),
        (
            "a window of the connection beyond its limit",
            [&head[..], &frame(WINDOW_UPDATE, 0, 0, &0x7fff_ffff_u32.to_be_bytes())].concat(),
            Broken,
        ),
        (
            "a stream that depends on itself",
            frame(HEADERS, END_HEADERS | END_STREAM | 0x20, 1, &[&[0, 0, 0, 1, 0][..], &usual].concat()),
            Broken,
        ),
        ("reset before it began", frame(RST_STREAM, 0, 1, &[0; 4]), Broken),
        ("headers too long", frames_of(1, &block(&long)), RefusedOrBroken),
        ("GET with a body", [&frame(HEADERS, END_HEADERS, 1, &get)[..], &whole].concat(), MALFORMED),
        (
            "GET",
            frame(
                HEADERS,
                END_HEADERS | END_STREAM,
                1,
                &[&get[..], &block(&[("last-event-id", "1")])].concat(),
            ),
            Served,
        ),
    ]
    .map(|(name, frames, want)| Case { name: name.into(), frames, want })
    .to_vec()
}

/// A head in as many frames as it takes.
fn frames_of(stream: u32, block: &[u8]) -> Vec<u8> {
    let mut pieces: Vec<Vec<u8>> = block
        .chunks(16_000)
        .enumerate()
        .map(|(number, piece)| {
            let (kind, flags) = if number == 0 { (HEADERS, END_STREAM) } else { (CONTINUATION, 0) };
            frame(kind, flags, stream, piece)
        })
        .collect();
    if let Some(last) = pieces.last_mut() {
        last[4] |= END_HEADERS;
    }
    pieces.concat()
}
