//! What is called and what comes back, in every variety that a load may ask for.
//!
//! Load and stub agree on answers through the request's id, the one thing that every proxy
//! passes on: it names the method, the form and the size of the answer. Each variety is made
//! once, before the load begins.

use super::call::{ANSWER, BODY, TOOL};

/// The two ways of speaking MCP.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub(crate) enum Era {
    /// 2026-07-28: version and capabilities in each body, method and name in headers too.
    Modern,
    /// 2025-11-25: the version in a header, nothing else.
    Legacy,
}

/// What is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Method {
    ToolsCall,
    ToolsList,
    /// The modern era's way to ask who is there.
    Discover,
    /// The legacy era's.
    Ping,
}

/// How an answer is sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub(crate) enum Form {
    /// One JSON document with its length.
    Json,
    /// An event stream with one event, in chunks.
    Sse,
}

/// One variety of call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Kind {
    pub(crate) era: Era,
    pub(crate) method: Method,
    /// Bytes of the request's body; where the era needs more, as few as it can be.
    pub(crate) body: usize,
    pub(crate) form: Form,
    /// Bytes of the answer's JSON document, likewise.
    pub(crate) answer: usize,
}

const ERAS: [(Era, &str); 2] = [(Era::Modern, "2026-07-28"), (Era::Legacy, "2025-11-25")];
const METHODS: [(Method, &str); 4] = [
    (Method::ToolsCall, "tools/call"),
    (Method::ToolsList, "tools/list"),
    (Method::Discover, "server/discover"),
    (Method::Ping, "ping"),
];
const FORMS: [(Form, &str); 2] = [(Form::Json, "json"), (Form::Sse, "sse")];

