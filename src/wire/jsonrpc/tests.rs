//! Hostile and odd bodies against both readers, which must be of one mind.

use proptest::prelude::{Strategy, any, prop_assert_eq, proptest};
use proptest::sample::select;

use super::slow;
use super::{Envelope, Fault, Flaw, Message, MetaVersion, Scratch, Subject};
use crate::base::bounds;
use crate::wire::mcp::{Method, ProtocolVersion};

/// Reads with both; where the fast reader commits itself, it must agree with the slow one.
fn read(body: &[u8]) -> Result<Envelope, Fault> {
    let slow = slow::read_envelope(body);
    let mut scratch = Scratch::new();
    if let Ok(fast) = scratch.read_fast(body) {
        assert_eq!(plain(&fast, body), plain(&slow, body), "{}", String::from_utf8_lossy(body));
    }
    assert_eq!(plain(&scratch.read(body), body), plain(&slow, body));
    slow
}

/// Texts as texts: the readers may differ in where they found them.
fn plain(read: &Result<Envelope, Fault>, body: &[u8]) -> String {
    match read {
        Err(fault) => format!("{fault:?}"),
        Ok(e) => {
            let subject = match &e.subject {
                Subject::Tool(t) => format!("tool {}", t.in_body(body)),
                Subject::Prompt(t) => format!("prompt {}", t.in_body(body)),
                Subject::Resource(t) => format!("resource {}", t.in_body(body)),
                Subject::Subscription { resources, tasks } => {
                    let uris: Vec<_> = resources.iter().map(|t| t.in_body(body)).collect();
                    format!("subscription {uris:?} {tasks}")
                }
                other => format!("{other:?}"),
            };
            let version = match &e.version {
                MetaVersion::Unknown(t) => format!("unknown {}", t.in_body(body)),
                other => format!("{other:?}"),
            };
            let mut id = crate::base::text::Text::<30>::EMPTY;
            e.id.note(body, &mut id);
            let trace = e.traceparent;
            format!(
                "{:?} {id:?} {:?} {subject} {version} {} {trace:?}",
                e.message, e.method, e.has_capabilities
            )
        }
    }
}

fn flaw(body: &str) -> Option<Flaw> {
    read(body.as_bytes()).err().map(|fault| fault.0)
}

