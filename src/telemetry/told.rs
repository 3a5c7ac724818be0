//! What of a client's texts is told: anything but secrets.
//!
//! For logs and traces alike; what is told here still goes through whoever escapes it.

use std::borrow::Cow;

use crate::base::text::{NOTED_BYTES, Text};
use crate::wire::secrets::masked;

/// Bytes at the end of a text that was cut, which may begin a secret that nobody recognises without its rest.
const CUT: usize = 256;

/// The longest escape in a JSON text, a surrogate pair of `\u0000`, in bytes.
const ESCAPE: usize = 12;

/// A text that a client chose, without what looks like a secret.
pub fn told<const N: usize>(noted: &Text<N>) -> String {
    shown(&String::from_utf8_lossy(noted.bytes()), noted.is_cut())
}

/// A request's id, of which JSON is noted, as a text without what looks like a secret.
pub fn told_id<const N: usize>(noted: &Text<N>) -> String {
    shown(&unquoted(noted.bytes(), noted.is_cut()), noted.is_cut())
}

/// The text of a JSON string of which this is the whole, or the beginning; other JSON as it is.
///
/// Secrets are looked for in it and not in the JSON: the letter of an escape in front of one would hide it.
pub fn unquoted(json: &[u8], is_cut: bool) -> Cow<'_, str> {
    let Some(open) = json.strip_prefix(b"\"") else { return String::from_utf8_lossy(json) };
    let decoded = if is_cut {
        let ends = (0..=ESCAPE).filter_map(|left| open.get(..open.len().checked_sub(left)?));
        let mut texts = ends.map(|text| [b"\"", text, b"\""].concat());
        texts.find_map(|text| serde_json::from_slice(&text).ok())
    } else {
        serde_json::from_slice(json).ok()
    };
    decoded.map_or_else(|| String::from_utf8_lossy(json), Cow::Owned)
}

/// A text without what looks like a secret; one that was cut without its end. Secrets are looked for first: one that
/// reaches into the end is still whole then.
pub fn shown(text: &str, is_cut: bool) -> String {
    let mut told = masked(text).into_owned();
    if is_cut {
        let mut end = told.len().min(NOTED_BYTES).saturating_sub(CUT);
        while !told.is_char_boundary(end) {
            end -= 1;
        }
        told.truncate(end);
        told.push('…');
    }
    told
}

#[cfg(test)]
mod tests {
    use super::{told, told_id};
    use crate::base::key::{Env, NewKey};
    use crate::base::text::Text;

    #[test]
    fn what_a_client_chose_is_told_without_secrets() {
        let key = NewKey::generate(Env::Live).unwrap().reveal();
        let text = Text::<62>::of(format!("crm.read {key}").as_bytes());
        assert!(!told(&text).contains(key.as_str().split_at(30).1), "{}", told(&text));
        // Where a text was cut, a part of a secret may be left at its end.
        let mut long = "é".repeat(480);
        long.push_str(&key);
        let text = Text::<62>::of(long.as_bytes());
        assert!(text.is_cut());
        let told = told(&text);
        assert!(told.ends_with("é…") && !told.contains("mcp_"), "{told}");
    }
    #[test]
    fn an_id_s_escapes_hide_no_secret_and_neither_does_its_end() {
        let key = format!("ghp_{}", "A1b2C3d4E5".repeat(4).split_at(36).0);
        for (id, expected) in [
            ("7".to_owned(), "7"),
            (r#""a\"1""#.to_owned(), "a\"1"),
            (format!(r#""\n{key}""#), "\n[secret:github-token]"),
        ] {
            assert_eq!(told_id(&Text::<30>::of(id.as_bytes())), expected);
        }
        // Wherever it is cut: behind an escape, in one, or in a character.
        for filled in 0..12 {
            let id = format!(r#""\n{key}{}{}"#, "x y ".repeat(filled), "\\u0001é\\n".repeat(200));
            let noted = Text::<30>::of(id.as_bytes());
            let told = told_id(&noted);
            assert!(noted.is_cut() && !told.contains(&key) && told.starts_with("\n[secret"), "{told}");
        }
    }
}
