//! Numbers as people read them: three digits that count, and a dash where there is no figure.

/// What stands for a figure that is absent.
pub(super) const ABSENT: &str = "–";
const MEBIBYTE: f64 = 1024.0 * 1024.0;

/// Two decimals below ten, one below a hundred, none above.
pub(super) fn short(figure: f64) -> String {
    let size = figure.abs();
    let places = match size {
        _ if size < 9.995 => 2,
        _ if size < 99.95 => 1,
        _ => 0,
    };
    decimals(figure, places)
}

/// So many decimals, and thousands apart.
pub(super) fn decimals(figure: f64, decimals: usize) -> String {
    if !figure.is_finite() {
        return ABSENT.to_owned();
    }
    let text = format!("{:.decimals$}", figure.abs());
    let (whole, fraction) = text.split_once('.').map_or((text.as_str(), None), |(w, f)| (w, Some(f)));
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    if let Some(fraction) = fraction {
        grouped.push('.');
        grouped.push_str(fraction);
    }
    // What rounds to nothing has no sign.
    if figure < 0.0 && text.contains(|digit: char| ('1'..='9').contains(&digit)) {
        grouped.insert(0, '−');
    }
    grouped
}

/// Times something: 1.17.
pub(super) fn ratio(figure: f64) -> String {
    decimals(figure, 2)
}

/// Bytes as MiB, without the unit.
pub(super) fn mebibytes(bytes: u64) -> String {
    short(as_mebibytes(bytes))
}

/// The same as a number.
pub(super) fn as_mebibytes(bytes: u64) -> f64 {
    float(bytes) / MEBIBYTE
}

/// A count as a floating number.
#[expect(clippy::cast_precision_loss, reason = "no count of a run comes near 2^53")]
pub(super) fn float(count: u64) -> f64 {
    count as f64
}

/// Both ends of a range.
pub(super) fn range(low: f64, high: f64) -> String {
    if !low.is_finite() || !high.is_finite() {
        return ABSENT.to_owned();
    }
    format!("{}–{}", short(low), short(high))
}

#[cfg(test)]
mod tests {
    use super::{decimals, range, short};

    #[test]
    fn three_digits_count() {
        for (figure, text) in [
            (0.0, "0.00"),
            (9.994, "9.99"),
            (9.996, "10.0"),
            (17.756, "17.8"),
            (99.96, "100"),
            (55184.8, "55,185"),
            (1_234_567.0, "1,234,567"),
            (-12.34, "−12.3"),
            (-0.001, "0.00"),
            (f64::NAN, "–"),
            (f64::INFINITY, "–"),
        ] {
            assert_eq!(short(figure), text);
        }
        assert_eq!(decimals(1000.0, 1), "1,000.0");
        assert_eq!((range(9.5, 17.24), range(f64::NAN, 1.0)), ("9.50–17.2".to_owned(), "–".to_owned()));
    }
}
