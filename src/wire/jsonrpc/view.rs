//! What a parsed JSON value offers to the strict reading, whoever parsed it.
//!
//! Both parsers implement this, so that the rules are written once. Members come in order
//! and with their duplicates: a view that loses one would hide an attack.

/// The kinds of JSON value, numbers split by what an id may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `null`
    Null,
    /// `true`, `false`
    Bool,
    /// A number written without fraction or exponent.
    Integer,
    /// Any other number.
    Fraction,
    /// A string.
    String,
    /// An array.
    Array,
    /// An object.
    Object,
}

/// A value could not be looked into: its members hold text that is no Unicode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable;

/// One JSON value. `'v` is how long its texts live.
pub trait View<'v>: Sized {
    /// What the value is.
    fn kind(&self) -> Kind;
    /// The text of a string, unescaped.
    fn text(&self) -> Result<Found<'v>, Unreadable>;
    /// The number of an integer; `None` for other kinds.
    fn integer(&self) -> Option<Integer>;
    /// Calls `each` for every member of an object, in order, duplicates included; nothing for
    /// other kinds.
    fn members<E: From<Unreadable>>(&self, each: impl FnMut(&str, Self) -> Result<(), E>) -> Result<(), E>;
    /// Calls `each` for every element of an array; nothing for other kinds.
    fn items<E: From<Unreadable>>(&self, each: impl FnMut(Self) -> Result<(), E>) -> Result<(), E>;
}

/// An integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Integer {
    /// One of 64 bits, with or without a sign; negative zero is 0.
    Short(i128),
    /// Any other, by where its digits stand in the body: from the first byte to one past the last.
    Long(usize, usize),
}

/// An unescaped text and where it came from.
#[derive(Clone, Debug)]
pub enum Found<'v> {
    /// Borrowed from the parser's buffer, at this offset of the body.
    At(usize, &'v str),
    /// Unescaped into its own allocation.
    Owned(Box<str>),
}

impl Found<'_> {
    /// The text.
    pub fn as_str(&self) -> &str {
        match self {
            Self::At(_, text) => text,
            Self::Owned(text) => text,
        }
    }
}
