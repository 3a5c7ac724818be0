//! Which JSON values are messages that pass, and what they say: the rules once more, in the
//! plainest words, over a tree that kept every duplicate.

use tollgate::base::bounds::{JSON_DEPTH, NAME_BYTES, SUBSCRIPTIONS, URI_BYTES};
use tollgate::base::text::NOTED_BYTES;
use tollgate::base::unseen::is_unseen;
use tollgate::wire::mcp::{Method, ProtocolVersion};

use super::json::{Kind, Value};

/// What a legal message says, in words: equal facts read equal.
#[derive(Debug, PartialEq, Eq)]
pub struct Facts {
    /// Request, notification or response.
    pub message: &'static str,
    /// The id, as JSON; empty for none.
    pub id: String,
    /// The method's name, empty for one that no revision defines.
    pub method: String,
    /// Whom it concerns.
    pub subject: String,
    /// What `_meta` says of the version.
    pub version: String,
    /// Whether `_meta` has capabilities.
    pub has_capabilities: bool,
    /// What `_meta` says of the trace, as it is written; empty where it says nothing.
    pub trace: String,
}

const VERSION: &str = "io.modelcontextprotocol/protocolVersion";
const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";

/// The facts of a legal message; `None` for a value that may not pass.
pub fn facts(root: &Value<'_>) -> Option<Facts> {
    if root.depth() > JSON_DEPTH {
        return None;
    }
    let [version, id, method, params, result, error] =
        members(root, ["jsonrpc", "id", "method", "params", "result", "error"])?;
    if version?.text()? != "2.0"
        || id.is_some_and(|id| !matches!(id.kind, Kind::Text(_) | Kind::Number(true)))
    {
        return None;
    }
    let answer = match (result, error) {
        (Some(_), Some(_)) => return None,
        (None, None) => false,
        _ => true,
    };
    let Some(method) = method else {
        let response = answer && id.is_some() && params.is_none();
        return response.then(|| Facts {
            message: "response",
            id: id.map(noted).unwrap_or_default(),
            method: String::new(),
            subject: "server".into(),
            version: "absent".into(),
            has_capabilities: false,
            trace: String::new(),
        });
    };
    if answer {
        return None;
    }
    let method = Method::parse(method.text()?).name();
    if !method.is_empty() && method.starts_with("notifications/") == id.is_some() {
        return None;
    }
    let names = [
        "name",
        "uri",
        "_meta",
        "ref",
        "notifications",
        "arguments",
        "taskId",
        "requestState",
        "inputResponses",
    ];
    let [name, uri, meta, reference, watched, ..] = match params {
        Some(params) => members(params, names)?,
        None => [None; 9],
    };
    let (version, has_capabilities) = meta.map_or_else(|| Some(("absent".into(), false)), era)?;
    let subject = match method {
        // Refused later, whomever it names.
        _ if !exists(method, &version) => "server".into(),
        "tools/call" => format!("tool {}", text(name, NAME_BYTES)?),
        "prompts/get" => format!("prompt {}", text(name, NAME_BYTES)?),
        "resources/read" | "resources/subscribe" | "resources/unsubscribe" => {
            format!("resource {}", text(uri, URI_BYTES)?)
        }
        "completion/complete" => reference_of(reference?)?,
        "subscriptions/listen" => subscription(watched?)?,
        _ if method.contains("tasks/") => "task".into(),
        _ => "server".into(),
    };
    let message = if id.is_some() { "request" } else { "notification" };
    let id = id.map(noted).unwrap_or_default();
    let trace = meta.map(trace_of).unwrap_or_default();
    Some(Facts { message, id, method: method.into(), subject, version, has_capabilities, trace })
}

/// An id as it is noted: the number or the text, without what its writing adds, and not too long.
fn noted(id: &Value<'_>) -> String {
    let noted = match &id.kind {
        Kind::Text(text) => serde_json::to_string(text.as_deref().unwrap_or("\u{fffd}")).unwrap_or_default(),
        _ if id.raw == "-0" => "0".into(),
        _ => id.raw.into(),
    };
    String::from_utf8_lossy(&noted.as_bytes()[..noted.len().min(NOTED_BYTES)]).into_owned()
}

