//! Configurations: whatever the text, it is settings or faults that help, never a panic; what
//! is accepted is accepted again however it is written; and no fault tells a secret.

use std::path::Path;

use tollgate::config::{Environment, Faults, Settings, load_text};

/// What the environment holds for credentials.
const SECRET: &str = "hunter2-hunter2-hunter2-hunter2-hunter2";
/// Where no file is, so that nothing of the machine is read.
const FOLDER: &str = "/nonexistent/tollgate";

/// Loads the text.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    // A file with an absolute path would be read; a device might never end.
    if ["/dev", "/proc", "/sys", "..", "\\u", "\\U", "\\x"].iter().any(|way| text.contains(way)) {
        return;
    }
    match load(text) {
        Ok(settings) => accepted(text, &settings),
        Err(faults) => refused(text, &faults),
    }
}

fn load(text: &str) -> Result<Settings, Faults> {
    let variables = [("TOKEN", SECRET), ("PORT", "9001"), ("TOLLGATE_LOG__LEVEL", "debug")];
    let environment = Environment::of(variables.map(|(name, value)| (name.into(), value.into())));
    load_text(text, "tollgate.toml", Path::new(FOLDER), &environment)
}

/// The same settings come of the same text, and of the same tree written out anew.
fn accepted(text: &str, settings: &Settings) {
    let shown = format!("{settings:?}");
    assert_eq!(load(text).map(|again| format!("{again:?}")), Ok(shown.clone()), "{text}");
    let tree: toml::Table = text.parse().unwrap_or_else(|error| panic!("accepted and no TOML: {error}"));
    let anew = toml::to_string(&tree).unwrap_or_else(|error| panic!("TOML that cannot be written: {error}"));
    assert_eq!(load(&anew).map(|again| format!("{again:?}")), Ok(shown.clone()), "{text}\n{anew}");
    assert!(!settings.servers.is_empty() && settings.listen.workers > 0);
    for server in &settings.servers {
        for rule in [&server.tools, &server.prompts, &server.resources].into_iter().flatten() {
            assert!(!rule.scopes.is_empty(), "a rule that lets every key in: {text}");
        }
    }
    assert_eq!(Ok(&settings.log_level), "debug".parse().as_ref(), "the environment overrides");
    assert!(!only_credentials(text) || !shown.contains(SECRET), "Debug shows a secret: {shown}");
}

/// Whether the secret is named in values of credentials and nowhere else, so that it may not
/// come out anywhere.
fn only_credentials(text: &str) -> bool {
    let Ok(tree) = text.parse::<toml::Table>() else { return false };
    let servers = tree.get("servers").and_then(toml::Value::as_array).into_iter().flatten();
    let credentials = servers.filter_map(|server| server.get("credential"));
    let values = credentials.flat_map(|credential| [credential.get("header"), credential.get("value")]);
    let named = |text: &str| text.matches("TOKEN").count();
    values.flatten().filter_map(toml::Value::as_str).map(named).sum::<usize>() == named(text)
}

/// Every fault says where, what was found and what is accepted, once and always alike.
fn refused(text: &str, faults: &Faults) {
    assert_eq!(load(text).err().as_ref(), Some(faults), "the faults depend on more than the text");
    assert!(!faults.0.is_empty(), "refused without a fault: {text}");
    let guarded = only_credentials(text);
    for fault in &faults.0 {
        let complete =
            [&fault.path, &fault.found, &fault.accepted].iter().all(|part| !part.trim().is_empty());
        assert!(complete, "an incomplete fault, {fault:?}: {text}");
        assert_ne!(fault.accepted, "a configuration that fits the schema", "schema and types differ: {text}");
        assert!(!guarded || !fault.to_string().contains(SECRET), "a fault tells a secret, {fault}: {text}");
        assert!(!fault.found.contains(&format!(":{SECRET}")), "a fault tells a password, {fault}: {text}");
    }
    for (index, fault) in faults.0.iter().enumerate() {
        assert!(!faults.0[..index].contains(fault), "told twice, {fault}: {text}");
    }
}
