//! A record as a person reads it: one line, in columns of what most have.
//!
//! Whatever would not be seen, or acted on by a terminal, is shown as its number. Colours are for terminals.

use std::io::{self, IsTerminal as _, Write};

use serde_json::Value;

use crate::base::unseen::is_unseen;
use crate::config::Environment;

const GREEN: &str = "\u{1b}[32m";
const RED: &str = "\u{1b}[31m";
const YELLOW: &str = "\u{1b}[33m";
const PLAIN: &str = "\u{1b}[0m";

/// How records are shown.
#[derive(Clone, Copy)]
pub(super) struct Shown {
    as_json: bool,
    colours: bool,
}

impl Shown {
    pub(super) fn new(as_json: bool, environment: &Environment) -> Self {
        // https://no-color.org: set and not empty.
        let wanted = environment.get("NO_COLOR").is_none_or(str::is_empty);
        Self { as_json, colours: wanted && io::stdout().is_terminal() }
    }

    /// Shows one record.
    pub(super) fn line(self, out: &mut dyn Write, line: &[u8]) -> io::Result<()> {
        let Ok(record) = serde_json::from_slice::<Value>(line) else {
            return writeln!(out, "(no record: {} bytes)", line.len());
        };
        if self.as_json {
            // As it stands: its hash is that of its bytes. The log escapes what would act, and a log that
            // somebody else wrote may not.
            let text = String::from_utf8_lossy(line);
            return if text.chars().any(acts) {
                writeln!(out, "{}", seen(&text))
            } else {
                writeln!(out, "{text}")
            };
        }
        writeln!(out, "{}", self.told(&record))
    }

    fn told(self, record: &Value) -> String {
        let text = |name: &str| record.get(name).and_then(Value::as_str).map(seen);
        let time = text("time").unwrap_or_default();
        // To the millisecond.
        let time = format!("{}Z", time.chars().take(23).collect::<String>());
        let kind = text("kind").unwrap_or_default();
        if text("request").is_none() {
            return format!("{time} {kind:<15} {}", rest(record));
        }
        let outcome = text("outcome").unwrap_or(kind);
        let colour = match outcome.as_str() {
            "answered" => GREEN,
            "denied" => RED,
            _ => YELLOW,
        };
        let outcome = format!("{outcome:<15}");
        let outcome = if self.colours { format!("{colour}{outcome}{PLAIN}") } else { outcome };
        let status = record.get("status").map_or("   ".into(), Value::to_string);
        let named = ["tool", "prompt", "resource", "reference", "task", "target"];
        let what = [text("server"), text("method"), named.iter().find_map(|name| text(name)), text("reason")];
        let what: Vec<String> = what.into_iter().flatten().collect();
        let took = record.get("whole_ns").and_then(Value::as_u64);
        let took = took.map_or(String::new(), |ns| format!("{}.{}ms", ns / 1_000_000, ns / 100_000 % 10));
        let who = text("key_id").unwrap_or("-".into());
        format!(
            "{time} {outcome} {status} {took:>9} {who:<25} {} from {}",
            what.join(" "),
            text("from").unwrap_or_default()
        )
    }
}

/// The members that only some records have.
fn rest(record: &Value) -> String {
    const COMMON: [&str; 8] = ["time", "kind", "replica", "prev", "hash", "signature", "public_key", "chain"];
    let members =
        record.as_object().into_iter().flatten().filter(|(name, _)| !COMMON.contains(&name.as_str()));
    let told = members.map(|(name, value)| {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        format!("{}={}", seen(name), seen(&value))
    });
    told.collect::<Vec<_>>().join(" ")
}

fn acts(character: char) -> bool {
    character != ' ' && is_unseen(character)
}

/// A text in which everything is seen.
pub(in crate::cli) fn seen(text: &str) -> String {
    let show = |character: char| {
        if acts(character) { character.escape_unicode().to_string() } else { character.to_string() }
    };
    text.chars().map(show).collect()
}

#[cfg(test)]
mod tests {
    use super::Shown;

    fn shown(colours: bool, line: &str) -> String {
        let mut out = Vec::new();
        Shown { as_json: false, colours }.line(&mut out, line.as_bytes()).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn nothing_of_a_record_acts_on_a_terminal() {
        let line = r#"{"time":"2026-11-28T01:12:03.123456789Z","seq":7,"kind":"call","request":"0-1","outcome":"denied","status":403,"server":"crm","method":"tools/call","tool":"a\u001b[31m\u202eb\n","reason":"scope_missing","from":"::1","whole_ns":1234567}"#;
        let told = shown(false, line);
        assert_eq!(
            told,
            "2026-11-28T01:12:03.123Z denied          403     1.2ms -                         crm tools/call a\\u{1b}[31m\\u{202e}b\\u{a} scope_missing from ::1\n"
        );
        let coloured = shown(true, line);
        assert!(coloured.contains("\u{1b}[31mdenied") && coloured.matches('\u{1b}').count() == 2);
        assert_eq!(shown(false, "\u{1b}[2J"), "(no record: 4 bytes)\n");
        let own = shown(
            false,
            r#"{"time":"2026-11-28T01:12:03.123456789Z","seq":7,"kind":"lost","count":3,"x\u0007":"\u0007"}"#,
        );
        assert_eq!(own, "2026-11-28T01:12:03.123Z lost            seq=7 count=3 x\\u{7}=\\u{7}\n");
    }
}