/// The one trace that `_meta` names, in the words of W3C: of version 00, and not all zeros.
fn trace_of(meta: &Value<'_>) -> String {
    let members = meta.members().unwrap_or_default();
    let mut told = members.iter().filter(|(name, _)| name.as_deref() == Some("traceparent"));
    let (Some((_, value)), None) = (told.next(), told.next()) else { return String::new() };
    let parts: Vec<&str> = value.text().unwrap_or_default().split('-').collect();
    let hex = |part: &str, digits| {
        part.len() == digits && part.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
    };
    let some = |part: &str| part.bytes().any(|digit| digit != b'0');
    let [version, trace, span, flags, rest @ ..] = parts.as_slice() else { return String::new() };
    let legal = hex(version, 2)
        && *version != "ff"
        && (*version != "00" || rest.is_empty())
        && hex(trace, 32)
        && some(trace)
        && hex(span, 16)
        && some(span)
        && hex(flags, 2);
    let recorded =
        flags.chars().last().and_then(|digit| digit.to_digit(16)).is_some_and(|flags| flags % 2 == 1);
    if legal { format!("00-{trace}-{span}-0{}", u8::from(recorded)) } else { String::new() }
}

const MODERN_ONLY: [&str; 3] = ["server/discover", "subscriptions/listen", "tasks/update"];
const LEGACY_ONLY: [&str; 10] = [
    "initialize",
    "ping",
    "logging/setLevel",
    "resources/subscribe",
    "resources/unsubscribe",
    "tasks/result",
    "tasks/list",
    "notifications/initialized",
    "notifications/roots/list_changed",
    "notifications/tasks/status",
];

/// Whether the revisions that a body speaks of have a method.
fn exists(method: &str, version: &str) -> bool {
    let legacy =
        version == "absent" || version.starts_with("known 2024") || version.starts_with("known 2025");
    !(if legacy { MODERN_ONLY.contains(&method) } else { LEGACY_ONLY.contains(&method) })
}

fn reference_of(reference: &Value<'_>) -> Option<String> {
    let [kind, name, uri] = members(reference, ["type", "name", "uri"])?;
    if name.is_some() && uri.is_some() {
        return None;
    }
    match kind?.text()? {
        "ref/prompt" => Some(format!("prompt {}", text(name, NAME_BYTES)?)),
        "ref/resource" => Some(format!("resource {}", text(uri, URI_BYTES)?)),
        _ => None,
    }
}

fn subscription(watched: &Value<'_>) -> Option<String> {
    let [resources, tasks] = members(watched, ["resourceSubscriptions", "taskIds"])?;
    let uris = match resources.map(|resources| &resources.kind) {
        None => Vec::new(),
        Some(Kind::Array(items)) if items.len() <= SUBSCRIPTIONS => {
            items.iter().map(|item| text(Some(item), URI_BYTES)).collect::<Option<_>>()?
        }
        Some(_) => return None,
    };
    Some(format!("subscription {uris:?} {}", tasks.is_some()))
}

fn era(meta: &Value<'_>) -> Option<(String, bool)> {
    let [version, capabilities] = members(meta, [VERSION, CAPABILITIES])?;
    if capabilities.is_some_and(|capabilities| capabilities.members().is_none()) {
        return None;
    }
    let version = match version {
        None => "absent".into(),
        Some(version) => {
            let name = version.text()?;
            match ProtocolVersion::ALL.iter().find(|known| known.name() == name) {
                Some(known) => format!("known {}", known.name()),
                None => format!("unknown {}", text(Some(version), NAME_BYTES)?),
            }
        }
    };
    Some((version, capabilities.is_some()))
}

fn text<'v>(value: Option<&'v Value<'_>>, most: usize) -> Option<&'v str> {
    value?.text().filter(|text| text.len() <= most)
}

/// The members of these names. `None` where the value is no object, where a name is no
/// Unicode, and where any other name, or the same once more, folds onto one of these.
fn members<'v, 't, const N: usize>(
    value: &'v Value<'t>,
    names: [&str; N],
) -> Option<[Option<&'v Value<'t>>; N]> {
    let members = value.members()?;
    if members.iter().any(|(name, _)| name.as_deref().is_none_or(|name| name == "__proto__")) {
        return None;
    }
    let mut found = [None; N];
    for (place, wanted) in found.iter_mut().zip(names) {
        let alike = |name: &str| {
            let c_string = name.split('\0').next().unwrap_or_default();
            fold(name) == fold(wanted) || fold(c_string) == fold(wanted)
        };
        let mut like = members.iter().filter(|(name, _)| name.as_deref().is_some_and(alike));
        match (like.next(), like.next()) {
            (None, _) => {}
            (Some((name, value)), None) if name.as_deref() == Some(wanted) => *place = Some(value),
            _ => return None,
        }
    }
    Some(found)
}

/// A name as the laxest readers in the field take it.
fn fold(name: &str) -> String {
    let seen: String = name.chars().filter(|character| !is_unseen(*character)).collect();
    let narrow = seen.chars().map(|character| match u32::from(character) {
        wide @ 0xff01..=0xff5e => char::from_u32(wide - 0xfee0).unwrap_or(character),
        _ => character,
    });
    narrow.collect::<String>().to_uppercase().to_lowercase().replace('\u{307}', "")
}
