//! What may be written of a call's arguments, as it is configured: faults, and what the policy holds.

use std::path::Path;

use tollgate::config::{Environment, Faults, Settings, load_text};
use tollgate::wire::inputs::{InputRule, Inputs};
use tollgate::wire::pointer::Pointer;

/// A configuration with something said of a tool and of a resource.
fn check(tool: &str, resource: &str) -> Result<Settings, Faults> {
    let text = format!(
        "[listen]\nplaintext = \"loopback\"\n[[servers]]\nname = \"crm\"\nupstreams = [\"http://127.0.0.1:1/mcp\"]\n\
         [servers.tools.\"crm.*\"]\nscopes = [\"crm:read\"]\n{tool}\n\
         [servers.resources.\"crm://a\"]\nscopes = [\"crm:read\"]\n{resource}\n"
    );
    load_text(&text, "tollgate.toml", Path::new("/nonexistent"), &Environment::default())
}

#[test]
fn faults_say_what_is_accepted() {
    let allow =
        |inputs: &str, pointers: &str| format!("audit = {{ inputs = \"{inputs}\", allow = [{pointers}] }}");
    let many = vec!["\"/a\""; 65].join(",");
    let at = "servers[0].tools.\"crm.*\".audit";
    for (tool, resource, wanted) in [
        (
            "audit = { inputs = \"some\" }".into(),
            "",
            format!("{at}.inputs: found the string \"some\"; accepted: \"none\" or \"redacted\" or \"full\""),
        ),
        (
            allow("redacted", "\"/region\", \"sku\""),
            "",
            format!("{at}.allow[1]: found the string \"sku\"; accepted: a JSON pointer, which begins with '/'"),
        ),
        (
            allow("redacted", "\"\""),
            "",
            format!("{at}.allow[0]: found the string \"\"; accepted: a JSON pointer to a part of the arguments"),
        ),
        (
            allow("redacted", "\"/db/dbPassword\""),
            "",
            format!("{at}.allow[0]: found the pointer \"/db/dbPassword\", which leads through \"dbPassword\": what is under such a name is never written; accepted:"),
        ),
        (
            allow("full", "\"/region\""),
            "",
            format!("{at}.allow: found a list beside inputs = \"full\", which it adds nothing to; accepted: a list beside inputs = \"redacted\""),
        ),
        (allow("redacted", &many), "", format!("{at}.allow: found 65 pointers; accepted: at most 64")),
        (
            String::new(),
            "audit = { inputs = \"full\" }",
            "servers[0].resources.\"crm://a\".audit: found what to write of arguments, which reading a resource has none of".into(),
        ),
    ] {
        let told = check(&tool, resource).unwrap_err().to_string();
        assert!(told.contains(&wanted), "{wanted}\n  in: {told}");
        assert_eq!(told.lines().count(), 1, "{told}");
    }
}

#[test]
fn the_policy_holds_what_is_to_be_written_and_nothing_for_nothing() {
    let inputs = |audit: &str| -> Option<InputRule> {
        let settings = check(audit, "").unwrap_or_else(|faults| panic!("{faults}"));
        tollgate::control::compile(&settings).rules()[0].inputs.as_deref().cloned()
    };
    let redacted = inputs("audit = { inputs = \"redacted\", allow = [\"/items/*/sku\"] }").unwrap();
    assert_eq!(redacted.inputs, Inputs::Redacted);
    assert_eq!(redacted.allow, [Pointer::parse("/items/*/sku").unwrap()].into());
    assert_eq!(inputs("audit = { inputs = \"full\" }").unwrap().inputs, Inputs::Full);
    for nothing in ["", "audit = {}", "audit = { inputs = \"none\" }"] {
        assert_eq!(inputs(nothing), None, "{nothing}");
    }
}
