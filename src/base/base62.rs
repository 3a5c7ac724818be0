//! Fixed-width base62 over `0-9A-Za-z`, most significant digit first.
//!
//! Used by the key format and nothing else; it must never accept a second spelling of a number.

/// The digits in order of value.
pub const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Value of each byte as a digit; 255 for bytes outside the alphabet.
const VALUES: [u8; 256] = values();

const fn values() -> [u8; 256] {
    let mut table = [255_u8; 256];
    let mut digit = 0_u8;
    while digit < 62 {
        // Const evaluation: an index out of bounds would fail the build, not a request.
        #[expect(clippy::indexing_slicing, reason = "evaluated at compile time")]
        {
            table[ALPHABET[digit as usize] as usize] = digit;
        }
        digit += 1;
    }
    table
}

/// The value of one digit, or `None` when the byte is not in the alphabet.
#[inline]
pub fn digit(byte: u8) -> Option<u8> {
    match VALUES.get(usize::from(byte)) {
        Some(&value) if value < 62 => Some(value),
        _ => None,
    }
}

/// Whether every byte is a digit.
#[inline]
pub fn is_digits(text: &[u8]) -> bool {
    // Folding without an early exit lets the compiler unroll; the input is at most 49 bytes.
    text.iter().fold(true, |all, &byte| all & digit(byte).is_some())
}

/// Reads up to ten digits into a number (62^10 < 2^60); `None` for more, or a foreign byte.
#[inline]
pub fn parse(text: &[u8]) -> Option<u64> {
    if text.len() > 10 {
        return None;
    }
    text.iter().try_fold(0_u64, |value, &byte| Some(value * 62 + u64::from(digit(byte)?)))
}

/// Writes `value` as exactly `N` digits; digits that do not fit are lost, so callers give a
/// value below `62^N`.
#[inline]
pub fn format<const N: usize>(mut value: u64) -> [u8; N] {
    let mut text = [b'0'; N];
    for place in text.iter_mut().rev() {
        *place = symbol((value % 62) as u8);
        value /= 62;
    }
    text
}

/// Writes 32 bytes, taken as one big-endian number, as 43 digits (62^43 > 2^256).
pub fn format_bytes(bytes: &[u8; 32]) -> [u8; 43] {
    let mut number = *bytes;
    let mut text = [b'0'; 43];
    for place in text.iter_mut().rev() {
        let mut remainder = 0_u32;
        for byte in &mut number {
            let value = (remainder << 8) | u32::from(*byte);
            *byte = (value / 62) as u8;
            remainder = value % 62;
        }
        *place = symbol(remainder as u8);
    }
    text
}

fn symbol(digit: u8) -> u8 {
    ALPHABET.get(usize::from(digit)).copied().unwrap_or(b'0')
}

#[cfg(test)]
mod tests {
    use super::{digit, format, format_bytes, is_digits, parse};

    #[test]
    fn numbers_round_trip_at_the_edges() {
        for value in [0_u64, 1, 61, 62, 62_u64.pow(8) - 1] {
            assert_eq!(parse(&format::<8>(value)), Some(value));
        }
        assert_eq!(parse(b"00000000001"), None, "more digits than fit");
    }

    #[test]
    fn foreign_bytes_are_no_digits() {
        for byte in [b'-', b'_', b' ', 0, 0xff, b'.'] {
            assert_eq!(digit(byte), None);
        }
        assert!(!is_digits(b"abc-"));
        assert_eq!(parse(b"a b"), None);
    }

    #[test]
    fn all_ones_need_all_forty_three_digits() {
        let text = format_bytes(&[0xff; 32]);
        assert!(is_digits(&text));
        assert_ne!(text[0], b'0');
        assert_eq!(format_bytes(&[0; 32]), [b'0'; 43]);
        let mut one = [0; 32];
        one[31] = 63;
        assert_eq!(&format_bytes(&one)[41..], b"11");
    }
}
