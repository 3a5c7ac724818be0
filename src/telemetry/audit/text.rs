//! Texts as they stand in a record: JSON in which nobody can hide anything.
//!
//! What a reader would not see, or a terminal obey, is written by its number, as JSON has it: control characters, line and
//! paragraph separators, whatever changes the direction of what stands beside it. A text that a client chose
//! is looked through for secrets first.

use crate::base::key::holds_key;
use crate::base::unseen::is_unseen;
use crate::telemetry::told::{shown, unquoted};
use crate::wire::secrets::masked;

/// Bytes of a SHA-256.
const HASH_BYTES: usize = 32;
/// In the place of what clients chose.
pub(super) const WITHHELD: &str = "[withheld]";

/// Whether a text stands in JSON as it is, and is what people see.
pub(super) fn is_plain(text: &[u8]) -> bool {
    text.iter().all(|byte| matches!(byte, b' '..=b'~') && *byte != b'"' && *byte != b'\\')
}

/// Writes a text as a JSON string.
pub(super) fn quote(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    if is_plain(text.as_bytes()) {
        out.extend_from_slice(text.as_bytes());
    } else {
        text.chars().for_each(|character| put(out, character));
    }
    out.push(b'"');
}

fn put(out: &mut Vec<u8>, character: char) {
    match character {
        '"' | '\\' => out.extend_from_slice(&[b'\\', character as u8]),
        ' '..='~' => out.push(character as u8),
        _ if is_unseen(character) => escape(out, character),
        _ => out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
    }
}

fn escape(out: &mut Vec<u8>, character: char) {
    for unit in character.encode_utf16(&mut [0; 2]) {
        out.extend_from_slice(b"\\u");
        let digits = [12, 8, 4, 0].map(|shift| digit((*unit >> shift & 15) as u8));
        out.extend_from_slice(&digits);
    }
}

/// Writes a text of a client's: masked, and without the end where more of it was cut off. One that holds
/// a key of the gateway's is not written at all.
pub(super) fn quote_foreign(out: &mut Vec<u8>, bytes: &[u8], is_cut: bool) {
    if holds_key(bytes) {
        return quote(out, WITHHELD);
    }
    let text = String::from_utf8_lossy(bytes);
    if is_cut { quote(out, &shown(&text, true)) } else { quote(out, &masked(&text)) }
}

/// Writes the id of a request, as the client wrote it: a number stays one.
pub(super) fn quote_id(out: &mut Vec<u8>, bytes: &[u8], is_cut: bool) {
    // No kind of secret is a number alone.
    let of_number = |byte: &u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
    if !is_cut && !bytes.is_empty() && bytes.iter().all(of_number) {
        return out.extend_from_slice(bytes);
    }
    if let [b'"', text @ .., b'"'] = bytes
        && !is_cut
        && is_plain(text)
    {
        return quote_foreign(out, text, false);
    }
    quote_foreign(out, unquoted(bytes, is_cut).as_bytes(), is_cut);
}

