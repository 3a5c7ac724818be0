//! Reads the corpus: bodies that parsers read differently, and odd ones that are legal.
//!
//! The unit tests of the reader, the differential test and whoever seeds a fuzz target include
//! this file by its path, so it names nothing of the crate. `bodies/README.md` describes the
//! format. It must never give a body that differs from what its line says.

/// The files of bodies.
const FILES: [&str; 7] = [
    include_str!("bodies/duplicates.txt"),
    include_str!("bodies/look_alikes.txt"),
    include_str!("bodies/encoding.txt"),
    include_str!("bodies/syntax.txt"),
    include_str!("bodies/shapes.txt"),
    include_str!("bodies/subjects.txt"),
    include_str!("bodies/legal.txt"),
];

/// The `_meta` that a modern message needs, as it stands behind another member.
const MODERN: &str = r#","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#;

/// What becomes of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// It reaches the upstream as it is, once.
    Passes,
    /// It is refused, with this JSON-RPC code. A body whose shape is wrong beside its other
    /// faults may be refused for either.
    Refused(i64),
}

/// One body of one shape.
#[derive(Clone, Debug)]
pub struct Body {
    /// Its line's name and its shape's.
    pub name: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Whether it carries the modern `_meta`, and is to be sent with modern headers.
    pub modern: bool,
    /// Whether its line names its era: with the headers of the other one it may be something else.
    pub of_one_era: bool,
    /// Whether the shape itself is wrong, whatever else is.
    pub misshapen: bool,
    /// What becomes of it.
    pub expected: Expected,
    /// The bytes of the id that a refusal carries; `None` when it carries null.
    pub id: Option<String>,
    /// Its `Content-Type`.
    pub media: String,
}

/// A shape: how a message's id is written, and what stands around the message.
struct Shape {
    name: &'static str,
    /// Members in place of `⟦id⟧`, each with its comma.
    members: &'static str,
    /// The id that a refusal carries.
    id: Option<&'static str>,
    around: (&'static str, &'static str),
    legal: bool,
}

const fn legal(name: &'static str, members: &'static str, id: &'static str) -> Shape {
    Shape { name, members, id: Some(id), around: ("", ""), legal: true }
}

const fn odd(name: &'static str, members: &'static str, id: Option<&'static str>) -> Shape {
    Shape { name, members, id, around: ("", ""), legal: false }
}

