//! The one strict reading of a JSON-RPC message, over any parser's `View`.
//!
//! Read: version, shape, id, method, the name that permission depends on, and of `_meta` the two members
//! that tell the era and the trace. Refused: whatever two readers could take differently. The rest
//! is forwarded byte for byte. The order of members is free: the id often comes last.

use super::envelope::{Envelope, Id, Message, MetaVersion, Subject, Text};
use super::fold::looks_like_any;
use super::meta::{Meta, read_meta};
use super::view::{Found, Integer, Kind, Unreadable, View};
use crate::base::{Denial, bounds};
use crate::wire::mcp::{Concern, Method};

const TOP: [&str; 6] = ["jsonrpc", "id", "method", "params", "result", "error"];
const PARAMS: [&str; 9] =
    ["name", "uri", "_meta", "arguments", "ref", "taskId", "notifications", "requestState", "inputResponses"];
const REF: [&str; 3] = ["type", "name", "uri"];
const LISTEN: [&str; 2] = ["resourceSubscriptions", "taskIds"];

/// What is wrong with a body. Each is told to the client as a sentence, so none may hold
/// anything that the client sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// Not JSON: syntax, encoding, byte order mark, or bytes behind the value.
    Syntax,
    /// A text that matters holds half a surrogate pair.
    Text,
    /// Nested deeper than [`bounds::JSON_DEPTH`].
    Depth,
    /// An array of messages.
    Batch,
    /// Not an object.
    NotAnObject,
    /// `jsonrpc` is missing or not `"2.0"`.
    Version,
    /// A member that matters, twice.
    Duplicate,
    /// A member that some readers take for one that matters.
    LookAlike,
    /// A member that matters, of the wrong type.
    Type,
    /// An id that is neither a string nor an integer.
    Id,
    /// Both a method and a result, neither, or a response without an id.
    Shape,
    /// A request's method without an id, or a notification's with one.
    IdForMethod,
    /// The parameter that names the tool, prompt or resource is missing.
    NoName,
    /// A reference that names both a prompt and a resource.
    TwoNames,
    /// A name or URI beyond its bound.
    TooLong,
}

/// A body that is not forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault(pub Flaw);

impl From<Unreadable> for Fault {
    fn from(_: Unreadable) -> Self {
        Self(Flaw::Text)
    }
}

impl Flaw {
    /// The refusal that tells this flaw.
    pub fn denial(self) -> Denial {
        match self {
            Self::Syntax => Denial::ParseError,
            Self::NoName => Denial::InvalidParams,
            _ => Denial::InvalidRequest,
        }
    }

    /// What to add to the refusal's sentence.
    pub fn hint(self) -> &'static str {
        match self {
            Self::Syntax => {
                "expected one JSON object in UTF-8, without a byte order mark and with nothing behind it"
            }
            Self::Text => "a name that matters holds half of a surrogate pair, which is no character",
            Self::Depth => "arrays and objects are nested too deeply; at most 128 levels are read",
            Self::Batch => "batches are not accepted; send each message in its own POST",
            Self::NotAnObject => "a message is a JSON object",
            Self::Version => "the member 'jsonrpc' must be \"2.0\"",
            Self::Duplicate => "a member that matters occurs twice",
            Self::LookAlike => {
                "a member differs from one that matters only by case, folding or characters that nobody sees, or is '__proto__'"
            }
            Self::Type => "a member that matters has the wrong type",
            Self::Id => "an id is a string or an integer",
            Self::Shape => "a message has either a method, or a result or an error with an id",
            Self::IdForMethod => "requests carry an id, notifications carry none",
            Self::NoName => "the tool, prompt or resource is not named",
            Self::TwoNames => "a ref names a prompt or a resource, not both",
            Self::TooLong => "a name, a URI or a list of them is longer than is read",
        }
    }
}

pub(super) type Read<T> = Result<T, Fault>;

pub(super) fn fault<T>(flaw: Flaw) -> Read<T> {
    Err(Fault(flaw))
}