/// Writes a JSON value; where its strings hold what is not seen, that is written as a reader sees it.
pub(super) fn put_json(out: &mut Vec<u8>, json: &str) {
    if json.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return out.extend_from_slice(json.as_bytes());
    }
    for character in json.chars() {
        match character {
            // Between values white space says nothing, and in strings JSON has no line ends.
            '\0'..=' ' => out.push(b' '),
            '!'..='~' => out.push(character as u8),
            _ if is_unseen(character) => escape(out, character),
            _ => out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

/// The hexadecimal digit of 0 to 15: by calculation, which is done for many at once.
fn digit(nibble: u8) -> u8 {
    nibble + if nibble < 10 { b'0' } else { b'a' - 10 }
}

/// Writes bytes as hexadecimal digits.
pub(super) fn put_hex(out: &mut Vec<u8>, bytes: &[u8]) {
    // A hash at a time: to push digit by digit is to ask for room as often.
    for bytes in bytes.chunks(HASH_BYTES) {
        let mut digits = [b'0'; 2 * HASH_BYTES];
        for (pair, byte) in digits.chunks_exact_mut(2).zip(bytes) {
            pair.copy_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
        }
        out.extend_from_slice(digits.get(..2 * bytes.len()).unwrap_or_default());
    }
}

/// Writes a number.
pub(super) fn put_number(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Reads hexadecimal digits, lower case alone: what is read has one way to be written.
pub(super) fn read_hex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let nibble = |digit: &u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    if text.len() != 2 * N {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        let [high, low] = pair else { return None };
        *byte = (nibble(high)? << 4) | nibble(low)?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::{put_hex, put_json, put_number, quote, quote_foreign, quote_id, read_hex};

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_character_comes_back_and_none_acts() {
        for code in 0..=0x10_ffff_u32 {
            let Some(character) = char::from_u32(code) else { continue };
            let text = format!("a{character}b");
            let json = written(|out| quote(out, &text));
            assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text, "{code:x}");
            let acts = |c: char| c.is_control() || "\u{2028}\u{2029}\u{61c}\u{200e}\u{200f}".contains(c);
            let acts = |c: char| acts(c) || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
            assert!(!json.contains(acts), "{code:x}: {json:?}");
        }
        assert_eq!(written(|out| quote(out, "\u{1b}[31m\n")), r#""\u001b[31m\u000a""#);
        assert_eq!(written(|out| quote(out, "\u{e0041}")), r#""\udb40\udc41""#);
    }

    #[test]
    fn a_json_value_means_what_it_meant() {
        let json = "{\"a\u{202e}\":[\"\u{7f}\u{2028}é\\n\",\n1]}";
        let out = written(|out| put_json(out, json));
        assert_eq!(out, "{\"a\\u202e\":[\"\\u007f\\u2028é\\n\", 1]}");
        let value = |text| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(value(&out), value(json));
    }

    #[test]
    fn an_id_is_told_as_it_was_and_its_secrets_are_not() {
        for (id, told) in [
            ("7", "7"),
            ("-12.5e3", "-12.5e3"),
            (r#""a\u0062\n""#, r#""ab\u000a""#),
            ("null", r#""null""#),
            ("", r#""""#),
        ] {
            assert_eq!(written(|out| quote_id(out, id.as_bytes(), false)), told);
        }
        let key = "mcp_live_0123456789abcdef.0123456789abcdefghijklmnopqrstuvwxyz0123456789012";
        for escaped in [key.to_owned(), key.replace("mcp", "\\u006dcp")] {
            let out = written(|out| quote_id(out, format!("\"{escaped}\"").as_bytes(), false));
            assert!(!out.contains("0123456789abcdefghij"), "{out}");
        }
        let long = "x".repeat(1_000);
        assert_eq!(
            written(|out| quote_id(out, long.as_bytes(), true)),
            format!("\"{}…\"", "x".repeat(1_000 - 256))
        );
    }

    #[test]
    fn a_secret_that_is_cut_off_is_not_begun() {
        let text = format!("{}mcp_live_0123456789abcdef.0123", "x ".repeat(100));
        let out = written(|out| quote_foreign(out, text.as_bytes(), true));
        assert!(!out.contains("mcp_"), "{out}");
        // One that the cut would go through is not left in half.
        let token = format!("ghp_{}", "A1b2C3d4E5".repeat(4).split_at(36).0);
        for before in 0..1_024 - token.len() {
            let mut text = format!("{} {token} ", "x".repeat(before));
            text.extend(std::iter::repeat_n('y', 1_024_usize.saturating_sub(text.len())));
            let out = written(|out| quote_foreign(out, text.as_bytes(), true));
            assert!(!out.contains("ghp_"), "{before}: {out}");
        }
    }

    #[test]
    fn numbers_and_digits() {
        for number in [0, 7, 10, 99, 12_345_678_901, u64::MAX] {
            assert_eq!(written(|out| put_number(out, number)), number.to_string());
        }
        assert_eq!(written(|out| put_hex(out, &[0, 0xaf, 0xff])), "00afff");
        assert_eq!(read_hex(b"00afff"), Some([0, 0xaf, 0xff]));
        for bad in ["00AFFF", "00aff", "00affg", "", "00afff0"] {
            assert_eq!(read_hex::<3>(bad.as_bytes()), None, "{bad}");
        }
    }
}