fn tool(body: &str) -> String {
    match read(body.as_bytes()).unwrap_or_else(|fault| panic!("{fault:?}: {body}")).subject {
        Subject::Tool(text) => text.in_body(body.as_bytes()).to_owned(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_call_is_read_whatever_the_order_of_its_members() {
    for body in [
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{}}}"#,
        r#"{"method":"tools/call","params":{"arguments":{"name":"x"},"name":"echo"},"jsonrpc":"2.0","id":0}"#,
        r#" { "id" : "" , "params" : { "name" : "echo" } , "jsonrpc" : "2.0" , "method" : "tools/call" } "#,
        r#"{"jsonrpc":"2.0","id":123456789012345678901234567890,"method":"tools/call","params":{"name":"echo"}}"#,
        r#"{"jsonrpc":"2.0","id":-5,"method":"tools/call","params":{"name":"echo","arguments":{"n":1e999,"s":"\ud800"}}}"#,
        r#"{"jsonrpc":"2.0","id":1,"extra":[],"method":"tools/call","params":{"name":"echo","name2":1}}"#,
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"\\u006dethod\":\"tools\\/call\",\"params\":{\"n\\u0061me\":\"\\u0065cho\"}}",
    ] {
        assert_eq!(tool(body), "echo");
    }
}

#[test]
fn names_are_unescaped_and_otherwise_untouched() {
    let call = |name: &str| {
        tool(&format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{name}"}}}}"#))
    };
    assert_eq!(call(r"a\u00e9\n\ud83d\ude00"), "aé\n😀");
    assert_eq!(call("écho 😀"), "écho 😀");
    assert_eq!(call(" Echo "), " Echo ");
}

#[test]
fn what_two_readers_could_take_differently_is_refused() {
    let call = |top: &str, params: &str| {
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call"{top},"params":{{"name":"echo"{params}}}}}"#)
    };
    assert_eq!(flaw(&call("", "")), None);
    for top in [
        r#","method":"ping""#,
        r#","id":2"#,
        r#","jsonrpc":"2.0""#,
        r#","params":{}"#,
        r#","\u006dethod":"ping""#,
    ] {
        assert_eq!(flaw(&call(top, "")), Some(Flaw::Duplicate), "{top}");
    }
    for params in [
        r#","name":"other""#,
        r#","_meta":{},"_meta":{}"#,
        r#","arguments":{},"arguments":{}"#,
        r#","uri":"a","uri":"b""#,
    ] {
        assert_eq!(flaw(&call("", params)), Some(Flaw::Duplicate), "{params}");
    }
    for top in [
        r#","Method":"ping""#,
        r#","METHOD":1"#,
        r#","method\u0000":"ping""#,
        r#","paramſ":{}"#,
        r#","Id":2"#,
    ] {
        assert_eq!(flaw(&call(top, "")), Some(Flaw::LookAlike), "{top}");
    }
    for params in [r#","Name":"other""#, r#","name\u0000":"x""#, r#","_META":{}"#, r#","tasKId":"x""#] {
        let params = params.replace("tasK", "tas\u{212a}");
        assert_eq!(flaw(&call("", &params)), Some(Flaw::LookAlike), "{params}");
    }
    assert_eq!(flaw(&call(r#","result":{}"#, "")), Some(Flaw::Shape));
    assert_eq!(flaw(&call(r#","error":{}"#, "")), Some(Flaw::Shape));
}

#[test]
fn shapes_that_are_no_message_are_refused() {
    let cases = [
        ("", Flaw::Syntax),
        ("{", Flaw::Syntax),
        ("\u{feff}{}", Flaw::Syntax),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping"}{}"#, Flaw::Syntax),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping",}"#, Flaw::Syntax),
        (r#"{"jsonrpc":"2.0","id":01,"method":"ping"}"#, Flaw::Syntax),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping"}\0"#, Flaw::Syntax),
        ("[]", Flaw::Batch),
        (r#"[{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo"}}]"#, Flaw::Batch),
        ("1", Flaw::NotAnObject),
        (r#""ping""#, Flaw::NotAnObject),
        ("null", Flaw::NotAnObject),
        (r#"{"id":1,"method":"ping"}"#, Flaw::Version),
        (r#"{"jsonrpc":2.0,"id":1,"method":"ping"}"#, Flaw::Version),
        (r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, Flaw::Version),
        (r#"{"jsonrpc":"2.0","id":1}"#, Flaw::Shape),
        (r#"{"jsonrpc":"2.0","result":{}}"#, Flaw::Shape),
        (r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{}}"#, Flaw::Shape),
        (r#"{"jsonrpc":"2.0","id":1,"method":5}"#, Flaw::Type),
        (r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":[]}"#, Flaw::Type),
        (r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":5}}"#, Flaw::Type),
        (r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","_meta":5}}"#, Flaw::Type),
        (r#"{"jsonrpc":"2.0","id":1,"method":"tools/call"}"#, Flaw::NoName),
        (r#"{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"name":"a"}}"#, Flaw::NoName),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"completion/complete","params":{"ref":{"type":"x"}}}"#,
            Flaw::NoName,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"completion/complete","params":{"ref":{"type":"ref/prompt","name":"a","uri":"b"}}}"#,
            Flaw::TwoNames,
        ),
        (r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"\ud800"}}"#, Flaw::Text),
        // A call without an id is no notification, and a notification has none.
        (r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"echo"}}"#, Flaw::IdForMethod),
        (r#"{"jsonrpc":"2.0","id":1,"method":"notifications/initialized"}"#, Flaw::IdForMethod),
    ];
    for (body, want) in cases {
        assert_eq!(flaw(body), Some(want), "{body}");
    }
    assert_eq!(read(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\xff\"}").err(), Some(Fault(Flaw::Syntax)));
    for id in ["null", "1.5", "1.0", "1e3", "true", "{}", "[]"] {
        let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#);
        assert_eq!(flaw(&body), Some(Flaw::Id), "{id}");
    }
}

#[test]
fn bounds_hold_in_both_readers() {
    let nested = |depth: usize| {
        let (open, close) = ("[".repeat(depth), "]".repeat(depth));
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"ping","params":{{"a":{open}{close}}}}}"#)
    };
    // The message and its params are two levels.
    assert_eq!(flaw(&nested(bounds::JSON_DEPTH - 2)), None);
    assert_eq!(flaw(&nested(bounds::JSON_DEPTH - 1)), Some(Flaw::Depth));
    assert_eq!(flaw(&nested(100_000)), Some(Flaw::Depth));
    let named = |length: usize| {
        let name = "a".repeat(length);
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{name}"}}}}"#)
    };
    assert_eq!(flaw(&named(bounds::NAME_BYTES)), None);
    assert_eq!(flaw(&named(bounds::NAME_BYTES + 1)), Some(Flaw::TooLong));
    let watched = |count: usize| {
        let uris = vec![r#""a://b""#; count].join(",");
        format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{{"_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}},"notifications":{{"resourceSubscriptions":[{uris}]}}}}}}"#
        )
    };
    assert_eq!(flaw(&watched(bounds::SUBSCRIPTIONS)), None);
    assert_eq!(flaw(&watched(bounds::SUBSCRIPTIONS + 1)), Some(Flaw::TooLong));
}

#[test]
fn versions_and_subjects_are_found() {
    let meta = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#;
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"completion/complete","params":{{"ref":{{"type":"ref/prompt","name":"p"}},{meta}}}}}"#
    );
    let envelope = read(body.as_bytes()).unwrap();
    assert_eq!(envelope.version, MetaVersion::Known(ProtocolVersion::V2026_07_28));
    assert!(envelope.has_capabilities);
    assert!(matches!(&envelope.subject, Subject::Prompt(t) if t.in_body(body.as_bytes()) == "p"));
    let answer = read(br#"{"jsonrpc":"2.0","id":"s1","result":{}}"#).unwrap();
    assert_eq!((answer.message, answer.method), (Message::Response, Method::Unknown));
    let twice = body.replace(
        r#""io.modelcontextprotocol/clientCapabilities":{}"#,
        r#""io.modelcontextprotocol/protocolVersion":"2025-11-25""#,
    );
    assert_eq!(flaw(&twice), Some(Flaw::Duplicate));
}

#[test]
fn ids_are_found_as_they_were_written() {
    for id in ["0", "\"\"", "-0", "12345678901234567890123", "\"\\u0041\""] {
        let body = format!(r#"{{"method":"x","id":{id}}}"#);
        assert_eq!(slow::id_bytes(body.as_bytes()), Some(id));
    }
    for body in [r#"{"id":null}"#, r#"{"id":1,"id":2}"#, r#"{"id":1.5}"#, "[]", "nonsense", r#"{"id":{}}"#] {
        assert_eq!(slow::id_bytes(body.as_bytes()), None, "{body}");
    }
}

#[test]
fn ids_are_noted_as_json() {
    let noted = |id: &str| {
        let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#);
        let mut noted = crate::base::text::Text::<30>::EMPTY;
        read(body.as_bytes()).unwrap().id.note(body.as_bytes(), &mut noted);
        String::from_utf8(noted.bytes().to_vec()).unwrap()
    };
    for id in [
        "0",
        "-5",
        "9223372036854775808",
        "18446744073709551615",
        "-9223372036854775808",
        "18446744073709551616",
        "-123456789012345678901234567890123456789012345678901234567890",
        "\"\"",
        "\"a-1\"",
        "\"\u{e9} \u{1f600}\"",
        r#""\"""#,
        r#""\\""#,
        r#""\\\\""#,
    ] {
        assert_eq!(noted(id), id);
    }
    assert_eq!(noted("-0"), "0");
    assert_eq!(noted(r#""\u0041""#), "\"A\"");
    assert_eq!(noted(r#""\ud800""#), "\"\u{fffd}\"");
    let body = br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
    let mut text = crate::base::text::Text::<30>::of(b"before");
    read(body).unwrap().id.note(body, &mut text);
    assert!(text.is_empty());
}

#[test]
fn a_trace_is_found_and_one_that_is_none_refuses_nothing() {
    const TRACE: &str = r#""traceparent":"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01""#;
    let told = |members: &str| {
        let body =
            format!(r#"{{"jsonrpc":"2.0","id":1,"method":"ping","params":{{"_meta":{{{members}}}}}}}"#);
        read(body.as_bytes()).unwrap().traceparent.map(|told| told.write())
    };
    let read = told(TRACE).unwrap();
    assert!(TRACE.contains(std::str::from_utf8(&read).unwrap()));
    let escaped = TRACE.replace("00-4", "0\\u0030-4");
    assert_eq!(told(&format!("{escaped},\"tracestate\":\"a=b\",\"baggage\":7")), Some(read));
    for members in [
        "",
        r#""traceparent":7"#,
        r#""traceparent":null"#,
        r#""traceparent":"""#,
        r#""traceparent":"\ud800""#,
        &format!("{TRACE},{TRACE}"),
        &format!("{TRACE},{TRACE},{TRACE}"),
        &TRACE.replace("traceparent", "Traceparent"),
        &TRACE.replace("4bf9", "4BF9"),
    ] {
        assert_eq!(told(members), None, "{members}");
    }
}

#[test]
fn the_readers_agree_on_the_corpus() {
    use super::corpus::{Expected, bodies};
    let mut seen = std::collections::BTreeSet::new();
    for body in bodies() {
        if !seen.insert(body.bytes.clone()) {
            continue;
        }
        let answer = read(&body.bytes);
        let syntax = answer.as_ref().is_err_and(|fault| fault.0 == Flaw::Syntax);
        // Brackets around two values make one of them.
        let said = syntax == (body.expected == Expected::Refused(-32700)) || body.misshapen;
        assert!(said, "{}: {answer:?}", body.name);
        assert!(answer.is_ok() || body.expected != Expected::Passes, "{}: {answer:?}", body.name);
        if body.id.is_some() {
            assert_eq!(slow::id_bytes(&body.bytes), body.id.as_deref(), "{}", body.name);
        }
    }
}

proptest! {
    /// Bodies put together from what matters, in any order and with anything missing, twice
    /// or odd: the two readers agree.
    #[test]
    fn the_readers_agree_on_assembled_bodies(members in proptest::collection::vec((select(vec![
        "jsonrpc", "id", "method", "params", "result", "error", "Method", "x", "params\u{0}", "\\u0069d"]),
        select(vec![r#""2.0""#, "1", "1.5", "-0", "null", r#""tools/call""#, r#""ping""#, "[]", "{}", "1e400",
            "18446744073709551616", r#"{"name":"a"}"#, r#"{"name":"a","name":"b"}"#, r#"{"Name":"a"}"#,
            r#"{"name":"\ud800"}"#, r#"{"arguments":{"s":"\udc00"},"name":"a"}"#, r#"{"uri":"u","_meta":{"a":1}}"#,
            r#"{"name":"a","_meta":{"traceparent":"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}}"#])), 0..7)) {
        let members: Vec<String> = members.iter().map(|(n, v)| format!("\"{}\":{v}", n.replace('\0', "\\u0000"))).collect();
        let _ = read(format!("{{{}}}", members.join(",")).as_bytes());
    }

    /// Any bytes at all, and any change of one byte of a good body.
    #[test]
    fn the_readers_agree_on_damaged_bodies(at in 0_usize..100, byte in any::<u8>(), noise in proptest::collection::vec(any::<u8>(), 0..40)) {
        let _ = read(&noise);
        let mut body = br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"a":[1,2.5,"x"]}}}"#.to_vec();
        if let Some(place) = body.get_mut(at) {
            *place = byte;
        }
        let _ = read(&body);
    }

    /// Every legal call passes, with names and arguments of any text.
    #[test]
    fn legal_calls_pass(name in "\\PC{1,40}", text in any::<String>(), id in any::<i64>().prop_map(|id| id.to_string())) {
        let body = serde_json::json!({"params": {"arguments": {"text": text}, "name": name}, "method": "tools/call", "jsonrpc": "2.0", "id": 0});
        let body = body.to_string().replace("\"id\":0", &format!("\"id\":{id}"));
        prop_assert_eq!(tool(&body), name);
    }
}
