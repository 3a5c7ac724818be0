//! Characters that nobody sees, and that readers drop, trim or stop at.
//!
//! Two texts that differ only by these look the same to a person, and to some program. This
//! file decides which they are and nothing else; a letter that merely resembles another is not
//! among them.

/// Whether a character is white space, a control, or one that has no shape of its own:
/// Unicode's format characters and the others that it calls ignorable by default.
pub fn is_unseen(character: char) -> bool {
    character.is_whitespace()
        || character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{34f}'
                | '\u{600}'..='\u{605}'
                | '\u{61c}'
                | '\u{6dd}'
                | '\u{70f}'
                | '\u{115f}'..='\u{1160}'
                | '\u{17b4}'..='\u{17b5}'
                | '\u{180b}'..='\u{180f}'
                | '\u{200b}'..='\u{200f}'
                | '\u{202a}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{3164}'
                | '\u{fe00}'..='\u{fe0f}'
                | '\u{feff}'
                | '\u{ffa0}'
                | '\u{fff0}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}

/// Whether a name can be told from every other by looking at it: nothing unseen in it, except
/// single spaces that have something on either side.
#[inline]
pub fn all_seen(name: &str) -> bool {
    if name.bytes().all(|byte| byte.is_ascii_graphic()) {
        return true;
    }
    !name.starts_with(' ') && !name.ends_with(' ') && name.chars().all(|c| c == ' ' || !is_unseen(c))
}

#[cfg(test)]
mod tests {
    use super::all_seen;

    #[test]
    fn names_hide_nothing() {
        for name in ["", "crm.read", "my own tool", "\u{e9}\u{4e2d}\u{1f600}", "e\u{301}"] {
            assert!(all_seen(name), "{name:?}");
        }
        for name in [
            "a\0",
            "a\0b",
            " a",
            "a ",
            "a\t",
            "a\n",
            "a\u{a0}",
            "\u{feff}a",
            "a\u{200b}b",
            "a\u{ad}b",
            "a\u{202e}b",
            "a\u{7f}",
            "a\u{85}",
            "a\u{2028}",
            "a\u{fe0f}",
            " ",
        ] {
            assert!(!all_seen(name), "{name:?}");
        }
    }
}
