//! The header lines of one message, as slices of the block that they came in.
//!
//! A map of headers would hash each name, allocate for most of them and count references for
//! each value, for lines that are read once, in order, and written again. Names are in lower
//! case, as HTTP/2 has them; no name or value holds a line break, since only a parsed head or a
//! map of valid headers becomes lines. It must never join or mend lines.

use std::fmt;
use std::ops::Range;

use bytes::{BufMut as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::known::Known;

/// The lines, in the order in which they came.
#[derive(Clone, Default)]
pub struct Lines {
    block: Bytes,
    spans: Vec<Span>,
}

/// Where a line's name and value are in the block. A head has at most a few MiB.
#[derive(Clone, Copy, Debug)]
struct Span {
    name: (u32, u32),
    value: (u32, u32),
    known: Known,
}

/// One line.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Line<'l> {
    name: &'l [u8],
    value: &'l [u8],
    known: Known,
}

/// Names and lengths alone: a value may be a key, and a line that was taken out is still in the
/// block.
impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl fmt::Debug for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} bytes", self.name.escape_ascii(), self.value.len())
    }
}

impl<'l> Line<'l> {
    /// Its name, in lower case.
    #[inline]
    pub fn name(self) -> &'l [u8] {
        self.name
    }

    /// Which name it is.
    #[inline]
    pub fn known(self) -> Known {
        self.known
    }

    /// Its value, as it came.
    #[inline]
    pub fn value(self) -> &'l [u8] {
        self.value
    }
}

impl Lines {
    /// All lines.
    #[inline]
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Line<'_>> {
        self.spans.iter().map(|span| self.line(*span))
    }

    /// The value of the first line of a name.
    #[inline]
    pub fn get(&self, known: Known) -> Option<&[u8]> {
        self.iter().find(|line| line.known == known).map(Line::value)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Bytes of all their text, and of nothing but that and what stood around it.
    #[inline]
    pub fn size(&self) -> usize {
        self.block.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Takes out every line that does not pass.
    #[inline]
    pub fn keep_only(&mut self, passes: impl Fn(Line<'_>) -> bool) {
        let block = &self.block;
        self.spans.retain(|span| passes(line(block, *span)));
    }

    /// The lines as a map, for writers that take one.
    pub fn add_to(&self, headers: &mut HeaderMap) {
        for line in self.iter() {
            if let (Ok(name), Ok(value)) =
                (HeaderName::from_lowercase(line.name), HeaderValue::from_bytes(line.value))
            {
                headers.append(name, value);
            }
        }
    }

    /// A part of the block, by its place; nothing where there is no such place.
    #[inline]
    pub(super) fn slice(&self, at: Range<usize>) -> Bytes {
        if at.start <= at.end && at.end <= self.block.len() { self.block.slice(at) } else { Bytes::new() }
    }

    #[inline]
    fn line(&self, span: Span) -> Line<'_> {
        line(&self.block, span)
    }
}

#[inline]
fn line(block: &[u8], span: Span) -> Line<'_> {
    Line { name: slice(block, span.name), value: slice(block, span.value), known: span.known }
}

#[inline]
fn slice(block: &[u8], (from, to): (u32, u32)) -> &[u8] {
    block.get(from as usize..to as usize).unwrap_or_default()
}

impl From<&HeaderMap> for Lines {
    fn from(headers: &HeaderMap) -> Self {
        let room = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        let mut block = BytesMut::with_capacity(room);
        let mut spans = Vec::with_capacity(headers.len());
        let mut put = |bytes: &[u8]| {
            let from = block.len() as u32;
            block.put_slice(bytes);
            (from, block.len() as u32)
        };
        for (name, value) in headers {
            let known = Known::of(name.as_str().as_bytes());
            spans.push(Span { name: put(name.as_str().as_bytes()), value: put(value.as_bytes()), known });
        }
        Self { block: block.freeze(), spans }
    }
}

/// A head that was parsed and whose lines are being sorted: some become [`Lines`], others say
/// how the message is framed.
pub(super) struct Block {
    bytes: BytesMut,
    spans: Vec<Span>,
}

impl Block {
    /// The lines that httparse found in a head. Every name and value lies within `bytes`.
    #[inline]
    pub(super) fn spans(bytes: &[u8], found: &[httparse::Header<'_>]) -> Spans {
        let start = bytes.as_ptr().addr();
        let span = |part: &[u8]| {
            let from = part.as_ptr().addr().wrapping_sub(start);
            (from as u32, (from + part.len()) as u32)
        };
        let lines = found.iter().map(|line| Span {
            name: span(line.name.as_bytes()),
            value: span(line.value),
            known: Known::Other,
        });
        Spans(lines.collect())
    }

    /// Takes the head itself, and puts the names of its lines into lower case.
    #[inline]
    pub(super) fn new(mut bytes: BytesMut, mut spans: Spans) -> Self {
        for Span { name: (from, to), known, .. } in &mut spans.0 {
            if let Some(name) = bytes.get_mut(*from as usize..*to as usize) {
                name.make_ascii_lowercase();
                *known = Known::of(name);
            }
        }
        Self { bytes, spans: spans.0 }
    }

    /// Sorts the lines: those for which `stays` is true remain, in their order.
    #[inline]
    pub(super) fn sort<E>(self, mut stays: impl FnMut(Line<'_>) -> Result<bool, E>) -> Result<Lines, E> {
        let Self { bytes, mut spans } = self;
        let block = bytes.freeze();
        let mut fault = None;
        spans.retain(|span| match stays(line(&block, *span)) {
            Ok(stays) => stays,
            Err(error) => {
                fault.get_or_insert(error);
                false
            }
        });
        fault.map_or(Ok(Lines { block, spans }), Err)
    }
}

/// Where the lines of a parsed head are.
pub(super) struct Spans(Vec<Span>);

#[cfg(test)]
mod tests {
    use super::{Known, Lines};
    use http::{HeaderMap, HeaderName, HeaderValue};

    #[test]
    fn lines_keep_their_order_and_become_the_map_that_they_came_from() {
        let mut headers = HeaderMap::new();
        for (name, value) in [("host", "a"), ("mcp-name", "x"), ("mcp-name", "y"), ("empty", "")] {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let mut lines = Lines::from(&headers);
        let mut again = HeaderMap::new();
        lines.add_to(&mut again);
        assert_eq!(again, headers);
        assert_eq!((lines.get(Known::Name), lines.get(Known::Date)), (Some(&b"x"[..]), None));
        assert_eq!((lines.len(), lines.get(Known::Other)), (4, Some(&b""[..])));
        assert_eq!(
            format!("{lines:?}"),
            "[host: 1 bytes, mcp-name: 1 bytes, mcp-name: 1 bytes, empty: 0 bytes]"
        );
        lines.keep_only(|line| line.name() == b"host");
        assert_eq!(lines.iter().map(super::Line::value).collect::<Vec<_>>(), [b"a"]);
    }
}
