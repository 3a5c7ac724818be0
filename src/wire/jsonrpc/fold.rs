//! Look-alikes: member names that some reader takes for a protected one.
//!
//! Go's decoder folds case, and with it U+017F (ſ) and U+212A (K) onto `s` and `k`
//! (CVE-2026-27896); Java's comparison takes U+0131 and U+0130 for `i`, full folding a ligature
//! for its letters. One reader took a name with NULs behind it for the name
//! (GHSA-q382-vc8q-7jhj), and to a C string it ends at the first; others trim white space and
//! byte order marks, or fold full width. JavaScript that copies an object member by member takes
//! `__proto__` for everything that the object lacks. Nothing else is folded: a name that only
//! resembles another to the eye is another name.

use crate::base::unseen::is_unseen;

/// Whether a name that is none of `protected` is taken for one of them by some reader.
#[inline]
pub(super) fn looks_like_any(name: &str, protected: &[&str]) -> bool {
    if name == "__proto__" {
        return true;
    }
    if name.bytes().all(|byte| byte.is_ascii_graphic()) {
        return protected.iter().any(|protected| name.eq_ignore_ascii_case(protected));
    }
    // What a C string holds, and what is left when everything unseen is dropped.
    let (c_string, _) = name.split_once('\0').unwrap_or((name, ""));
    let same = |name, protected: &str| fold(name).eq(protected.chars().map(|c| c.to_ascii_lowercase()));
    protected.iter().any(|protected| same(c_string, protected) || same(name, protected))
}

/// A name as the most forgiving reader compares it.
fn fold(name: &str) -> impl Iterator<Item = char> {
    let seen = name.chars().filter(|character| !is_unseen(*character)).map(narrow);
    // Upper case spells ligatures out and takes ſ and ı to their letters; lower case K and İ,
    // the latter with a dot above that is left over.
    seen.flat_map(char::to_uppercase).flat_map(char::to_lowercase).filter(|c| *c != '\u{307}')
}

/// Full width ASCII as ASCII.
fn narrow(character: char) -> char {
    match character {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(character) - 0xfee0).unwrap_or(character),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::{fold, looks_like_any};

    #[test]
    fn folds_what_readers_in_the_field_fold() {
        for name in [
            "Method",
            "METHOD",
            "mEthod",
            "method\0",
            "method\0\0",
            "method\0x",
            "Method\0junk",
            "\0method",
            "met\0hod",
            " method",
            "method\t",
            "\u{feff}method",
            "met\u{200b}hod",
            "\u{ff4d}ethod",
            "__proto__",
        ] {
            assert!(looks_like_any(name, &["method"]), "{name:?}");
        }
        for (name, protected) in [
            ("param\u{17f}", "params"),
            ("tas\u{212a}Id", "taskId"),
            ("\u{131}d", "id"),
            ("\u{130}D", "id"),
            ("noti\u{fb01}cations", "notifications"),
            ("reque\u{fb06}State", "requestState"),
        ] {
            assert!(looks_like_any(name, &["jsonrpc", protected]), "{name:?}");
        }
        for name in
            ["methods", "metho", "m\u{e9}thod", "m\u{435}thod", "x\0method", "", "\0", "constructor", "proto"]
        {
            assert!(!looks_like_any(name, &["method"]), "{name:?}");
        }
    }

    #[test]
    fn one_character_for_a_letter_is_what_unicode_says() {
        let letter = |c: &char| {
            let name = c.to_string();
            let mut folded = fold(&name).fuse();
            matches!((folded.next(), folded.next()), (Some('a'..='z'), None))
        };
        let full_width = |c: &char| ('\u{ff01}'..='\u{ff5e}').contains(c);
        let found: String = ('\u{80}'..=char::MAX).filter(|c| letter(c) && !full_width(c)).collect();
        assert_eq!(found, "\u{130}\u{131}\u{17f}\u{212a}");
    }
}
