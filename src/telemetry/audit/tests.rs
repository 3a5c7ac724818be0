//! What is written of a call's arguments: its forms, its bounds, and that no secret is in it.

use std::time::{Duration, Instant};

use proptest::prelude::{Just, Strategy, prop_assert, prop_oneof, proptest};
use proptest::sample::select;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::redact;
use crate::base::bounds;
use crate::wire::inputs::{InputRule, Inputs};
use crate::wire::pointer::Pointer;
use crate::wire::secrets::examples::{Example, examples};

fn rule(inputs: Inputs, allow: &[&str]) -> InputRule {
    InputRule { inputs, allow: allow.iter().map(|text| Pointer::parse(text).unwrap()).collect() }
}

fn body(arguments: &str) -> Vec<u8> {
    format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"t","arguments":{arguments}}}}}"#
    )
    .into_bytes()
}

/// What is written, which is JSON within its bound.
fn written(arguments: &str, rule: &InputRule) -> String {
    let written = redact(&body(arguments), rule).unwrap().get().to_owned();
    assert!(written.len() <= bounds::INPUT_BYTES, "{} bytes", written.len());
    serde_json::from_str::<&RawValue>(&written).unwrap_or_else(|fault| panic!("{fault}: {written}"));
    written
}

fn redacted(arguments: &str, allow: &[&str]) -> String {
    written(arguments, &rule(Inputs::Redacted, allow))
}

fn full(arguments: &str) -> String {
    written(arguments, &rule(Inputs::Full, &[]))
}

#[test]
fn names_and_types_stand_and_values_do_not() {
    let arguments = r#" { "to":"a@example.com", "n":1.5, "ok":true, "none":null, "é":{"a":[1,"\ud83d\ude00é",[]]}, "":{} } "#;
    assert_eq!(
        redacted(arguments, &[]),
        r#"{"to":"<string:13>","n":"<number>","ok":"<boolean>","none":null,"é":{"a":["<number>","<string:2>",[]]},"":{}}"#
    );
    assert_eq!(
        full(arguments),
        r#"{"to":"a@example.com","n":1.5,"ok":true,"none":null,"é":{"a":[1,"😀é",[]]},"":{}}"#
    );
    assert_eq!(redacted("\"text\"", &[]), "\"<string:4>\"");
    assert_eq!(full("7"), "7");
}

#[test]
fn what_the_allow_list_names_stands_with_all_that_is_in_it() {
    let arguments = r#"{"region":"eu","items":[{"sku":"A1","price":3},{"sku":"B2"}],"deep":{"a":{"b":[1,"x"]}},"a/b":"y","0":"z"}"#;
    assert_eq!(
        redacted(arguments, &["/region", "/items/*/sku", "/deep/a", "/a~1b", "/0", "/absent/b"]),
        r#"{"region":"eu","items":[{"sku":"A1","price":"<number>"},{"sku":"B2"}],"deep":{"a":{"b":[1,"x"]}},"a/b":"y","0":"z"}"#
    );
    assert_eq!(
        redacted(arguments, &["/items/1", "/*", "/deep/a/b/0", "/region/x"]),
        r#"{"region":"<string:2>","items":[{"sku":"<string:2>","price":"<number>"},{"sku":"B2"}],"deep":{"a":{"b":[1,"<string:1>"]}},"a/b":"<string:1>","0":"<string:1>"}"#
    );
}

#[test]
fn the_document_shows_what_is_written() {
    let page = include_str!("../../../docs/REDACTION.md");
    let arguments = r#"{"region":"eu","items":[{"sku":"A1","price":3}],"note":"ring twice","card_pin":1234}"#;
    let allow = ["/region", "/items/*/sku"];
    assert!(page.contains(arguments) && page.contains(&format!("allow = {allow:?}")));
    let written = redacted(arguments, &allow);
    assert!(page.contains(&written), "{written}");
}

