//! Answers that offer protocol versions: cut down to what the gateway speaks, or withheld.
//!
//! The one place so far that looks into an answer, so it looks into all of them that could
//! carry an offer, in JSON and in events, and lets none pass that it cannot read.

use bytes::Bytes;
use http::StatusCode;

use crate::base::Denial;
use crate::wire::http::essence;
use crate::wire::known::Known;
use crate::wire::lines::Lines;
use crate::wire::mcp::ProtocolVersion;
use crate::wire::mcp::offer::{Offer, read};
use crate::wire::sse;

/// Whether an answer may hold an offer: a discovery's, and a refusal of a modern request.
pub(super) fn may_offer(status: StatusCode, discovers: bool, modern: bool) -> bool {
    (discovers && status.is_success()) || (modern && status == StatusCode::BAD_REQUEST)
}

/// What goes to the client instead, and the versions that both speak where it tells any.
type Cut = (Bytes, Option<Vec<ProtocolVersion>>);

/// Cuts an answer's offer.
pub(super) fn cut(lines: &Lines, body: Bytes, discovers: bool) -> Result<Cut, Denial> {
    let media = essence(lines.get(Known::ContentType).unwrap_or_default());
    let plain = lines.get(Known::ContentEncoding).is_none();
    if plain && media.eq_ignore_ascii_case(b"application/json") {
        return json(body, discovers);
    }
    if plain && media.eq_ignore_ascii_case(b"text/event-stream") {
        return events(&body, discovers);
    }
    // A refusal in words offers nothing; a discovery that cannot be read might offer anything.
    if discovers { Err(Denial::ResultWithheld) } else { Ok((body, None)) }
}

fn json(body: Bytes, discovers: bool) -> Result<Cut, Denial> {
    let offer = std::str::from_utf8(&body).map_or(Offer::NoJson, read);
    match offer {
        Offer::NoJson if discovers => Err(Denial::ResultWithheld),
        Offer::NoJson | Offer::None => Ok((body, None)),
        Offer::Unreadable => Err(Denial::ResultWithheld),
        Offer::Versions { both, changed: None } => Ok((body, Some(both))),
        Offer::Versions { both, changed: Some(changed) } => Ok((changed.into(), Some(both))),
    }
}

fn events(body: &[u8], discovers: bool) -> Result<Cut, Denial> {
    // What is written anew begins without the mark, which means nothing.
    let (mut out, mut spoken, mut rest) = (Vec::with_capacity(body.len()), None, sse::without_mark(body));
    while !rest.is_empty() {
        let length = sse::event_length(rest).unwrap_or(rest.len());
        let (event, after) = rest.split_at_checked(length).unwrap_or((rest, &[]));
        rest = after;
        // Comments and priming events say nothing.
        let offer = match sse::data(event).filter(|data| !data.is_empty()) {
            None => Offer::None,
            Some(data) => std::str::from_utf8(&data).map_or(Offer::NoJson, read),
        };
        match offer {
            Offer::NoJson if discovers => return Err(Denial::ResultWithheld),
            Offer::Unreadable => return Err(Denial::ResultWithheld),
            Offer::Versions { both, changed: Some(changed) } => {
                out.extend(sse::with_data(event, changed.as_bytes()));
                spoken = Some(both);
            }
            Offer::Versions { both, changed: None } => {
                out.extend_from_slice(event);
                spoken = Some(both);
            }
            Offer::NoJson | Offer::None => out.extend_from_slice(event),
        }
    }
    Ok((out.into(), spoken))
}

#[cfg(test)]
mod tests {
    use super::cut;
    use crate::base::Denial;
    use crate::wire::lines::Lines;
    use bytes::Bytes;
    use http::{HeaderMap, HeaderValue};

    const TOLD: &str = r#"{"result":{"supportedVersions":["2027-01-01","2026-07-28"]}}"#;
    const CUT: &str = r#"{"result":{"supportedVersions":["2026-07-28"]}}"#;

    fn of(media: &'static str, body: &str) -> Result<String, Denial> {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static(media));
        let (body, _) = cut(&Lines::from(&headers), Bytes::from(body.to_owned()), true)?;
        Ok(String::from_utf8(body.to_vec()).unwrap())
    }

    #[test]
    fn offers_are_cut_in_json_and_in_events() {
        assert_eq!(of("application/json", TOLD).as_deref(), Ok(CUT));
        assert_eq!(of("Application/JSON; charset=utf-8", TOLD).as_deref(), Ok(CUT));
        let stream = |told: &str| format!(": ping\r\n\r\nevent: message\r\ndata: {told}\r\n\r\n");
        assert_eq!(of("text/event-stream", &stream(TOLD)), Ok(stream(CUT)));
        let marked = format!("\u{feff}data: {TOLD}\n\n");
        assert_eq!(of("text/event-stream", &marked), Ok(format!("data: {CUT}\n\n")));
    }

    #[test]
    fn what_cannot_be_read_is_withheld() {
        for media in ["text/html", "application/jsonx", ""] {
            assert_eq!(of(media, TOLD), Err(Denial::ResultWithheld), "{media}");
        }
        assert_eq!(
            of("application/json", r#"{"result":{"supportedVersions":{}}}"#),
            Err(Denial::ResultWithheld)
        );
    }
}
