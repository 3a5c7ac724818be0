//! Durations and sizes with units, as people write them.
//!
//! A number without a unit is refused: nobody should have to guess seconds from milliseconds.

use std::time::Duration;

/// Reads `250ms`, `10s`, `5m`, `24h`, `90d`.
pub fn duration(text: &str) -> Option<Duration> {
    if !text.ends_with(|c: char| c.is_ascii_alphabetic()) {
        return None;
    }
    humantime::parse_duration(text).ok()
}

/// Reads `512B`, `64KiB`, `4MiB`, `1GiB`.
pub fn size(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match text.strip_prefix(digits)? {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::{duration, size};
    use std::time::Duration;

    #[test]
    fn units_are_needed() {
        assert_eq!(duration("10s"), Some(Duration::from_secs(10)));
        assert_eq!(duration("90d"), Some(Duration::from_secs(90 * 86_400)));
        assert_eq!(size("4MiB"), Some(4 << 20));
        for bad in ["10", "", "s", "ten s", "-1s"] {
            assert_eq!(duration(bad), None, "{bad}");
        }
        for bad in ["4", "4MB", "MiB", "-1B", "99999999999999999999B", "18446744073709551615GiB"] {
            assert_eq!(size(bad), None, "{bad}");
        }
    }
}
