//! HTTP/1.1: heads of requests and answers mean to the gateway what their lines say, in one
//! way only, wherever they are cut; and the gateway reads what it writes.

use bytes::BytesMut;
use http::uri::PathAndQuery;
use http::{Method, StatusCode};
use tollgate::base::bounds::REQUEST_HEADERS;
use tollgate::wire::head::Reply;
use tollgate::wire::http1::{
    AnswerLength, BodyLength, Framing, Preamble, ReceivedHead, ResponseHead, begin_request, end_request,
    take_head, take_received, write_answer, write_line,
};
use tollgate::wire::known::Known;
use tollgate::wire::lines::Lines;

use super::lines::{self, Told};
use super::{chunks, cuts};

/// Bytes of the longest head of a request that is read.
const MOST: usize = 2048;
/// Names that have no `_` where others read `-`.
const MATTER: [&str; 7] = [
    "content-length",
    "transfer-encoding",
    "content-type",
    "content-encoding",
    "x-api-key",
    "last-event-id",
    "mcp-",
];

/// Takes the input for a request, for an answer, and for a body of chunks.
pub fn check(data: &[u8]) {
    request(data);
    answer(data);
    chunks::check(data);
}

/// A head and the bytes behind it; `None` while it is not there whole.
type Taken<T> = Result<Option<(T, usize)>, ()>;

/// Feeds parts to a reader until it answers.
fn feed<T>(parts: &[&[u8]], mut take: impl FnMut(&mut BytesMut) -> Result<Option<T>, ()>) -> Taken<T> {
    let mut read = BytesMut::new();
    for (index, part) in parts.iter().enumerate() {
        read.extend_from_slice(part);
        if let Some(head) = take(&mut read)? {
            let more: usize = parts[index + 1..].iter().map(|part| part.len()).sum();
            return Ok(Some((head, read.len() + more)));
        }
    }
    Ok(None)
}

fn received(parts: &[&[u8]]) -> Taken<ReceivedHead> {
    feed(parts, |read| take_received(read, MOST).map_err(|_| ()))
}

fn request(data: &[u8]) {
    let whole = received(&[data]);
    for parts in cuts::runs(data) {
        let cut = received(&parts);
        assert_eq!(format!("{cut:?}"), format!("{whole:?}"), "{}", data.escape_ascii());
        if let (Ok(Some((cut, _))), Ok(Some((whole, _)))) = (&cut, &whole) {
            assert!(cut.head.lines.iter().eq(whole.head.lines.iter()), "{}", data.escape_ascii());
        }
    }
    let Ok(Some((head, left))) = whole else { return };
    let mut text = &data[..data.len() - left];
    while let Some(after) = text.strip_prefix(b"\r\n") {
        text = after;
    }
    assert!(text.len() <= MOST);
    let shown = text.escape_ascii();
    let Some(lines) = lines::read(text) else { panic!("a head that is none: {shown}") };
    assert_eq!((lines.first[0], lines.first[2]), (head.head.method.as_str(), "HTTP/1.1"), "{shown}");
    target(lines.first[1], &head);
    let Some(told) = lines.told(1) else { panic!("its end is not told in one way: {shown}") };
    let length = match told {
        Told::Nothing | Told::Length(0) => BodyLength::Empty,
        Told::Length(length) => BodyLength::Known(length),
        Told::Chunks => BodyLength::Chunked,
    };
    assert_eq!(length, head.length, "{shown}");
    assert_eq!(lines.all("host").len(), 1, "{shown}");
    assert!(lines.headers.len() <= REQUEST_HEADERS, "{shown}");
    assert!(
        lines.are(&head.head.lines, &["content-length", "transfer-encoding", "connection", "expect"]),
        "{shown}"
    );
    let close = lines.connection().iter().any(|option| option == b"close");
    assert_eq!(head.keep_alive, !close, "{shown}");
    assert_eq!(
        head.awaits_continue,
        !lines.all("expect").is_empty() && length != BodyLength::Empty,
        "{shown}"
    );
    for (name, _) in &lines.headers {
        let read_as = name.replace('_', "-");
        assert!(
            *name == read_as
                || !MATTER.iter().any(|one| read_as.starts_with(one) && (read_as == *one || *one == "mcp-")),
            "{shown}"
        );
    }
    for option in lines.connection() {
        assert!(
            lines.all(&String::from_utf8_lossy(&option)).is_empty()
                || ["te", "upgrade", "http2-settings", "keep-alive"]
                    .contains(&&*String::from_utf8_lossy(&option)),
            "{shown}"
        );
    }
    again(&head);
}

/// The target is what the line says up to its query, not mended and not cut.
fn target(text: &str, head: &ReceivedHead) {
    let (path, authority) = (head.head.target.path(), head.head.target.authority());
    let before_query = |text: &str| text.split('?').next().unwrap_or_default().to_owned();
    if text.starts_with('/') {
        assert_eq!((path, authority), (&*before_query(text), None));
    } else if let Some((_, rest)) = text.split_once("://") {
        let (named, after) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        assert_eq!(authority, Some(named));
        let after = before_query(after);
        assert_eq!(path, if after.is_empty() { "/" } else { &after }, "{text}");
    } else {
        assert_eq!((text, path, &head.head.method), ("*", "*", &Method::OPTIONS));
    }
}

