//! JSON pointers (RFC 6901), with `*` for every element of an array.
//!
//! They name places in a tool's arguments. A pointer is read once, when the configuration is,
//! and held against the way down to a value, a step at a time; it never holds a value itself.

use crate::base::bounds;

/// A place, or in arrays all places of a kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pointer {
    segments: Box<[Box<str>]>,
}

/// Why a text is no pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PointerFault {
    /// It does not begin with a slash.
    #[error("a JSON pointer, which begins with '/', e.g. /region or /items/*/sku")]
    Relative,
    /// It is empty, which names the whole.
    #[error("a JSON pointer to a part of the arguments, e.g. /region; an empty one is the whole of them")]
    Whole,
    /// A tilde without its digit.
    #[error("'~0' for a '~' in a name and '~1' for a '/'; no other '~'")]
    Tilde,
    /// Longer than anybody needs.
    #[error(
        "at most {} bytes and {} names one below the other",
        bounds::POINTER_BYTES,
        bounds::POINTER_DEPTH
    )]
    Long,
}

/// A step down: into a member of an object or an element of an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<'n> {
    /// The member of this name.
    Member(&'n str),
    /// The element at this place, from 0.
    Element(usize),
}

impl Pointer {
    /// Reads a pointer.
    pub fn parse(text: &str) -> Result<Self, PointerFault> {
        if text.is_empty() {
            return Err(PointerFault::Whole);
        }
        let names = text.strip_prefix('/').ok_or(PointerFault::Relative)?;
        if text.len() > bounds::POINTER_BYTES || names.split('/').count() > bounds::POINTER_DEPTH {
            return Err(PointerFault::Long);
        }
        let segments = names.split('/').map(unescape).collect::<Option<_>>().ok_or(PointerFault::Tilde)?;
        Ok(Self { segments })
    }

    /// The names and places from the outside in; at least one.
    pub fn segments(&self) -> impl ExactSizeIterator<Item = &str> {
        self.segments.iter().map(|segment| &**segment)
    }

    /// Whether a step down from a depth, 0 being the outermost, is one of this pointer's.
    pub fn goes(&self, depth: usize, step: Step<'_>) -> bool {
        self.segments.get(depth).is_some_and(|segment| match step {
            Step::Member(name) => **segment == *name,
            Step::Element(place) => &**segment == "*" || is_number(segment, place),
        })
    }

    /// Whether it ends with the step down from a depth.
    pub fn ends(&self, depth: usize) -> bool {
        self.segments.len() == depth + 1
    }
}

/// Whether a segment is a place in the one spelling that the RFC allows.
fn is_number(segment: &str, place: usize) -> bool {
    let padded = segment.len() > 1 && segment.starts_with('0');
    !padded && !segment.starts_with('+') && segment.parse() == Ok(place)
}

fn unescape(segment: &str) -> Option<Box<str>> {
    let mut parts = segment.split('~');
    let mut name = parts.next()?.to_owned();
    for part in parts {
        let (character, rest) = match (part.strip_prefix('0'), part.strip_prefix('1')) {
            (Some(rest), _) => ('~', rest),
            (_, Some(rest)) => ('/', rest),
            _ => return None,
        };
        name.push(character);
        name.push_str(rest);
    }
    Some(name.into())
}

#[cfg(test)]
mod tests {
    use super::{Pointer, PointerFault, Step};
    use crate::base::bounds;

    fn goes(pointer: &str, steps: &[Step<'_>]) -> bool {
        let pointer = Pointer::parse(pointer).unwrap();
        let all = steps.iter().enumerate().all(|(depth, step)| pointer.goes(depth, *step));
        all && pointer.ends(steps.len() - 1)
    }

    #[test]
    fn pointers_go_where_the_rfc_says() {
        use Step::{Element, Member};
        assert!(goes("/a", &[Member("a")]));
        assert!(goes("/", &[Member("")]));
        assert!(goes("/a~1b/m~0n/~01", &[Member("a/b"), Member("m~n"), Member("~1")]));
        assert!(goes("/items/*/sku", &[Member("items"), Element(7), Member("sku")]));
        assert!(goes("/items/0", &[Member("items"), Element(0)]));
        assert!(goes("/0", &[Member("0")]) && goes("/*", &[Member("*")]));
        assert!(!goes("/*", &[Member("a")]), "a star is every element, and no other member than its own");
        for (place, pointer) in [(0, "/00"), (1, "/01"), (1, "/+1"), (1, "/1 "), (1, "/-"), (10, "/1")] {
            assert!(!goes(pointer, &[Element(place)]), "{pointer}");
        }
        assert!(!goes("/a/b", &[Member("a")]) && !goes("/a", &[Member("a"), Member("b")]));
    }

    #[test]
    fn what_is_no_pointer_is_told() {
        for (text, fault) in [
            ("", PointerFault::Whole),
            ("region", PointerFault::Relative),
            ("$.region", PointerFault::Relative),
            ("#/region", PointerFault::Relative),
            ("/a~", PointerFault::Tilde),
            ("/a~2", PointerFault::Tilde),
            ("/a~b/c", PointerFault::Tilde),
        ] {
            assert_eq!(Pointer::parse(text), Err(fault), "{text}");
        }
        let deep = |segments| "/a".repeat(segments);
        assert!(Pointer::parse(&deep(bounds::POINTER_DEPTH)).is_ok());
        assert_eq!(Pointer::parse(&deep(bounds::POINTER_DEPTH + 1)), Err(PointerFault::Long));
        let long = |bytes| format!("/{}", "a".repeat(bytes - 1));
        assert!(Pointer::parse(&long(bounds::POINTER_BYTES)).is_ok());
        assert_eq!(Pointer::parse(&long(bounds::POINTER_BYTES + 1)), Err(PointerFault::Long));
    }
}
