//! What the gateway knows of a message: its shape, its method, whom it concerns, its version.
//!
//! Nothing of `arguments` is here, and no text is copied where the body holds it unescaped.

use crate::base::text;
use crate::wire::mcp::{Era, Method, ProtocolVersion};
use crate::wire::traceparent::TraceParent;

/// A text of the body, after unescaping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Text {
    /// The body's bytes from `start` to `end`, which contain no escape.
    InBody {
        /// First byte.
        start: usize,
        /// One past the last byte.
        end: usize,
    },
    /// Unescaped, so it stands nowhere in the body.
    Copied(Box<str>),
}

impl Text {
    /// The text itself; `body` is the body that was read. Empty when it is another one.
    pub fn in_body<'b>(&'b self, body: &'b [u8]) -> &'b str {
        match self {
            Self::InBody { start, end } => {
                body.get(*start..*end).and_then(|t| std::str::from_utf8(t).ok()).unwrap_or_default()
            }
            Self::Copied(text) => text,
        }
    }
}

/// A message's id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Id {
    /// None: a notification.
    None,
    /// An integer of 64 bits, with or without a sign; negative zero is 0.
    Number(i128),
    /// Another integer, by where its digits stand in the body.
    Digits(Text),
    /// A text.
    Text(Text),
}

impl Id {
    /// Notes the id as JSON, and nothing where there is none; `body` is the body that was read.
    pub fn note<const N: usize>(&self, body: &[u8], noted: &mut text::Text<N>) {
        match self {
            Self::None => noted.set(b""),
            Self::Number(number) => {
                let mut digits = itoa::Buffer::new();
                // Nearly every id is short, and eight bytes are written for less than sixteen.
                let digits = match i64::try_from(*number) {
                    Ok(short) => digits.format(short),
                    Err(_) => digits.format(*number),
                };
                noted.set(digits.as_bytes());
            }
            Self::Digits(digits) => noted.set(digits.in_body(body).as_bytes()),
            Self::Text(id) => {
                let text = id.in_body(body);
                match id {
                    // Without an escape, the quotes stand around it.
                    Text::InBody { start, end } if !text.contains('\\') => {
                        noted.set(body.get(start.saturating_sub(1)..end + 1).unwrap_or_default());
                    }
                    // A text has no way to fail as JSON.
                    _ => noted.set(&serde_json::to_vec(text).unwrap_or_default()),
                }
            }
        }
    }
}

/// The shape of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    /// With a method and an id.
    Request,
    /// With a method and no id.
    Notification,
    /// With a result or an error: a client's answer to the server's request (legacy era).
    Response,
}

/// Whom a message concerns, as far as permission goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Nobody in particular: lists, the handshake, notifications.
    Server,
    /// A tool by name.
    Tool(Text),
    /// A prompt by name.
    Prompt(Text),
    /// A resource by URI.
    Resource(Text),
    /// Resources by URI, in one subscription; tasks in it are told by `tasks`.
    Subscription {
        /// URIs that are to be watched.
        resources: Box<[Text]>,
        /// Whether task ids were listed too.
        tasks: bool,
    },
    /// A task.
    Task,
}

/// What `params._meta` says of the protocol's version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MetaVersion {
    /// No such member: a legacy message, or a modern one that lacks it.
    Absent,
    /// A revision that exists.
    Known(ProtocolVersion),
    /// A text that names no revision.
    Unknown(Text),
}

impl MetaVersion {
    /// The era that the body alone speaks of; the header has to agree.
    pub(super) fn era(&self) -> Era {
        match self {
            Self::Absent => Era::Legacy,
            Self::Known(version) => version.era(),
            Self::Unknown(_) => Era::Modern,
        }
    }
}

/// One message, as far as the gateway reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// Request, notification or response.
    pub message: Message,
    /// Its id.
    pub id: Id,
    /// The method; [`Method::Unknown`] also for responses, which have none.
    pub method: Method,
    /// Whom it concerns.
    pub subject: Subject,
    /// `params._meta["io.modelcontextprotocol/protocolVersion"]`.
    pub version: MetaVersion,
    /// Whether `params._meta` holds `io.modelcontextprotocol/clientCapabilities`.
    pub has_capabilities: bool,
    /// `params._meta.traceparent`, where it is there once and says something.
    pub traceparent: Option<TraceParent>,
}
