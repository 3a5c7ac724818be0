//! Reads the command line. Who gives a whole key where its id is asked for is told so, and never shown the secret:
//! what a terminal or a job prints is kept by many.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use clap::error::{ContextKind, ContextValue};

use super::Arguments;
use crate::base::KeyId;
use crate::base::key::{NotAKeyId, key_length};

/// Bytes of an id.
const ID: usize = "mcp_live_".len() + 16;
/// What is shown in the place of what nobody may read.
const LEFT_OUT: &str = "[a secret]";

/// What was typed; where it cannot be read, or asks for help, that was printed, and the program is to end with this.
pub fn typed() -> Result<Arguments, ExitCode> {
    Arguments::try_parse().map_err(|error| {
        let whole = error.render().to_string();
        let told = without_secrets(&error, &whole);
        // Nobody may be listening.
        let _ = if told == whole { error.print() } else { write!(std::io::stderr(), "{told}") };
        u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from)
    })
}

/// What is said of a command line that cannot be read, without keys' secrets.
fn without_secrets(error: &clap::Error, told: &str) -> String {
    let is_of_id =
        std::error::Error::source(error).and_then(|source| source.downcast_ref::<NotAKeyId>()).is_some();
    let told = match error.get(ContextKind::InvalidValue) {
        Some(ContextValue::String(value)) if is_of_id && !value.is_empty() => {
            told.replace(value.as_str(), &id_alone(value))
        }
        _ => told.to_owned(),
    };
    without_keys(&told)
}

/// What was given where an id was asked for. It may be a key that was mistyped, or its secret alone: only what is no
/// longer than an id is shown.
fn id_alone(value: &str) -> String {
    let id = value.split('.').next().unwrap_or_default();
    let is_id = id.parse::<KeyId>().is_ok();
    match (is_id, id.len() < value.len()) {
        (true, true) => format!("{id}.{LEFT_OUT}"),
        (false, false) if value.len() <= ID => value.to_owned(),
        _ => format!("a text of {} characters", value.chars().count()),
    }
}

/// A sentence in which no secret of a key stands.
pub fn without_keys(sentence: &str) -> String {
    let (mut told, mut rest) = (String::with_capacity(sentence.len()), sentence);
    while let Some(next) = rest.chars().next() {
        let (shown, length) = match key_length(rest.as_bytes()) {
            Some(length) => (rest.get(..ID), length),
            None => (rest.get(..next.len_utf8()), next.len_utf8()),
        };
        told.push_str(shown.unwrap_or_default());
        if length > ID {
            told.push('.');
            told.push_str(LEFT_OUT);
        }
        rest = rest.get(length..).unwrap_or_default();
    }
    told
}

#[cfg(test)]
mod tests {
    use super::{id_alone, without_keys};

    const ID: &str = "mcp_live_0123456789abcdef";

    #[test]
    fn a_key_is_told_by_its_id() {
        let key = format!("{ID}.{}", "x".repeat(49));
        assert_eq!(id_alone(&key), format!("{ID}.[a secret]"));
        assert_eq!(id_alone(&format!("{ID}.x")), format!("{ID}.[a secret]"));
        // Mistyped, or the secret alone.
        assert_eq!(id_alone(&key.replace("live", "liv")), "a text of 74 characters");
        assert_eq!(id_alone(&"x".repeat(49)), "a text of 49 characters");
        assert_eq!(id_alone("abc"), "abc");
        let sentence = format!("found \u{fc} {key}, and {key}x; {ID}. {ID} mcp_");
        let told = format!("found \u{fc} {ID}.[a secret], and {ID}.[a secret]; {ID}.[a secret] {ID} mcp_");
        assert_eq!(without_keys(&sentence), told);
        assert_eq!(without_keys(""), "");
    }
}
