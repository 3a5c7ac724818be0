//! Streams of events: split wherever they are cut, into events that a reader of the standard
//! dispatches, with nothing lost and nothing added.

use tollgate::wire::sse::{data, event_length, with_data, without_mark};

use super::cuts;

/// Data that events are given instead of their own.
const OTHER: [&[u8]; 5] = [b"{}", b"", b"one\ntwo", b"\n", b" :data: \nid: 7\n\nevent: x"];

/// Holds the splitting against a simple reader.
pub fn check(stream: &[u8]) {
    let wanted = dispatched(stream);
    let whole = split(&[stream]);
    for parts in cuts::runs(stream).chain([vec![stream]]) {
        let told: Vec<_> =
            split(&parts).iter().filter_map(|event| data(event).map(std::borrow::Cow::into_owned)).collect();
        assert_eq!(told, wanted, "{}", stream.escape_ascii());
    }
    // Fewer bytes than a mark has are not split.
    let seen: usize = if stream.len() < 3 { stream.len() } else { whole.iter().map(Vec::len).sum() };
    unfinished(without_mark(stream).get(seen..).unwrap_or_default());
    for event in &whole {
        for other in OTHER {
            changed(event, other);
        }
    }
}

/// The events of a stream that arrives in parts, their bytes whole; what is no event yet is
/// left out.
fn split(parts: &[&[u8]]) -> Vec<Vec<u8>> {
    let (mut events, mut read, mut taken) = (Vec::new(), Vec::new(), Vec::new());
    for part in parts {
        read.extend_from_slice(part);
        // The mark, if any, is whole or not there once three bytes are.
        if taken.is_empty() && events.is_empty() {
            if read.len() < 3 {
                continue;
            }
            let mark = read.len() - without_mark(&read).len();
            taken.extend(read.drain(..mark));
        }
        while let Some(length) = event_length(&read) {
            assert!(0 < length && length <= read.len());
            let event: Vec<u8> = read.drain(..length).collect();
            assert_eq!(event_length(&event), Some(length), "an event is one event");
            taken.extend_from_slice(&event);
            events.push(event);
        }
    }
    taken.extend_from_slice(&read);
    assert_eq!(taken, parts.concat(), "bytes are lost or added");
    events
}

/// The data of every event that a reader dispatches (WHATWG HTML, server-sent events).
fn dispatched(stream: &[u8]) -> Vec<Vec<u8>> {
    let (mut events, mut buffer) = (Vec::new(), None::<Vec<u8>>);
    for line in lines(stream.strip_prefix(b"\xef\xbb\xbf").unwrap_or(stream)) {
        if line.is_empty() {
            events.extend(buffer.take());
        } else if let Some(value) = value(&line) {
            buffer = Some(match buffer {
                None => value.to_vec(),
                Some(data) => [&data, value].join(&b'\n'),
            });
        }
    }
    events
}

/// The lines that end, without their ends.
fn lines(stream: &[u8]) -> Vec<Vec<u8>> {
    let (mut lines, mut line) = (Vec::new(), Vec::new());
    let mut bytes = stream.iter().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\r' => {
                let _ = bytes.next_if_eq(&&b'\n');
                lines.push(std::mem::take(&mut line));
            }
            b'\n' => lines.push(std::mem::take(&mut line)),
            other => line.push(*other),
        }
    }
    lines
}

/// The value of a `data` line.
fn value(line: &[u8]) -> Option<&[u8]> {
    let rest = line.strip_prefix(b"data")?;
    match rest {
        [] => Some(rest),
        [b':', b' ', value @ ..] | [b':', value @ ..] => Some(value),
        _ => None,
    }
}

/// An event with other data has this data, is still one event, and all its other lines.
fn changed(event: &[u8], other: &[u8]) {
    let new = with_data(event, other);
    let shown = event.escape_ascii();
    if data(event).is_none() {
        assert_eq!(new, event, "{shown}");
        return;
    }
    assert_eq!(data(&new).as_deref(), Some(other), "{shown}");
    assert_eq!(event_length(&new), Some(new.len()), "{shown} becomes {}", new.escape_ascii());
    assert_eq!(rest(&new), rest(event), "{shown}");
}

/// What is no event yet, at a stream's end, is none with other data either.
fn unfinished(rest: &[u8]) {
    for other in OTHER {
        let new = with_data(rest, other);
        assert_eq!(event_length(&new), None, "{}", rest.escape_ascii());
        let wanted = data(rest).map(|_| other);
        assert_eq!(data(&new).as_deref(), wanted, "{}", rest.escape_ascii());
    }
}

/// All lines of an event but those with data, without their ends.
fn rest(event: &[u8]) -> Vec<Vec<u8>> {
    lines(event).into_iter().filter(|line| value(line).is_none()).collect()
}