fn name<T: Copy + PartialEq>(table: &[(T, &'static str)], of: T) -> &'static str {
    table.iter().find(|(value, _)| *value == of).map_or("", |(_, name)| name)
}

fn named<T: Copy>(table: &[(T, &str)], name: &str) -> Option<T> {
    table.iter().find(|(_, own)| *own == name).map(|(value, _)| *value)
}

impl Method {
    /// By its name on the wire.
    pub(crate) fn named(text: &str) -> Option<Self> {
        named(&METHODS, text)
    }

    /// Whether an era has it.
    pub(crate) fn exists_in(self, era: Era) -> bool {
        match self {
            Self::ToolsCall | Self::ToolsList => true,
            Self::Discover => era == Era::Modern,
            Self::Ping => era == Era::Legacy,
        }
    }
}

impl Kind {
    /// The call of record: 249 bytes there, 276 back.
    pub(crate) fn of_record() -> Self {
        Self {
            era: Era::Modern,
            method: Method::ToolsCall,
            body: BODY.len(),
            form: Form::Json,
            answer: ANSWER.len(),
        }
    }

    /// The request's body.
    pub(crate) fn request(&self) -> String {
        if *self == Self::of_record() {
            return BODY.to_owned();
        }
        let whole = self.with_padding("");
        let padding = self.body.saturating_sub(whole.len());
        if padding == 0 { whole } else { self.with_padding(&"q".repeat(padding)) }
    }

    fn with_padding(&self, padding: &str) -> String {
        let (id, method) = (self.id(), name(&METHODS, self.method));
        let mut params = Vec::new();
        if self.method == Method::ToolsCall {
            params.push(format!(r#""name":"{TOOL}","arguments":{{"query":"{padding}"}}"#));
        }
        if self.era == Era::Modern {
            let version = name(&ERAS, self.era);
            params.push(format!(
                r#""_meta":{{"io.modelcontextprotocol/protocolVersion":"{version}","io.modelcontextprotocol/clientCapabilities":{{}}}}"#
            ));
        }
        let params = params.join(",");
        format!(r#"{{"jsonrpc":"2.0","id":"{id}","method":"{method}","params":{{{params}}}}}"#)
    }

    /// Names the answer.
    fn id(&self) -> String {
        format!("{}-{}-{}", name(&METHODS, self.method), name(&FORMS, self.form), self.answer)
    }

    /// The request's headers beside host, length and key.
    pub(crate) fn headers(&self) -> Vec<(&'static str, &'static str)> {
        let mut headers = vec![
            ("content-type", "application/json"),
            ("accept", "application/json, text/event-stream"),
            ("user-agent", "loadtest"),
            ("mcp-protocol-version", name(&ERAS, self.era)),
        ];
        if self.era == Era::Modern {
            headers.push(("mcp-method", name(&METHODS, self.method)));
            if self.method == Method::ToolsCall {
                headers.push(("mcp-name", TOOL));
            }
        }
        headers
    }

    /// The answer's body, as the stub gives it.
    pub(crate) fn answered(&self) -> Vec<u8> {
        if *self == Self::of_record() {
            return ANSWER.into();
        }
        answer(&self.id()).map(|(_, body)| body).unwrap_or_default()
    }
}

/// The answer that an id names: its form and its body.
pub(crate) fn answer(id: &str) -> Option<(Form, Vec<u8>)> {
    /// No upstream of a measurement sends more.
    const LARGEST: usize = 4 << 20;
    let mut parts = id.split('-');
    let (method, form, size) = (parts.next()?, parts.next()?, parts.next()?);
    let (method, form) = (Method::named(method)?, named(&FORMS, form)?);
    let size = size.parse().ok().filter(|size| *size <= LARGEST && parts.next().is_none())?;
    let whole = result(id, method, "");
    let padding = usize::saturating_sub(size, whole.len());
    let json = if padding == 0 { whole } else { result(id, method, &"a".repeat(padding)) };
    let body = if form == Form::Json { json } else { format!("event: message\ndata: {json}\n\n") };
    Some((form, body.into_bytes()))
}

fn result(id: &str, method: Method, padding: &str) -> String {
    let result = match method {
        Method::ToolsCall => format!(
            r#""resultType":"complete","content":[{{"type":"text","text":"{padding}"}}],"isError":false"#
        ),
        Method::ToolsList => format!(
            r#""resultType":"complete","ttlMs":0,"cacheScope":"private","tools":[{{"name":"{TOOL}","description":"{padding}","inputSchema":{{"type":"object"}}}}]"#
        ),
        Method::Discover => format!(
            r#""resultType":"complete","ttlMs":0,"cacheScope":"private","supportedVersions":["2026-07-28"],"capabilities":{{"tools":{{}}}},"serverInfo":{{"name":"stub","version":"1"}},"instructions":"{padding}""#
        ),
        // An empty result is all that there is.
        Method::Ping => String::new(),
    };
    format!(r#"{{"jsonrpc":"2.0","id":"{id}","result":{{{result}}}}}"#)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::{Era, Form, Kind, Method, answer};
    use crate::traffic::call::{ANSWER, BODY};

    #[test]
    fn the_call_of_record_is_what_it_was() {
        let kind = Kind::of_record();
        assert_eq!((kind.request().as_str(), kind.answered().as_slice()), (BODY, ANSWER.as_bytes()));
        let headers = [
            ("content-type", "application/json"),
            ("accept", "application/json, text/event-stream"),
            ("user-agent", "loadtest"),
            ("mcp-protocol-version", "2026-07-28"),
            ("mcp-method", "tools/call"),
            ("mcp-name", "search"),
        ];
        assert_eq!(kind.headers(), headers);
    }

    #[test]
    fn sizes_are_as_asked_and_everything_is_json() {
        for (method, era) in [
            (Method::ToolsCall, Era::Modern),
            (Method::ToolsCall, Era::Legacy),
            (Method::ToolsList, Era::Modern),
            (Method::Ping, Era::Legacy),
            (Method::Discover, Era::Modern),
        ] {
            assert!(method.exists_in(era));
            let kind = Kind { era, method, body: 4096, form: Form::Json, answer: 1024 };
            let (request, answered) = (kind.request(), kind.answered());
            let request_json: Value = serde_json::from_str(&request).unwrap();
            let answer_json: Value = serde_json::from_slice(&answered).unwrap();
            assert_eq!(request_json["id"], answer_json["id"]);
            assert_eq!(request.len() == 4096, method == Method::ToolsCall, "{request}");
            assert_eq!(answered.len() == 1024, method != Method::Ping);
        }
        let kind = Kind { body: 200, form: Form::Sse, ..Kind::of_record() };
        assert!(kind.request().len() < 240, "{}", kind.request().len());
        let event = String::from_utf8(kind.answered()).unwrap();
        assert!(event.starts_with("event: message\ndata: {") && event.ends_with("}\n\n"));
    }

    #[test]
    fn ids_that_name_no_answer_have_none() {
        for id in [
            "",
            "1",
            "tools/call",
            "tools/call-json",
            "tools/call-xml-300",
            "tools/call-json-999999999",
            "ping-sse-1-2",
        ] {
            assert_eq!(answer(id), None, "{id}");
        }
    }
}
