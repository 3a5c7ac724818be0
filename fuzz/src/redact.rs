//! What is written of a call's arguments: JSON within its bound, no text where none may stand,
//! and nowhere a secret.

use std::sync::LazyLock;

use serde_json::Value;
use serde_json::value::RawValue;
use tollgate::base::bounds;
use tollgate::telemetry::audit::redact;
use tollgate::wire::inputs::{InputRule, Inputs};
use tollgate::wire::pointer::Pointer;

use super::examples::{Example, examples};

/// Kinds that are told by what stands around them, which an input may take apart.
const BY_SURROUNDINGS: [&str; 4] = ["assignment", "basic", "bearer", "url-password"];

/// What is planted.
static PLANTED: LazyLock<Vec<Example>> = LazyLock::new(|| {
    let plantable =
        |example: &Example| example.secret.is_some() && !BY_SURROUNDINGS.contains(&example.kind.as_str());
    examples().into_iter().filter(plantable).collect()
});

/// Takes the input as arguments, or as a text in them, as it is and with a secret wherever an `@` stands.
pub fn check(data: &[u8]) {
    let Some(([setting, which], text)) = data.split_first_chunk() else { return };
    let text = String::from_utf8_lossy(text);
    let (redacted, allowing, full) =
        (rule(Inputs::Redacted, *setting), rule(Inputs::Redacted, 7), rule(Inputs::Full, 0));
    let arguments = arguments(&text);
    for rule in [&redacted, &allowing, &full] {
        written(&arguments, rule);
    }
    no_text(&written(&arguments, &InputRule { allow: Box::default(), ..redacted }));
    let example = &PLANTED[usize::from(*which) % PLANTED.len()];
    let secret = example.secret().unwrap_or_default();
    let planted = quoted(&format!(" {} ", example.text));
    for arguments in
        [arguments.replace('@', &planted), format!("[\"{planted}\",{{\"{planted}\":[{arguments}]}}]")]
    {
        if serde_json::from_str::<&RawValue>(&arguments).is_err() {
            continue;
        }
        for rule in [&allowing, &full] {
            let out = written(&arguments, rule);
            assert!(
                !out.contains(secret) && !out.contains(&quoted(secret)),
                "{secret} of {arguments} in {out}"
            );
        }
    }
}

/// A rule whose allow-list is chosen by the bits of a number.
fn rule(inputs: Inputs, bits: u8) -> InputRule {
    let pointers = ["/a", "/*", "/*/value"].into_iter().enumerate();
    let chosen =
        pointers.filter(|(bit, _)| (bits >> bit) & 1 == 1).map(|(_, text)| Pointer::parse(text).unwrap());
    InputRule { inputs, allow: chosen.collect() }
}

/// The text where it is JSON that is nested no deeper than the gateway takes it, else a string that holds it.
fn arguments(text: &str) -> String {
    let json = serde_json::from_str::<&RawValue>(text).is_ok();
    if json { text.to_owned() } else { Value::from(text).to_string() }
}

fn quoted(text: &str) -> String {
    let json = Value::from(text).to_string();
    json[1..json.len() - 1].to_owned()
}

fn written(arguments: &str, rule: &InputRule) -> String {
    let body =
        format!("{{\"params\":{{\"arguments\":{arguments}}},\"method\":\"tools/call\",\"jsonrpc\":\"2.0\"}}");
    let out = redact(body.as_bytes(), rule).unwrap_or_else(|| panic!("nothing of {arguments}"));
    let out = out.get().to_owned();
    assert!(out.len() <= bounds::INPUT_BYTES, "{} bytes of {arguments}", out.len());
    assert!(serde_json::from_str::<&RawValue>(&out).is_ok(), "{out} of {arguments}");
    assert!(!out.contains("<unreadable>") || arguments.contains("<unreadable>"), "{arguments}");
    out
}

/// Where nothing is allowed every value says what it was and nothing more.
fn no_text(out: &str) {
    let mut left = vec![serde_json::from_str::<Value>(out).unwrap()];
    while let Some(value) = left.pop() {
        match value {
            Value::Array(items) => left.extend(items),
            Value::Object(members) => left.extend(members.into_iter().map(|(_, value)| value)),
            Value::Null => {}
            mark => assert!(
                mark.as_str().is_some_and(|m| m.starts_with('<') && !m.starts_with("<<")),
                "{mark} in {out}"
            ),
        }
    }
}
