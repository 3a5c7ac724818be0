//! Look-alikes: member names that some reader takes for a protected one.
//!
//! Go's decoder folds case, and with it U+017F (ſ) and U+212A (K) onto `s` and `k`
//! (CVE-2026-27896); another took a name with trailing NULs for the name (GHSA-q382-vc8q-7jhj).
//! Nothing else is folded: a name that only resembles another to the eye is another name.

/// Whether `name` is not `protected` but folds onto it. `protected` may have capitals.
pub(super) fn looks_like(name: &str, protected: &str) -> bool {
    name != protected && name.trim_end_matches('\0').chars().map(fold).eq(protected.chars().map(fold))
}

fn fold(character: char) -> char {
    match character {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        other => other.to_ascii_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::looks_like;

    #[test]
    fn folds_what_readers_in_the_field_fold() {
        for name in ["Method", "METHOD", "method\0", "method\0\0", "mEthod"] {
            assert!(looks_like(name, "method"), "{name:?}");
        }
        assert!(looks_like("param\u{17f}", "params"));
        assert!(looks_like("tas\u{212a}Id", "taskId"));
        for name in ["method", "methods", "metho", "m\u{e9}thod", "\0method", ""] {
            assert!(!looks_like(name, "method"), "{name:?}");
        }
    }
}
