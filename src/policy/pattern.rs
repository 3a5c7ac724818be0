//! What a rule is written for: an exact name, a name pattern, or a URI pattern.
//!
//! Names (tools, prompts): `*` stands for anything, also nothing. URIs: `*` stands for one
//! segment between `/`, `**` for the rest at the end. What a server may read as another name or
//! another path than we do (unseen characters, dot segments, needless encoding) matches no
//! pattern: it could be the very one that a rule of its own forbids.

use crate::base::unseen::all_seen;

/// A pattern over names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamePattern {
    text: Box<str>,
    /// The literal pieces between stars; the first and last may be empty.
    pieces: Box<[Box<str>]>,
}

impl NamePattern {
    /// A pattern, or `None` for a text without a star, which is an exact name.
    pub fn parse(text: &str) -> Option<Self> {
        text.contains('*')
            .then(|| Self { text: text.into(), pieces: text.split('*').map(Into::into).collect() })
    }

    /// The text before the first star.
    pub fn literal_prefix(&self) -> &str {
        self.pieces.first().map_or("", |piece| piece)
    }

    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether `name` fits. Linear for each piece: stars take as little as they can, which
    /// is enough, since the last piece is matched at the end.
    pub fn matches(&self, name: &str) -> bool {
        let [first, middle @ .., last] = &*self.pieces else { return false };
        let Some(mut rest) = name.strip_prefix(&**first) else { return false };
        for piece in middle {
            match rest.find(&**piece).and_then(|at| rest.get(at + piece.len()..)) {
                Some(after) => rest = after,
                None => return false,
            }
        }
        rest.ends_with(&**last)
    }
}

/// A pattern over resource URIs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UriPattern {
    text: Box<str>,
    segments: Box<[Box<str>]>,
    prefix: usize,
}

/// Why a text is no URI pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("in a URI '*' stands for one whole segment between '/', and '**' for the rest, at the end only")]
pub struct NotAUriPattern;

impl UriPattern {
    /// A pattern; `Ok(None)` for a text without a star, which is an exact URI.
    pub fn parse(text: &str) -> Result<Option<Self>, NotAUriPattern> {
        let Some(prefix) = text.find('*') else { return Ok(None) };
        let mut segments = text.split('/').peekable();
        while let Some(segment) = segments.next() {
            let whole = segment == "*" || (segment == "**" && segments.peek().is_none());
            if segment.contains('*') && !whole {
                return Err(NotAUriPattern);
            }
        }
        let segments = text.split('/').map(Into::into).collect();
        Ok(Some(Self { text: text.into(), segments, prefix }))
    }

    /// The text before the first star.
    pub fn literal_prefix(&self) -> &str {
        self.text.get(..self.prefix).unwrap_or_default()
    }

    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether `uri`, which [`is_plain`], fits. Stars never stand for an empty segment.
    pub fn matches(&self, uri: &str) -> bool {
        let mut rest = uri.split('/');
        for segment in &self.segments {
            let Some(next) = rest.next() else { return false };
            match &**segment {
                "**" => return !next.is_empty() || rest.any(|segment| !segment.is_empty()),
                "*" if !next.is_empty() => {}
                literal if literal == next => {}
                _ => return false,
            }
        }
        rest.next().is_none()
    }
}

/// Whether a URI can be held against patterns, because every server reads the same from it: no
/// dot segments, no empty ones, no backslash, nothing unseen, nothing encoded that needs no
/// encoding (RFC 3986 §6.2.2.2) or that a path cannot hold.
pub fn is_plain(uri: &str) -> bool {
    let path = uri.split(['?', '#']).next().unwrap_or_default();
    let dots = uri.split(['/', '?', '#']).any(|segment| segment == "." || segment == "..");
    all_seen(uri) && !uri.contains('\\') && !dots && !has_empty_segment(path) && is_encoded_with_need(uri)
}

/// Whether two slashes stand together elsewhere than behind a scheme, where a third may follow.
fn has_empty_segment(path: &str) -> bool {
    path.split(':').enumerate().any(|(index, part)| {
        let behind = part.strip_prefix("//").filter(|_| index > 0);
        behind.unwrap_or(part).contains("//")
    })
}

/// Whether every `%` begins an encoded byte that has to be encoded, and whose decoding is not
/// itself the beginning of one.
fn is_encoded_with_need(uri: &str) -> bool {
    let byte = |text: &str| {
        let digits = text.get(..2).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))?;
        u8::from_str_radix(digits, 16).ok()
    };
    uri.split('%').skip(1).all(|behind| match byte(behind) {
        Some(b'%') => behind.get(2..).is_none_or(|rest| byte(rest).is_none()),
        Some(b) => !(b.is_ascii_alphanumeric() || b.is_ascii_control() || b"-._~/\\".contains(&b)),
        None => false,
    })
}

#[cfg(test)]
mod tests {
    use super::{NamePattern, NotAUriPattern, UriPattern, is_plain};

    fn name(pattern: &str, name: &str) -> bool {
        NamePattern::parse(pattern).unwrap().matches(name)
    }

    fn uri(pattern: &str, uri: &str) -> bool {
        UriPattern::parse(pattern).unwrap().unwrap().matches(uri)
    }

    #[test]
    fn stars_in_names_stand_for_anything() {
        assert!(name("crm.read_*", "crm.read_all"));
        assert!(name("crm.read_*", "crm.read_"));
        assert!(!name("crm.read_*", "crm.write_all"));
        assert!(!name("crm.read_*", "CRM.read_all"));
        assert!(name("*", ""));
        assert!(name("a*b*c", "abxbc"));
        assert!(!name("a*b*c", "acb"));
        assert!(!name("a*a", "a"));
        assert!(name("*_x", "a_x_x"));
        assert!(NamePattern::parse("plain").is_none());
    }

    #[test]
    fn stars_in_uris_stand_for_segments() {
        assert!(uri("crm://public/**", "crm://public/a"));
        assert!(uri("crm://public/**", "crm://public/a/b"));
        assert!(!uri("crm://public/**", "crm://public/"));
        assert!(!uri("crm://public/**", "crm://public"));
        assert!(!uri("crm://public/**", "crm://publicity/a"));
        assert!(uri("crm://*/card", "crm://7/card"));
        assert!(!uri("crm://*/card", "crm://7/8/card"));
        assert!(!uri("crm://*/card", "crm:///card"));
        for bad in ["crm://pub*", "crm://**/x", "a/*b/c"] {
            assert_eq!(UriPattern::parse(bad), Err(NotAUriPattern), "{bad}");
        }
    }

    #[test]
    fn uris_with_a_second_reading_are_not_plain() {
        for odd in [
            "crm://public/../secret",
            "crm://public/%2e%2e/secret",
            "crm://public/a%2Fb",
            "crm://public/a\\b",
            "crm://public/%5Cx",
            "crm://public/.",
            "crm://public/..?x",
            "crm://public/a\u{0}",
            "crm://public/%73ecret",
            "crm://public/secret%00",
            "crm://public/%2573ecret",
            "crm://public/100%",
            "crm://public/%+73ecret",
            "crm://public/secret ",
            "crm://public/sec\u{200b}ret",
            "crm://public//secret",
            "file:////secret",
        ] {
            assert!(!is_plain(odd), "{odd}");
        }
        for plain in ["crm://public/a.b", "crm://public/...", "file:///x%20y", "crm://public/a?q=1//2"]
            .into_iter()
            .chain(["crm://public/100%25", "crm://public/%C3%A9/", "proxy://get/https://example.com/x"])
        {
            assert!(is_plain(plain), "{plain}");
        }
    }
}
