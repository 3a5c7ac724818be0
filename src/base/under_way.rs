//! The two kinds of what is under way: what is answered and done, and what stays open.
//!
//! They are counted apart wherever they are limited: streams of which nothing comes for hours must
//! not use up the places of calls.

/// What a request is, for as long as it is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum UnderWay {
    /// Something with an end: a call, a list, an answer to the server, the end of a session.
    Call,
    /// A stream that is open for as long as its client likes.
    Stream,
}

impl UnderWay {
    /// Both, in the order of the enum.
    pub const ALL: [Self; 2] = [Self::Call, Self::Stream];

    /// The setting of a plan, and the member of a key's record, that limits it.
    pub fn setting(self) -> &'static str {
        match self {
            Self::Call => "concurrent",
            Self::Stream => "streams",
        }
    }

    /// The metric label.
    pub fn label(self) -> &'static str {
        match self {
            Self::Call => "calls",
            Self::Stream => "streams",
        }
    }
}