/// Reads one message.
pub fn read<'v, V: View<'v>>(root: &V) -> Read<Envelope> {
    match root.kind() {
        Kind::Object => {}
        Kind::Array => return fault(Flaw::Batch),
        _ => return fault(Flaw::NotAnObject),
    }
    let top = read_top(root)?;
    if !top.version {
        return fault(Flaw::Version);
    }
    let Some(method) = top.method else { return read_response(top) };
    if top.answer {
        return fault(Flaw::Shape);
    }
    let has_id = top.id != Id::None;
    let message = if has_id { Message::Request } else { Message::Notification };
    // An unknown method may be either; a known one has its shape.
    if method != Method::Unknown && method.is_notification() == has_id {
        return fault(Flaw::IdForMethod);
    }
    let params = top.params;
    let Meta { version, has_capabilities, traceparent } = match params.as_ref().and_then(|p| p.meta.as_ref())
    {
        Some(meta) => read_meta(meta)?,
        None => Meta::default(),
    };
    // A method that the message's era does not have is refused as such by `judge`, like an unknown
    // one; that it names nobody is not what is wrong with it.
    let subject = if method.exists_in(version.era()) {
        read_subject(method, params.as_ref())?
    } else {
        Subject::Server
    };
    Ok(Envelope { message, id: top.id, method, subject, version, has_capabilities, traceparent })
}

fn read_response<V>(top: Top<V>) -> Read<Envelope> {
    if !top.answer || top.id == Id::None || top.params.is_some() {
        return fault(Flaw::Shape);
    }
    Ok(Envelope {
        message: Message::Response,
        id: top.id,
        method: Method::Unknown,
        subject: Subject::Server,
        version: MetaVersion::Absent,
        has_capabilities: false,
        traceparent: None,
    })
}

struct Top<V> {
    version: bool,
    id: Id,
    method: Option<Method>,
    params: Option<Params<V>>,
    answer: bool,
}

fn read_top<'v, V: View<'v>>(root: &V) -> Read<Top<V>> {
    let mut seen = Seen::new(&TOP);
    let mut top = Top { version: false, id: Id::None, method: None, params: None, answer: false };
    root.members(|name, value| {
        match seen.enter(name)? {
            "jsonrpc" => top.version = value.kind() == Kind::String && value.text()?.as_str() == "2.0",
            "id" => top.id = read_id(&value)?,
            "method" => top.method = Some(Method::parse(string(&value)?.as_str())),
            "params" => top.params = Some(read_params(&value)?),
            "result" | "error" => {
                // Both at once are no answer that two readers take alike.
                if top.answer {
                    return fault(Flaw::Shape);
                }
                top.answer = true;
            }
            _ => {}
        }
        Ok(())
    })?;
    Ok(top)
}

/// An id may have any length and hold half a surrogate pair; it decides nothing, and the upstream gets it as
/// it is.
fn read_id<'v, V: View<'v>>(value: &V) -> Read<Id> {
    if let Some(integer) = value.integer() {
        return Ok(match integer {
            Integer::Short(number) => Id::Number(number),
            Integer::Long(start, end) => Id::Digits(Text::InBody { start, end }),
        });
    }
    if value.kind() != Kind::String {
        return fault(Flaw::Id);
    }
    Ok(Id::Text(value.text().map_or_else(|Unreadable| Text::Copied("\u{fffd}".into()), place)))
}

struct Params<V> {
    name: Option<V>,
    uri: Option<V>,
    reference: Option<V>,
    notifications: Option<V>,
    meta: Option<V>,
}

fn read_params<'v, V: View<'v>>(value: &V) -> Read<Params<V>> {
    let mut params = Params { name: None, uri: None, reference: None, notifications: None, meta: None };
    if value.kind() != Kind::Object {
        return fault(Flaw::Type);
    }
    let mut seen = Seen::new(&PARAMS);
    value.members(|name, value| {
        match seen.enter(name)? {
            "name" => params.name = Some(value),
            "uri" => params.uri = Some(value),
            "ref" => params.reference = Some(value),
            "notifications" => params.notifications = Some(value),
            "_meta" => params.meta = Some(value),
            _ => {}
        }
        Ok::<(), Fault>(())
    })?;
    Ok(params)
}

