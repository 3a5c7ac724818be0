//! From an event to its record: one line of JSON whose members stand in one order, absent facts left out.
//!
//! Written member by member into the batch, without maps or copies. What a client chose is masked and escaped; a
//! line in which all the same something looks like a key is written again without what clients chose.

use std::cell::RefCell;
use std::sync::Arc;

use super::chain::Head;
use super::redact;
use super::remembered::{Remembered, put_address};
use super::text::{WITHHELD, put_hex, put_json, put_number, quote, quote_id};
use crate::base::key::long_holds_key;
use crate::base::moment::{Calendar, Moment};
use crate::base::text::Text;
use crate::telemetry::event::{Event, Part};
use crate::telemetry::names::{NameId, Names};
use crate::wire::mcp::{Concern, Era, Method};

/// Whether a name can be a replica's: it stands in records and in names of files as it is.
pub fn is_replica_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && !name.starts_with('.')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

/// Writes records of one replica.
pub(super) struct Scribe {
    replica: Box<str>,
    names: Arc<Names>,
    remembered: RefCell<Remembered>,
    calendar: Calendar,
}

impl Scribe {
    pub(super) fn new(replica: &str, names: Arc<Names>) -> Self {
        let remembered = RefCell::default();
        Self { replica: replica.into(), names, remembered, calendar: Calendar::new() }
    }

    /// Holds the process's clock and the system's together anew; to be called now and then.
    pub(super) fn look_at_clock(&mut self) {
        self.calendar = Calendar::new();
    }

    /// Shows an event to who wants to see it.
    pub(super) fn show(&self, event: &Event, observers: &mut [super::Observer]) {
        for observer in observers {
            observer(event, &self.names, &self.calendar);
        }
    }

    pub(super) fn replica(&self) -> &str {
        &self.replica
    }

    /// Begins a record of the log's own, that of now, and says its time.
    pub(super) fn begin_own(&self, out: &mut Vec<u8>, head: &Head, kind: &str) -> String {
        let nanos = self.calendar.unix_nanos(Moment::now());
        let mut time = Vec::new();
        let mut remembered = self.remembered.borrow_mut();
        remembered.put_time(&mut time, nanos);
        self.begin(&mut remembered, out, (nanos, head.seq + 1, kind));
        String::from_utf8_lossy(&time).into_owned()
    }

    /// Writes an event's record behind a chain's head.
    pub(super) fn put(&self, out: &mut Vec<u8>, head: &mut Head, event: &Event) {
        let start = out.len();
        self.members(out, head.seq + 1, event, false);
        if long_holds_key(out.get(start..).unwrap_or_default()) {
            out.truncate(start);
            self.members(out, head.seq + 1, event, true);
        }
        head.seal(out, start);
    }

    fn begin(&self, remembered: &mut Remembered, out: &mut Vec<u8>, (nanos, seq, kind): (u64, u64, &str)) {
        out.extend_from_slice(b"{\"time\":\"");
        remembered.put_time(out, nanos);
        out.extend_from_slice(b"\",\"seq\":");
        put_number(out, seq);
        out.extend_from_slice(b",\"replica\":\"");
        out.extend_from_slice(self.replica.as_bytes());
        out.extend_from_slice(b"\",\"kind\":\"");
        out.extend_from_slice(kind.as_bytes());
        out.push(b'"');
    }

    fn members(&self, out: &mut Vec<u8>, seq: u64, event: &Event, withheld: bool) {
        let remembered = &mut *self.remembered.borrow_mut();
        let nanos = self.calendar.unix_nanos(event.ended);
        self.begin(remembered, out, (nanos, seq, kind(event.part)));
        match event.part {
            Part::Whole | Part::Decision => {
                request_number(out, event);
                who(remembered, out, event, withheld);
                self.what(remembered, out, event, withheld);
                member(out, name!("from"), |out| put_address(out, event.from));
                if event.part == Part::Whole {
                    self.how(remembered, out, event);
                }
                self.named(remembered, out, name!("rule"), event.rule);
                if event.trace.id != 0 {
                    in_hex(out, name!("trace"), &event.trace.id.to_be_bytes());
                }
                inputs(out, event, withheld);
            }
            Part::Refusals => {
                self.named(remembered, out, name!("server"), event.server);
                if !event.from.is_unspecified() {
                    member(out, name!("from"), |out| put_address(out, event.from));
                }
                ended(out, event);
                numbered(out, name!("count"), event.count);
            }
            Part::Lost => {
                numbered(out, name!("worker"), u64::from(event.request.worker));
                numbered(out, name!("count"), event.count);
            }
        }
    }