const fn batch(name: &'static str, before: &'static str, after: &'static str) -> Shape {
    Shape { name, members: r#""id":7,"#, id: None, around: (before, after), legal: false }
}

const SHAPES: [Shape; 30] = [
    legal("request", r#""id":7,"#, "7"),
    legal("id-zero", r#""id":0,"#, "0"),
    legal("id-empty-text", r#""id":"","#, r#""""#),
    legal("id-escaped-text", r#""\u0069d":"\u0061 \ud83d\ude00","#, r#""\u0061 \ud83d\ude00""#),
    legal("id-negative", r#""id":-1,"#, "-1"),
    legal("id-beyond-53-bits", r#""id":9007199254740993,"#, "9007199254740993"),
    legal("id-beyond-64-bits", r#""id":123456789012345678901234567890,"#, "123456789012345678901234567890"),
    odd("notification", "", None),
    odd("id-null", r#""id":null,"#, None),
    odd("id-fraction", r#""id":1.5,"#, None),
    odd("id-whole-fraction", r#""id":1.0,"#, None),
    odd("id-exponent", r#""id":1E0,"#, None),
    odd("id-huge", r#""id":1e400,"#, None),
    odd("id-true", r#""id":true,"#, None),
    odd("id-object", r#""id":{},"#, None),
    odd("id-array", r#""id":[7],"#, None),
    odd("id-capital", r#""Id":7,"#, None),
    odd("id-twice", r#""id":7,"id":8,"#, None),
    odd("with-result", r#""id":7,"result":{},"#, Some("7")),
    odd("with-null-result", r#""id":7,"result":null,"#, Some("7")),
    odd("with-error", r#""id":7,"error":{"code":1,"message":"x"},"#, Some("7")),
    odd("with-result-and-no-id", r#""result":{},"#, None),
    odd("with-error-and-id-null", r#""id":null,"error":{"code":1,"message":"x"},"#, None),
    batch("batch", "[", "]"),
    batch("batch-in-a-batch", "[[", "]]"),
    batch("batch-deep", "[[[[[[", "]]]]]]"),
    batch("batch-behind-a-ping", r#"[{"jsonrpc":"2.0","id":1,"method":"ping"},"#, "]"),
    batch("batch-before-a-ping", "[", r#",{"jsonrpc":"2.0","id":1,"method":"ping"}]"#),
    batch("batch-behind-a-notification", r#"[{"jsonrpc":"2.0","method":"notifications/initialized"},"#, "]"),
    batch("batch-behind-white-space", " \n[", "]"),
];

/// Every body, in every shape and both eras.
pub fn bodies() -> Vec<Body> {
    let lines = FILES.iter().flat_map(|file| file.lines());
    lines.filter(|line| !line.is_empty() && !line.starts_with('#')).flat_map(expand).collect()
}

/// The bodies of one line.
fn expand(line: &str) -> Vec<Body> {
    let mut parts = line.splitn(3, " | ");
    let (Some(name), Some(wanted), Some(template)) = (parts.next(), parts.next(), parts.next()) else {
        panic!("a line has a name, an expectation and a body: {line}")
    };
    let mut words = wanted.split(' ');
    let expected = match words.next() {
        Some("passes") => Expected::Passes,
        code => {
            Expected::Refused(code.and_then(|code| code.parse().ok()).unwrap_or_else(|| panic!("{line}")))
        }
    };
    let (mut id, mut era, mut media) = (None, None, "application/json");
    for word in words {
        match word.split_once('=') {
            Some(("id", raw)) => id = Some(raw),
            Some(("era", name)) => era = Some(name),
            Some(("type", name)) => media = name,
            _ => panic!("no such word: {word} in {line}"),
        }
    }
    // A line that has a place for `_meta` is of both eras, unless it says of which it is.
    let eras: &[bool] = match era {
        Some("modern") => &[true],
        None if template.contains("⟦meta⟧") => &[false, true],
        _ => &[false],
    };
    let shapes = if template.contains("⟦id⟧") { &SHAPES[..] } else { &SHAPES[..1] };
    let mut bodies = Vec::new();
    for modern in eras {
        for shape in shapes {
            let own = if template.contains("⟦id⟧") { shape.id } else { None };
            let syntax = expected == Expected::Refused(-32700);
            let id = id.or(own).filter(|raw| *raw != "null" && !syntax).map(str::to_owned);
            let meta = if *modern { MODERN } else { "" };
            let (before, after) = shape.around;
            bodies.push(Body {
                name: format!("{name} {} {}", shape.name, if *modern { "modern" } else { "legacy" }),
                bytes: [before.as_bytes(), &write(template, shape.members, meta), after.as_bytes()].concat(),
                modern: *modern,
                of_one_era: era.is_some(),
                misshapen: !shape.legal,
                expected: if shape.legal { expected } else { misshapen(expected) },
                id: id.filter(|_| shape.around == ("", "")),
                media: media.to_owned(),
            });
        }
    }
    bodies
}

/// What becomes of a line's body when its shape is wrong as well.
fn misshapen(expected: Expected) -> Expected {
    match expected {
        Expected::Passes => Expected::Refused(-32600),
        Expected::Refused(code) => Expected::Refused(code),
    }
}

/// Fills a template in.
fn write(template: &str, members: &str, meta: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (index, piece) in template.split('⟦').enumerate() {
        let Some((code, text)) = piece.split_once('⟧').filter(|_| index > 0) else {
            bytes.extend_from_slice(piece.as_bytes());
            continue;
        };
        match code {
            "id" => bytes.extend_from_slice(members.as_bytes()),
            "meta" => bytes.extend_from_slice(meta.as_bytes()),
            _ => bytes.extend(spell(code)),
        }
        bytes.extend_from_slice(text.as_bytes());
    }
    bytes
}

/// A text so many times, or bytes in hexadecimal.
fn spell(code: &str) -> Vec<u8> {
    if let Some((repeated, times)) = code.rsplit_once('*') {
        return repeated.repeat(times.parse().unwrap()).into_bytes();
    }
    code.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
}