fn read_subject<'v, V: View<'v>>(method: Method, params: Option<&Params<V>>) -> Read<Subject> {
    let name = || named(params.and_then(|p| p.name.as_ref()), bounds::NAME_BYTES);
    let uri = || named(params.and_then(|p| p.uri.as_ref()), bounds::URI_BYTES);
    match method.concern() {
        Concern::Server => Ok(Subject::Server),
        Concern::Tool => name().map(Subject::Tool),
        Concern::Prompt => name().map(Subject::Prompt),
        Concern::Resource => uri().map(Subject::Resource),
        Concern::Task => Ok(Subject::Task),
        Concern::Reference => match params.and_then(|p| p.reference.as_ref()) {
            Some(reference) => read_reference(reference),
            None => fault(Flaw::NoName),
        },
        Concern::Subscription => match params.and_then(|p| p.notifications.as_ref()) {
            Some(notifications) => read_subscription(notifications),
            None => fault(Flaw::NoName),
        },
    }
}

/// The `ref` of `completion/complete`: `ref/prompt` with a name, or `ref/resource` with a URI.
fn read_reference<'v, V: View<'v>>(value: &V) -> Read<Subject> {
    let (mut kind, mut name, mut uri) = (None, None, None);
    if value.kind() != Kind::Object {
        return fault(Flaw::Type);
    }
    let mut seen = Seen::new(&REF);
    value.members(|member, value| {
        match seen.enter(member)? {
            "type" => kind = Some(string(&value)?),
            "name" => name = Some(value),
            "uri" => uri = Some(value),
            _ => {}
        }
        Ok::<(), Fault>(())
    })?;
    // Some servers go by the type, and some by which of the two they find.
    if name.is_some() && uri.is_some() {
        return fault(Flaw::TwoNames);
    }
    match kind.as_ref().map(Found::as_str) {
        Some("ref/prompt") => named(name.as_ref(), bounds::NAME_BYTES).map(Subject::Prompt),
        Some("ref/resource") => named(uri.as_ref(), bounds::URI_BYTES).map(Subject::Resource),
        _ => fault(Flaw::NoName),
    }
}

/// The `notifications` of `subscriptions/listen`.
fn read_subscription<'v, V: View<'v>>(value: &V) -> Read<Subject> {
    if value.kind() != Kind::Object {
        return fault(Flaw::Type);
    }
    let mut resources = Vec::new();
    let mut tasks = false;
    let mut seen = Seen::new(&LISTEN);
    value.members(|member, value| {
        match seen.enter(member)? {
            "taskIds" => tasks = true,
            "resourceSubscriptions" => {
                if value.kind() != Kind::Array {
                    return fault(Flaw::Type);
                }
                value.items(|item| {
                    if resources.len() == bounds::SUBSCRIPTIONS {
                        return fault(Flaw::TooLong);
                    }
                    resources.push(named(Some(&item), bounds::URI_BYTES)?);
                    Ok(())
                })?;
            }
            _ => {}
        }
        Ok(())
    })?;
    Ok(Subject::Subscription { resources: resources.into_boxed_slice(), tasks })
}

pub(super) fn string<'v, V: View<'v>>(value: &V) -> Read<Found<'v>> {
    if value.kind() != Kind::String {
        return fault(Flaw::Type);
    }
    Ok(value.text()?)
}

fn named<'v, V: View<'v>>(value: Option<&V>, most: usize) -> Read<Text> {
    let Some(value) = value else { return fault(Flaw::NoName) };
    keep(string(value)?, most)
}

pub(super) fn keep(text: Found<'_>, most: usize) -> Read<Text> {
    if text.as_str().len() > most {
        return fault(Flaw::TooLong);
    }
    Ok(place(text))
}

fn place(text: Found<'_>) -> Text {
    match text {
        Found::At(start, text) => Text::InBody { start, end: start + text.len() },
        Found::Owned(text) => Text::Copied(text),
    }
}

/// Which protected members of one object have been met.
pub(super) struct Seen {
    protected: &'static [&'static str],
    met: u16,
}

impl Seen {
    pub(super) fn new(protected: &'static [&'static str]) -> Self {
        Self { protected, met: 0 }
    }

    /// The protected name that `name` is, or `""` for one that does not matter.
    #[inline]
    pub(super) fn enter(&mut self, name: &str) -> Read<&'static str> {
        for (index, protected) in self.protected.iter().enumerate() {
            if *protected == name {
                let bit = 1 << index;
                if self.met & bit != 0 {
                    return fault(Flaw::Duplicate);
                }
                self.met |= bit;
                return Ok(protected);
            }
        }
        if looks_like_any(name, self.protected) {
            return fault(Flaw::LookAlike);
        }
        Ok("")
    }
}
