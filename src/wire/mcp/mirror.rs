//! Mirrored headers of the modern era: `Mcp-Name` and its base64 sentinel.
//!
//! Specification 2026-07-28, streamable HTTP, custom headers: a value that is not plain
//! visible ASCII travels as `=?base64?<standard base64 of UTF-8>?=`, markers in lower case;
//! anything without both markers is literal. Names are compared exactly: no trimming beyond
//! HTTP's optional white space, no case folding, no Unicode normalisation.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const OPEN: &[u8] = b"=?base64?";
const CLOSE: &[u8] = b"?=";

/// Whether a header's value names `name`. `None` when the sentinel holds no canonical base64
/// of UTF-8, or a literal holds bytes that needed the sentinel.
#[inline]
pub fn names(value: &[u8], name: &str) -> Option<bool> {
    let value = value.trim_ascii();
    match encoded(value) {
        // The engine refuses wrong padding, foreign characters and non-canonical last bits.
        Some(encoded) => {
            let decoded = STANDARD.decode(encoded).ok()?;
            std::str::from_utf8(&decoded).ok().map(|decoded| decoded == name)
        }
        None if value.iter().all(|byte| (b' '..=b'~').contains(byte)) => Some(value == name.as_bytes()),
        None => None,
    }
}

/// What stands between the markers, as bytes, for whoever searches all that a value says; `None`
/// for a literal, and for what nobody can decode.
#[inline]
pub fn hidden(value: &[u8]) -> Option<Vec<u8>> {
    encoded(value.trim_ascii()).and_then(|encoded| STANDARD.decode(encoded).ok())
}

#[inline]
fn encoded(value: &[u8]) -> Option<&[u8]> {
    value.strip_prefix(OPEN).and_then(|rest| rest.strip_suffix(CLOSE))
}

#[cfg(test)]
mod tests {
    use super::{hidden, names};

    #[test]
    fn literals_and_sentinels() {
        assert_eq!(names(b"echo", "echo"), Some(true));
        assert_eq!(names(b" echo\t", "echo"), Some(true));
        assert_eq!(names(b"Echo", "echo"), Some(false));
        assert_eq!((hidden(b"=?base64?ZWNobw==?="), hidden(b"ZWNobw==")), (Some(b"echo".to_vec()), None));
        assert_eq!(names("=?base64?w6ljaG8=?=".as_bytes(), "écho"), Some(true));
        // Partial or upper-case markers are literal.
        assert_eq!(names(b"=?BASE64?ZWNobw==?=", "echo"), Some(false));
        assert_eq!(names(b"=?base64?ZWNobw==", "=?base64?ZWNobw=="), Some(true));
    }

    #[test]
    fn what_cannot_be_decoded_is_no_answer() {
        for bad in [
            &b"=?base64?ZWNobw?="[..],
            b"=?base64?ZWNob_==?=",
            b"=?base64?ZWNobx==?=",
            b"=?base64?/w==?=",
            b"\xc3\xa9",
        ] {
            assert_eq!(names(bad, "echo"), None, "{bad:?}");
        }
    }
}
