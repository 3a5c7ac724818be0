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

/// Reads `100/s`, `30/m`, `5/h`, `24/d`: how many in what time.
pub fn rate(text: &str) -> Option<(u32, Duration)> {
    let (tokens, unit) = text.split_once('/')?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    // `parse` would take a sign.
    let digits = !tokens.is_empty() && tokens.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| Some((tokens.parse().ok()?, Duration::from_secs(seconds))))?
}

#[cfg(test)]
mod tests {
    use super::{duration, rate, size};
    use std::time::Duration;

    #[test]
    fn rates_are_a_number_in_a_time() {
        assert_eq!(rate("100/s"), Some((100, Duration::from_secs(1))));
        assert_eq!(rate("24/d"), Some((24, Duration::from_secs(86_400))));
        for bad in ["100", "/s", "100/", "+1/s", "-1/s", "1.5/s", "1/sec", "1 /s", "99999999999/s"] {
            assert_eq!(rate(bad), None, "{bad}");
        }
    }

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