    /// What was asked for, and how it was said.
    fn what(&self, remembered: &mut Remembered, out: &mut Vec<u8>, event: &Event, withheld: bool) {
        self.named(remembered, out, name!("server"), event.server);
        if event.method != Method::Unknown {
            word(out, name!("method"), event.method.name());
        }
        foreign(remembered, out, target(event.method), &event.target, withheld);
        if let Some(era) = event.era {
            word(out, name!("era"), if era == Era::Legacy { "legacy" } else { "modern" });
        }
        if let Some(version) = event.version {
            word(out, name!("version"), version.name());
        }
        if !event.id.is_empty() {
            let id = if withheld { WITHHELD.as_bytes() } else { event.id.bytes() };
            member(out, name!("id"), |out| quote_id(out, id, event.id.is_cut()));
        }
    }

    /// What became of it.
    fn how(&self, remembered: &mut Remembered, out: &mut Vec<u8>, event: &Event) {
        ended(out, event);
        if event.warned {
            member(out, name!("warned"), |out| out.extend_from_slice(b"true"));
        }
        if event.status != 0 {
            numbered(out, name!("status"), u64::from(event.status));
        }
        self.named(remembered, out, name!("endpoint"), event.endpoint);
        numbered(out, name!("request_bytes"), event.request_bytes);
        numbered(out, name!("answer_bytes"), event.answer_bytes);
        let (whole, upstream) = (event.whole(), event.upstream());
        numbered(out, name!("whole_ns"), whole);
        numbered(out, name!("own_ns"), whole.saturating_sub(upstream.unwrap_or(0)));
        if let Some(upstream) = upstream {
            numbered(out, name!("upstream_ns"), upstream);
        }
    }

    fn named(&self, remembered: &mut Remembered, out: &mut Vec<u8>, name: &str, number: NameId) {
        if let Some(quoted) = remembered.name(&self.names, number) {
            member(out, name, |out| out.extend_from_slice(quoted));
        }
    }
}

/// A member's name with all that stands around it, in one piece: a record has some twenty, and each piece that is
/// written costs a look for room.
macro_rules! name {
    ($name:literal) => {
        concat!(",\"", $name, "\":")
    };
}
pub(super) use name;

/// Writes a member: its name, and what `value` writes.
#[inline(always)]
#[expect(clippy::inline_always, reason = "a name of known length is a few stores, another a call")]
pub(super) fn member(out: &mut Vec<u8>, name: &str, value: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(name.as_bytes());
    value(out);
}

/// Writes a member that is a number.
#[inline(always)]
#[expect(clippy::inline_always, reason = "as above")]
pub(super) fn numbered(out: &mut Vec<u8>, name: &str, number: u64) {
    member(out, name, |out| put_number(out, number));
}

/// Writes a member that is a text of the gateway's own.
pub(super) fn told(out: &mut Vec<u8>, name: &str, text: &str) {
    member(out, name, |out| quote(out, text));
}

/// Writes a member that is one of few words, none of which needs an escape.
#[inline(always)]
#[expect(clippy::inline_always, reason = "as above")]
fn word(out: &mut Vec<u8>, name: &str, word: &str) {
    member(out, name, |out| {
        out.push(b'"');
        out.extend_from_slice(word.as_bytes());
        out.push(b'"');
    });
}

/// Writes a member that is bytes.
pub(super) fn in_hex(out: &mut Vec<u8>, name: &str, bytes: &[u8]) {
    member(out, name, |out| {
        out.push(b'"');
        put_hex(out, bytes);
        out.push(b'"');
    });
}

fn kind(part: Part) -> &'static str {
    match part {
        Part::Whole => "call",
        Part::Decision => "decision",
        Part::Refusals => "refusals",
        Part::Lost => "lost",
    }
}

fn request_number(out: &mut Vec<u8>, event: &Event) {
    member(out, name!("request"), |out| {
        out.push(b'"');
        put_number(out, u64::from(event.request.worker));
        out.push(b'-');
        put_number(out, event.request.count);
        out.push(b'"');
    });
}

