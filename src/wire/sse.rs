//! Server-sent events as bytes: where an event ends, what its data is, and the same event with
//! other data (WHATWG HTML, server-sent events).
//!
//! Lines end with LF, CR or CRLF. Nothing is ever re-framed that does not change: whoever looks
//! into events passes their bytes on as they came.

use std::borrow::Cow;

/// The stream without the byte order mark that may open it: at its very beginning a mark means
/// nothing, anywhere else it belongs to a field's name.
pub fn without_mark(stream: &[u8]) -> &[u8] {
    stream.strip_prefix(b"\xef\xbb\xbf").unwrap_or(stream)
}

/// The length of the first event of `bytes`, its empty line included; `None` when its end is
/// not there yet. A CR at the very end counts as a line end: a LF that follows makes an empty
/// event of its own, which means nothing to a reader.
pub fn event_length(bytes: &[u8]) -> Option<usize> {
    let mut start = 0;
    loop {
        let line = line_length(bytes.get(start..)?)?;
        start += line.whole;
        if line.content == 0 {
            return Some(start);
        }
    }
}

/// The data of an event: the values of its `data` lines, joined by LF; `None` where it has no
/// such line, as in comments.
pub fn data(event: &[u8]) -> Option<Cow<'_, [u8]>> {
    let mut found: Option<Cow<'_, [u8]>> = None;
    for (field, value, _) in Lines(event) {
        if field == b"data" {
            found = Some(match found {
                None => Cow::Borrowed(value),
                Some(before) => Cow::Owned([&before, value].join(&b'\n')),
            });
        }
    }
    found
}

/// The event with other data, in one `data` line for each of its lines, where the first one
/// was; all other lines as they came. The data may not hold CR, which cannot be told.
pub fn with_data(event: &[u8], data: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(event.len() + data.len());
    let mut written = false;
    for (field, _, line) in Lines(event) {
        if field != b"data" {
            // Where lines between were left out, CR and LF would become one line end.
            if out.ends_with(b"\r") && line == b"\n" {
                out.push(b'\n');
            }
            out.extend_from_slice(line);
        } else if !written {
            written = true;
            let end = line_length(line).and_then(|length| line.get(length.content..)).unwrap_or(b"\n");
            for part in data.split(|byte| *byte == b'\n') {
                out.extend_from_slice(b"data: ");
                out.extend_from_slice(part);
                out.extend_from_slice(end);
            }
        }
    }
    out
}

struct LineLength {
    content: usize,
    whole: usize,
}

fn line_length(bytes: &[u8]) -> Option<LineLength> {
    let content = memchr::memchr2(b'\n', b'\r', bytes)?;
    let ends = bytes.get(content..).unwrap_or_default();
    let whole = content + if ends.starts_with(b"\r\n") { 2 } else { 1 };
    Some(LineLength { content, whole })
}

/// The lines of an event: field name, value, and the line's own bytes.
struct Lines<'e>(&'e [u8]);

impl<'e> Iterator for Lines<'e> {
    type Item = (&'e [u8], &'e [u8], &'e [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let whole = self.0.len();
        let line = line_length(self.0).unwrap_or(LineLength { content: whole, whole });
        let (bytes, rest) = self.0.split_at_checked(line.whole)?;
        self.0 = rest;
        let content = bytes.get(..line.content)?;
        let colon = memchr::memchr(b':', content).unwrap_or(content.len());
        let (field, value) = content.split_at_checked(colon)?;
        let value = value.strip_prefix(b":").unwrap_or(value);
        Some((field, value.strip_prefix(b" ").unwrap_or(value), bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::{data, event_length, with_data, without_mark};

    #[test]
    fn events_end_at_an_empty_line_however_lines_end() {
        for (stream, first) in [
            ("data: a\n\ndata: b\n\n", 9),
            ("data: a\r\n\r\nx", 11),
            ("data: a\r\rx", 9),
            ("data: a\r\n\nx", 10),
            (": ping\n\n", 8),
            ("\n\n", 1),
        ] {
            assert_eq!(event_length(stream.as_bytes()), Some(first), "{stream:?}");
        }
        for unfinished in ["", "data: a", "data: a\n", "data: a\r\n", "id: 1\ndata: a\n"] {
            assert_eq!(event_length(unfinished.as_bytes()), None, "{unfinished:?}");
        }
    }

    #[test]
    fn data_is_joined_and_the_rest_ignored() {
        let of =
            |event: &str| data(event.as_bytes()).map(|data| String::from_utf8(data.into_owned()).unwrap());
        assert_eq!(of("event: message\nid: 1\ndata: {\"a\":1}\n\n").as_deref(), Some("{\"a\":1}"));
        assert_eq!(of("data:a\ndata: b\r\ndata\n\n").as_deref(), Some("a\nb\n"));
        assert_eq!(of("\u{feff}data: a\n\n"), None);
        assert_eq!(without_mark("\u{feff}\u{feff}data: a".as_bytes()), "\u{feff}data: a".as_bytes());
        assert_eq!(of(": comment\nDATA: x\ndatum: y\n\n"), None);
    }

    #[test]
    fn other_data_leaves_every_other_byte() {
        let event = b"event: message\r\nid: 7\r\ndata: old\r\ndata: older\r\nretry: 5\r\n\r\n";
        assert_eq!(
            with_data(event, b"new\nlines"),
            b"event: message\r\nid: 7\r\ndata: new\r\ndata: lines\r\nretry: 5\r\n\r\n"
        );
        assert_eq!(with_data(b": comment\n\n", b"x"), b": comment\n\n");
        assert_eq!(with_data(b"data: unfinished", b"x\ny"), b"data: x\ndata: y\n");
        assert_eq!(with_data(b"data: a\rdata: b\n\n", b"x"), b"data: x\r\n\n");
    }
}