#[test]
fn nothing_is_written_where_nothing_is_wanted_or_there() {
    let all = rule(Inputs::Full, &[]);
    assert!(redact(&body("{\"a\":1}"), &rule(Inputs::None, &["/a"])).is_none());
    assert!(redact(&body("{\"a\":1}"), &InputRule::default()).is_none());
    for body in
        [r#"{"method":"tools/call"}"#, r#"{"params":{"name":"t"}}"#, r#"{"params":[{"arguments":1}]}"#]
    {
        assert!(redact(body.as_bytes(), &all).is_none(), "{body}");
    }
    // The gateway takes none of these.
    for body in [
        &b"{"[..],
        b"\xff",
        br#"{"params":{"arguments":1,"arguments":2}}"#,
        br#"{"params":{"arguments":{"a":tru}}}"#,
    ] {
        assert_eq!(redact(body, &all).unwrap().get(), "\"<unreadable>\"", "{}", body.escape_ascii());
    }
}

#[test]
fn a_mark_is_nobody_elses() {
    assert_eq!(
        full(r#"{"a":"<string:3>","<cut>":"<","<<":"a<b","b":"<<secret>"}"#),
        r#"{"a":"<<string:3>","<<cut>":"<<","<<<":"a<b","b":"<<<secret>"}"#
    );
}

#[test]
fn secrets_are_not_written_even_where_values_stand() {
    let token = format!("ghp_{}", "a1".repeat(18));
    let arguments = json!({
        "note": format!("use {token} please"),
        &token: {"x": 1},
        "password": "hunter2",
        "nested": [{"apiKey": {"deep": ["x", 1]}}, {"session_id": 77, "otp": null, "tokens": true}],
        "max_tokens": 1000,
        "query": "a=1&access_token=abcdef",
    })
    .to_string();
    let wanted = r#"{"note":"use [secret:github-token] please","[secret:github-token]":{"x":1},"password":"<secret>","nested":[{"apiKey":"<secret>"},{"session_id":"<secret>","otp":null,"tokens":"<secret>"}],"max_tokens":1000,"query":"a=1&access_token=[secret:assignment]"}"#;
    assert_eq!(full(&arguments), wanted);
    let allow = ["/note", "/password", "/nested", "/max_tokens", "/query"];
    assert_eq!(redacted(&arguments, &allow), wanted.replace("{\"x\":1}", "{\"x\":\"<number>\"}"));
    let escaped = format!(r#"{{"p\u0061ssword":"hunter2","a":"\u0067hp\u005f{}"}}"#, "a1".repeat(18));
    assert_eq!(full(&escaped), r#"{"password":"<secret>","a":"[secret:github-token]"}"#);
}

#[test]
fn what_a_neighbour_calls_a_secret_is_one() {
    for (arguments, wanted) in [
        (
            r#"{"headers":[{"name":"X-Api-Key","value":"abc"},{"name":"Accept","value":"abc"}]}"#,
            r#"{"headers":[{"name":"X-Api-Key","value":"<secret>"},{"name":"Accept","value":"abc"}]}"#,
        ),
        (r#"{"Value":"x","Key":"DB_PASSWORD","z":1}"#, r#"{"Value":"<secret>","Key":"DB_PASSWORD","z":1}"#),
        (
            r#"{"value":1,"data":{"v":2,"k":"a"},"id":"token","text":null}"#,
            r#"{"value":"<secret>","data":"<secret>","id":"token","text":"<secret>"}"#,
        ),
        (r#"{"value":null,"id":"token"}"#, r#"{"value":null,"id":"token"}"#),
        (r#"{"name":"reset the password","value":"now"}"#, r#"{"name":"reset the password","value":"now"}"#),
        (
            r#"{"args":["-u","me","--password","hunter2","-v",["cookie",{"a":"b"}]]}"#,
            r#"{"args":["-u","me","--password","<secret>","-v",["cookie","<secret>"]]}"#,
        ),
    ] {
        // What stands for nothing is told as nothing.
        let wanted = wanted.replace("\"text\":\"<secret>\"", "\"text\":null");
        assert_eq!(full(arguments), wanted);
    }
}

#[test]
fn members_that_are_there_twice_stay_so() {
    assert_eq!(full(r#"{"a":1,"a":{"b":2,"b":3}}"#), r#"{"a":1,"a":{"b":2,"b":3}}"#);
}

#[test]
fn numbers_and_texts_that_are_none_elsewhere_are_taken() {
    assert_eq!(
        full("[123456789012345678901234567890,1e999,-0.0]"),
        "[123456789012345678901234567890,1e999,-0.0]"
    );
    assert_eq!(full(&format!("[{}]", "9".repeat(4000))), "[\"<number>\"]");
    assert!(full(r#"["\ud800 x"]"#).ends_with(" x\"]"));
    assert_eq!(redacted(r#"{"\udc00":1}"#, &[]).matches("<number>").count(), 1);
}

#[test]
fn what_is_too_much_is_cut_and_says_so() {
    let many = |count: usize, part: &str| vec![part; count].join(",");
    let parts = bounds::INPUT_PARTS;
    let array = full(&format!("[{}]", many(parts + 3, "1")));
    assert!(array.ends_with(",1,\"<more:3>\"]"), "{array}");
    let object = full(&format!("{{{}}}", many(parts + 1, "\"a\":1")));
    assert!(object.ends_with(",\"a\":1,\"<more:1>\":null}"), "{object}");
    let deep = bounds::INPUT_DEPTH;
    let nested = full(&format!("{}{}", "[".repeat(100), "]".repeat(100)));
    assert_eq!(nested, format!("{}\"<array>\"{}", "[".repeat(deep), "]".repeat(deep)));
    let text = "é".repeat(bounds::INPUT_TEXT_BYTES);
    let wanted = format!("\"<cut:{}>{}\"", text.chars().count(), "é".repeat(bounds::INPUT_TEXT_BYTES / 2));
    assert_eq!(full(&format!("\"{text}\"")), wanted);
    let name = "n".repeat(bounds::INPUT_NAME_BYTES + 1);
    assert_eq!(full(&format!("{{\"{name}\":1}}")), format!("{{\"<name:{}>\":1}}", name.len()));
    let lines = full(&format!("[[{}],2]", many(60, &format!("{{\"a\":\"{}\"}}", "x".repeat(400)))));
    assert!(lines.ends_with(",\"<cut>\"]]"), "{lines}");
    assert!(lines.len() > bounds::INPUT_BYTES - 500);
    let wide = format!("{{\"{}\":{}}}", "w".repeat(200), 1);
    let wide = full(&format!("{{\"a\":{{\"b\":[{}]}}}}", many(100, &wide)));
    assert!(wide.ends_with(",{\"<cut>\":null}]}}"), "{wide}");
    // Characters that take six bytes each as JSON.
    assert_eq!(full(&format!("\"{}\"", "\\u0001".repeat(2100))), "\"<cut>\"");
}

#[test]
fn no_part_of_a_secret_is_left_where_a_text_is_cut() {
    let body = "Zq7".repeat(12);
    for before in bounds::INPUT_TEXT_BYTES - 60..bounds::INPUT_TEXT_BYTES + 2 {
        let out = full(&format!("\"{} ghp_{body} behind\"", "x".repeat(before)));
        assert!(!out.contains("Zq7"), "{out}");
        assert_eq!(out.contains("<cut:"), !out.ends_with("behind\""), "{out}");
    }
    // What is masked makes room for more of the text, which may hold another.
    let long = format!("-----BEGIN PRIVATE KEY-----{}-----END PRIVATE KEY-----", "y".repeat(4000));
    let out = full(&format!("\"{long} {long} ghp_{body} end\""));
    assert_eq!(out, "\"[secret:private-key] [secret:private-key] [secret:github-token] end\"");
}

#[test]
fn what_is_taken_back_fits_as_well() {
    let (text, values) = ("x".repeat(2000), vec!["\"value\":1"; 60].join(","));
    let filled = format!("\"{text}\"").repeat(5).replace("\"\"", "\",\"");
    let mut fitted = 0;
    for more in 0..2000 {
        let more = "x".repeat(more);
        let out = full(&format!("[{filled},\"{more}\",{{{values},\"name\":\"token\"}}]"));
        fitted += usize::from(out.contains("\"name\":\"token\""));
        assert!(!out.contains("\"value\":1"), "{out}");
    }
    assert!((1..2000).contains(&fitted), "{fitted}");
}

#[test]
fn what_is_cut_off_may_have_named_a_secret() {
    let rest = vec!["\"a\":1"; bounds::INPUT_PARTS].join(",");
    let out = full(&format!("{{\"value\":\"hunter2\",{rest},\"name\":\"password\"}}"));
    assert!(out.starts_with("{\"value\":\"<secret>\",\"a\":1") && out.contains("<more:2>"), "{out}");
    let big = vec![format!("\"{}\"", "x".repeat(1000)); 20].join(",");
    let out = full(&format!("{{\"value\":[\"hunter2\",{big}],\"name\":\"password\"}}"));
    assert_eq!(out, "{\"value\":\"<secret>\"}");
    let out = full(&format!("{{\"value\":\"hunter2\",\"other\":[{big}],\"name\":\"password\"}}"));
    assert!(out.starts_with("{\"value\":\"<secret>\",\"other\":[\"xxx") && out.ends_with("\"<cut>\"]}"));
}

/// Loosely: a search that begins anew at each of a million places would take hours.
#[test]
fn four_mebibytes_take_bounded_time() {
    const SIZE: usize = 4 * 1024 * 1024;
    let fill = |part: &str, between: &str| vec![part; SIZE / (part.len() + between.len())].join(between);
    for (name, arguments) in [
        ("small arrays", format!("[{}]", fill("[]", ","))),
        ("one text", format!("{{\"text\":\"{}\"}}", fill("word ", ""))),
        ("one text of labels", format!("[\"{}\"]", fill("token: ", ""))),
        ("escapes", format!("{{\"text\":\"{}\"}}", fill("\\u00e9", ""))),
        ("a secret", format!("{{\"password\":[\"{}\"]}}", fill("\\\"", ""))),
        ("a name", format!("{{\"{}\":1}}", fill("aB", ""))),
        (
            "nested",
            format!("{}{}{}", "[{\"a\":".repeat(60), fill("1", " "), "}]".repeat(60)).replace("1 ", " "),
        ),
        ("members", format!("{{{}}}", fill("\"value\":\"x\"", ","))),
    ] {
        for inputs in [Inputs::Redacted, Inputs::Full] {
            let begun = Instant::now();
            written(&arguments, &rule(inputs, &[]));
            assert!(begun.elapsed() < Duration::from_secs(5), "{name}: {:?}", begun.elapsed());
        }
    }
}

/// JSON with a place in it for something else: `@key@` as a name, `@value@` as a string's text.
fn tree() -> impl Strategy<Value = Value> {
    let text =
        prop_oneof![Just("@value@".to_owned()), "\\PC{0,12}", "[a-z ]{0,300}( @value@[ ,\n]\\PC{0,20})?"];
    let leaf = prop_oneof![
        4 => text.prop_map(Value::from),
        1 => Just(Value::Null),
        1 => proptest::bool::ANY.prop_map(Value::from),
        1 => proptest::num::i64::ANY.prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 80, 8, |inner| {
        let name = prop_oneof![
            2 => "[a-z]{1,6}",
            1 => Just("@key@".to_owned()),
            1 => select(vec!["value", "name", "id", "data", "\u{1}", "a/b"]).prop_map(str::to_owned),
        ];
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            proptest::collection::vec((name, inner), 0..8)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn quoted(text: &str) -> String {
    let json = serde_json::to_string(text).unwrap();
    json.strip_prefix('"').and_then(|json| json.strip_suffix('"')).unwrap().to_owned()
}

proptest! {
    #[test]
    fn no_secret_is_ever_written(
        tree in tree(),
        example in select(examples().into_iter().filter(|e| e.secret.is_some()).collect::<Vec<Example>>()),
        inputs in select(vec![Inputs::Redacted, Inputs::Full]),
        allow in proptest::collection::vec(select(vec!["/*", "/value", "/*/value", "/a", "/name/*", "/data", "/*/*"]), 0..4),
    ) {
        let secret = example.secret().unwrap();
        let text = tree.to_string().replace("@key@", &quoted(&example.text)).replace("@value@", &quoted(&example.text));
        let out = written(&text, &rule(inputs, &allow));
        prop_assert!(!out.contains(secret) && !out.contains(&quoted(secret)), "{out}");
    }

    #[test]
    fn nothing_under_a_secret_name_is_ever_written(
        tree in tree(),
        name in select(vec!["password", "dbPassword", "GITHUB_TOKEN", "x-api-key", "Client Secret", "Set-Cookie", "otp"]),
        inputs in select(vec![Inputs::Redacted, Inputs::Full]),
    ) {
        let planted = |value: &str| format!("{{\"{name}\":[{{\"a\":\"Correct Horse {value}\"}}],\"name\":\"{}\",\"value\":\"Correct Horse\"}}", quoted(name).replace(' ', "_"));
        let text = tree.to_string().replace("\"@value@\"", &planted("x"));
        let out = written(&text, &rule(inputs, &["/*", "/value", "/name"]));
        prop_assert!(!out.contains("Correct Horse"), "{out}");
    }

    #[test]
    fn where_nothing_is_allowed_no_text_stands(tree in tree()) {
        let out = written(&tree.to_string(), &rule(Inputs::Redacted, &["/absent/*"]));
        let mut left = vec![serde_json::from_str::<Value>(&out).unwrap()];
        while let Some(value) = left.pop() {
            match value {
                Value::Array(items) => left.extend(items),
                Value::Object(members) => left.extend(members.into_iter().map(|(_, value)| value)),
                Value::Null => {}
                mark => prop_assert!(mark.as_str().is_some_and(|m| m.starts_with('<') && !m.starts_with("<<")), "{mark}"),
            }
        }
    }
}