fn who(remembered: &mut Remembered, out: &mut Vec<u8>, event: &Event, withheld: bool) {
    if let Some(key) = event.key {
        member(out, name!("key_id"), |out| {
            out.push(b'"');
            out.extend_from_slice(&key.to_text());
            out.push(b'"');
        });
    }
    foreign(remembered, out, name!("owner"), &event.owner, withheld);
}

/// The member that names the thing that a method is about.
fn target(method: Method) -> &'static str {
    match method.concern() {
        Concern::Tool => name!("tool"),
        Concern::Prompt => name!("prompt"),
        Concern::Resource | Concern::Subscription => name!("resource"),
        Concern::Reference => name!("reference"),
        Concern::Task => name!("task"),
        Concern::Server => name!("target"),
    }
}

fn foreign<const N: usize>(
    remembered: &mut Remembered,
    out: &mut Vec<u8>,
    name: &str,
    text: &Text<N>,
    withheld: bool,
) {
    if !text.is_empty() {
        let bytes = if withheld { WITHHELD.as_bytes() } else { text.bytes() };
        member(out, name, |out| remembered.put_foreign(out, bytes, text.is_cut() && !withheld));
    }
}

fn ended(out: &mut Vec<u8>, event: &Event) {
    word(out, name!("outcome"), event.outcome.label());
    if let Some(denial) = event.denial {
        word(out, name!("reason"), denial.row().reason);
    }
}

fn inputs(out: &mut Vec<u8>, event: &Event, withheld: bool) {
    if withheld && event.inputs.is_some() {
        return told(out, name!("inputs"), "<withheld>");
    }
    let written = event.inputs.as_ref().and_then(|inputs| redact(&inputs.body, &inputs.rule));
    if let Some(written) = written {
        member(out, name!("inputs"), |out| put_json(out, written.get()));
    }
}

#[cfg(test)]
mod tests {
    use super::{Scribe, is_replica_name};
    use crate::base::moment::Moment;
    use crate::base::text::Text;
    use crate::base::{Denial, KeyId};
    use crate::telemetry::Outcome;
    use crate::telemetry::audit::chain::{Head, LINE_BYTES, Line};
    use crate::telemetry::event::{Event, Part, RequestNumber, Trace};
    use crate::telemetry::names::Names;
    use crate::wire::mcp::{Era, Method, ProtocolVersion};
    use std::net::{IpAddr, Ipv4Addr};
    use std::sync::Arc;

    const KEY: &str = "mcp_live_0123456789abcdef.0123456789abcdefghijklmnopqrstuvwxyz0123456789012";

    fn event() -> Event {
        let request = RequestNumber { worker: 1, count: 23 };
        Event::new(request, Moment::now(), IpAddr::V4(Ipv4Addr::LOCALHOST))
    }

    fn written(names: &Arc<Names>, event: &Event) -> String {
        let (mut out, mut head) = (Vec::new(), Head { seq: 6, ..Head::default() });
        Scribe::new("gw-1", Arc::clone(names)).put(&mut out, &mut head, event);
        let line = String::from_utf8(out).unwrap();
        let read = Line::read(line.trim_end().as_bytes()).unwrap();
        assert!(read.is_whole() && read.head() == head && head.seq == 7 && read.replica == "gw-1");
        line
    }