/// The same request as the gateway writes it to an upstream is read as the same request.
fn again(received: &ReceivedHead) {
    let head = &received.head;
    let length = match received.length {
        BodyLength::Empty => 0,
        BodyLength::Known(length) => length as usize,
        BodyLength::Chunked => 77,
    };
    let mut written = Vec::new();
    let preamble = Preamble::new(&PathAndQuery::from_static("/mcp?a=b"), []);
    begin_request(&mut written, &head.method, &preamble);
    head.lines.iter().for_each(|line| write_line(&mut written, line));
    end_request(&mut written, &head.method, length);
    if head.lines.len() + 1 > REQUEST_HEADERS {
        return;
    }
    let read = take_received(&mut BytesMut::from(&written[..]), 4 * MOST);
    let Ok(Some(read)) = read else { panic!("what was written is not read: {}", written.escape_ascii()) };
    assert_eq!((&read.head.method, read.head.target.path()), (&head.method, "/mcp"));
    assert!(read.head.lines.iter().eq(head.lines.iter()));
    let expected = if length == 0 { BodyLength::Empty } else { BodyLength::Known(length as u64) };
    assert_eq!(read.length, expected);
}

fn answer(data: &[u8]) {
    let take = |parts: &[&[u8]]| {
        let mut interim = 0;
        feed(parts, |read| take_head(read, &mut interim).map_err(|_| ()))
    };
    let whole = take(&[data]);
    for parts in cuts::runs(data) {
        let cut = take(&parts);
        assert_eq!(format!("{cut:?}"), format!("{whole:?}"), "{}", data.escape_ascii());
        if let (Ok(Some((cut, _))), Ok(Some((whole, _)))) = (&cut, &whole) {
            assert!(cut.lines.iter().eq(whole.lines.iter()), "{}", data.escape_ascii());
        }
    }
    let Ok(Some((head, left))) = whole else { return };
    // Interim answers come before it, each with a head of its own.
    let mut text = &data[..data.len() - left];
    while let Some(end) = text[..text.len() - 4].windows(4).position(|four| four == b"\r\n\r\n") {
        let Some(interim) = lines::read(&text[..end + 4]) else { panic!("{}", text.escape_ascii()) };
        assert!(interim.first[1].starts_with('1') && interim.first[1] != "101");
        text = &text[end + 4..];
    }
    let shown = text.escape_ascii();
    let Some(lines) = lines::read(text) else { panic!("a head that is none: {shown}") };
    assert_eq!(lines.first[1], head.status.as_str(), "{shown}");
    assert!(!head.status.is_informational());
    let Some(told) = lines.told(usize::MAX) else { panic!("its end is not told in one way: {shown}") };
    let modern = lines.first[0] == "HTTP/1.1";
    assert!(modern || (lines.first[0] == "HTTP/1.0" && told != Told::Chunks), "{shown}");
    let bodiless = matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let framing = match told {
        _ if bodiless => Framing::Empty,
        Told::Nothing => Framing::UntilClose,
        Told::Length(0) => Framing::Empty,
        Told::Length(length) => Framing::Length(length),
        Told::Chunks => Framing::Chunked,
    };
    assert_eq!(framing, head.framing, "{shown}");
    assert!(lines.are(&head.lines, &["content-length", "transfer-encoding", "connection"]), "{shown}");
    let close = lines.connection().iter().any(|option| option == b"close");
    // An answer that by its status has no body, and promises one, may be followed by it.
    let in_vain = head.status == StatusCode::NO_CONTENT && !matches!(told, Told::Nothing | Told::Length(0));
    let reusable = modern && !close && !in_vain && framing != Framing::UntilClose;
    assert_eq!(head.reusable, reusable, "{shown}");
    written(&head);
}

/// The same answer as the gateway writes it to a client is read as the same answer.
fn written(head: &ResponseHead) {
    let (length, framing) = match head.framing {
        Framing::Length(length) => (AnswerLength::Known(length), Framing::Length(length)),
        Framing::Empty => (AnswerLength::Known(0), Framing::Empty),
        Framing::Chunked | Framing::UntilClose => (AnswerLength::Chunked, Framing::Chunked),
    };
    if head.lines.len() > 97 {
        return;
    }
    let mut out = Vec::new();
    let reply = Reply { passed: head.lines.clone(), ..Reply::new(head.status, ()) };
    write_answer(&mut out, &reply, length, b"now", !head.reusable);
    let read = take_head(&mut BytesMut::from(&out[..]), &mut 0);
    let Ok(Some(read)) = read else { panic!("{}", out.escape_ascii()) };
    assert_eq!((read.status, read.framing, read.reusable), (head.status, framing, head.reusable));
    let dated = |lines: &Lines| lines.get(Known::Date).is_some();
    let added = usize::from(!dated(&head.lines));
    assert_eq!(read.lines.len(), head.lines.len() + added);
    assert!(dated(&read.lines) && read.lines.iter().take(head.lines.len()).eq(head.lines.iter()));
}
