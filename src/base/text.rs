//! A text of a client's or of the registry's, noted in place: short ones without an allocation.
//!
//! It is never a key: what goes in here gets written down. Nothing is lost silently: what is longer
//! than may be noted is cut, and says so.

use std::fmt;

/// The longest text that is noted, in bytes; what is beyond is cut. Tool names have up to 128 in every
/// server that we know; a URI may have 2,000, of which the beginning tells where it leads.
pub const NOTED_BYTES: usize = 1_024;

/// A text of at most [`NOTED_BYTES`]; up to `N` bytes of it are held in place.
#[derive(Clone, PartialEq, Eq)]
pub struct Text<const N: usize> {
    held: Held<N>,
    cut: bool,
}

#[derive(Clone, PartialEq, Eq)]
enum Held<const N: usize> {
    Here { length: u8, bytes: [u8; N] },
    Apart(Box<[u8]>),
}

impl<const N: usize> Text<N> {
    /// No text.
    pub const EMPTY: Self = Self { held: Held::Here { length: 0, bytes: [0; N] }, cut: false };

    /// Notes a text; bytes that are no UTF-8 are shown as replacement characters later.
    #[inline]
    pub fn of(text: &[u8]) -> Self {
        let mut noted = Self::EMPTY;
        noted.set(text);
        noted
    }

    /// Notes another text in this place.
    #[inline]
    pub fn set(&mut self, text: &[u8]) {
        if let (Held::Here { length, bytes }, Ok(long)) = (&mut self.held, u8::try_from(text.len()))
            && let Some(room) = bytes.get_mut(..text.len())
        {
            room.copy_from_slice(text);
            *length = long;
            self.cut = false;
        } else {
            self.set_apart(text);
        }
    }

    #[cold]
    fn set_apart(&mut self, text: &[u8]) {
        let most = text.get(..NOTED_BYTES);
        self.cut = most.is_some() && text.len() > NOTED_BYTES;
        self.held = Held::Apart(most.unwrap_or(text).into());
    }

    /// The bytes that were noted.
    pub fn bytes(&self) -> &[u8] {
        match &self.held {
            Held::Here { length, bytes } => bytes.get(..usize::from(*length)).unwrap_or_default(),
            Held::Apart(bytes) => bytes,
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.bytes().is_empty()
    }

    /// Whether there was more of it.
    pub fn is_cut(&self) -> bool {
        self.cut
    }
}

impl<const N: usize> Default for Text<N> {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl<const N: usize> fmt::Debug for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(self.bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::{NOTED_BYTES, Text};

    #[test]
    fn what_is_noted_is_what_was_there_or_says_that_it_was_cut() {
        for long in [0, 1, 7, 8, 9, 255, 256, 300, NOTED_BYTES, NOTED_BYTES + 1, 1 << 20] {
            let text: Vec<u8> = (0..long).map(|at| b'a' + (at % 26) as u8).collect();
            let noted = Text::<8>::of(&text);
            assert_eq!(noted.bytes(), text.get(..NOTED_BYTES).unwrap_or(&text), "{long} bytes");
            assert_eq!(noted.is_cut(), long > NOTED_BYTES, "{long} bytes");
            assert_eq!(noted.is_empty(), long == 0);
        }
    }

    #[test]
    fn a_text_takes_the_place_of_another() {
        let mut noted = Text::<8>::of(&[b'x'; NOTED_BYTES + 5]);
        noted.set(b"short");
        assert_eq!((noted.bytes(), noted.is_cut()), (b"short".as_slice(), false));
        noted.set(b"no longer so short");
        assert_eq!(noted.bytes(), b"no longer so short");
    }
}