    #[test]
    fn a_call_is_told_in_one_order() {
        let names = Arc::new(Names::default());
        let mut event = event();
        (event.server, event.rule) = (names.number("crm"), names.number("crm.read_*"));
        event.endpoint = names.number("http://127.0.0.1:9001/mcp");
        event.key = KeyId::parse(&KEY.as_bytes()[..25]);
        (event.owner, event.target) = (Text::of("Zoë \u{202e}".as_bytes()), Text::of(b"crm.read_customer"));
        (event.method, event.era) = (Method::ToolsCall, Some(Era::Modern));
        (event.version, event.id) = (Some(ProtocolVersion::V2026_07_28), Text::of(b"\"a-7\""));
        (event.outcome, event.status, event.warned) = (Outcome::Answered, 200, true);
        (event.request_bytes, event.answer_bytes) = (120, 4_096);
        (event.sent, event.trace) = (Some(event.begun), Trace { id: 0xabc, ..Trace::default() });
        let line = written(&names, &event);
        let (before, behind) = line.split_once("\"kind\"").unwrap();
        assert!(
            before.starts_with("{\"time\":\"20") && before.ends_with("Z\",\"seq\":7,\"replica\":\"gw-1\","),
            "{before}"
        );
        let wanted = concat!(
            r#":"call","request":"1-23","key_id":"mcp_live_0123456789abcdef","owner":"Zoë \u202e","server":"crm","#,
            r#""method":"tools/call","tool":"crm.read_customer","era":"modern","version":"2026-07-28","id":"a-7","#,
            r#""from":"127.0.0.1","outcome":"answered","warned":true,"status":200,"endpoint":"http://127.0.0.1:9001/mcp","#,
            r#""request_bytes":120,"answer_bytes":4096,"whole_ns":0,"own_ns":0,"upstream_ns":0,"rule":"crm.read_*","#,
            r#""trace":"00000000000000000000000000000abc","prev":""#,
        );
        assert!(behind.starts_with(wanted), "{behind}");
    }

    #[test]
    fn what_is_not_known_is_left_out() {
        let names = Arc::new(Names::default());
        let told = |event: &Event| {
            let line = written(&names, event);
            let (_, told) = line.split_once("\"kind\":").unwrap();
            told.split_once(",\"prev\"").unwrap().0.to_owned()
        };
        let mut refused = event();
        (refused.outcome, refused.denial, refused.status) = (Outcome::Denied, Some(Denial::MissingKey), 401);
        assert_eq!(
            told(&refused),
            r#""call","request":"1-23","from":"127.0.0.1","outcome":"denied","reason":"missing_key","status":401,"request_bytes":0,"answer_bytes":0,"whole_ns":0,"own_ns":0"#
        );
        let decision = Event { part: Part::Decision, method: Method::Ping, ..event() };
        assert_eq!(told(&decision), r#""decision","request":"1-23","method":"ping","from":"127.0.0.1""#);
        let mut many = Event::lost(0, 12);
        (many.part, many.outcome, many.denial) = (Part::Refusals, Outcome::Denied, Some(Denial::InvalidKey));
        assert_eq!(told(&many), r#""refusals","outcome":"denied","reason":"invalid_key","count":12"#);
        assert_eq!(told(&Event::lost(3, 5)), r#""lost","worker":3,"count":5"#);
    }

    #[test]
    fn no_key_gets_into_a_record_however_it_comes() {
        let names = Arc::new(Names::default());
        for place in 0..3 {
            for text in [KEY.to_owned(), format!("x{KEY}"), format!("a {KEY} b"), KEY.repeat(3)] {
                let mut event = event();
                event.method = Method::ToolsCall;
                match place {
                    0 => event.owner = Text::of(text.as_bytes()),
                    1 => event.target = Text::of(text.as_bytes()),
                    _ => event.id = Text::of(format!("\"{text}\"").as_bytes()),
                }
                let line = written(&names, &event);
                assert!(!line.contains("0123456789abcdefghijkl"), "{line}");
            }
        }
        // Made of parts that are none, and cut short where they are joined.
        let mut event = event();
        event.target = Text::of(b"mcp_live_0123456789abcdef.");
        assert!(!written(&names, &event).contains("abcdef."));
    }

    #[test]
    fn the_longest_record_fits_a_line() {
        let names = Arc::new(Names::default());
        let worst = "\u{1}".repeat(2_000);
        let mut event = event();
        event.owner = Text::of(worst.as_bytes());
        event.target = Text::of(worst.as_bytes());
        event.id = Text::of(worst.as_bytes());
        let inputs = 6 * crate::base::bounds::INPUT_BYTES;
        assert!(written(&names, &event).len() + inputs < LINE_BYTES / 2);
    }

    #[test]
    fn a_name_of_a_replica_is_a_name_of_a_file() {
        assert!(["a", "gateway-1.example_x"].into_iter().all(is_replica_name));
        let long = "x".repeat(65);
        assert!(
            ["", ".", "..", ".a", "a/b", "a b", "é", "a\"", &long]
                .into_iter()
                .all(|name| !is_replica_name(name))
        );
    }
}
