//! What a collector's answer means: taken, to be sent again, or refused, as the protocol's specification
//! has it.
//!
//! An answer is another program's word: it is bounded where it is read, and what it says is for the log only.

use std::time::Duration;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use http::header::RETRY_AFTER;
use http::{HeaderMap, StatusCode};

use crate::wire::protobuf::{Value, fields, last};

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It was taken; so many of its records were rejected.
    Taken {
        /// How many.
        rejected: u64,
        /// What the collector said.
        why: String,
    },
    /// To be sent again: after that time, where the collector named one.
    Again(Option<Duration>, String),
    /// Never to be sent again.
    Refused(String),
}

/// Statuses of gRPC after which a request may be sent again.
const AGAIN: [u32; 6] = [1, 4, 10, 11, 14, 15];
/// The status that may, where the collector says when.
const EXHAUSTED: u32 = 8;
/// Characters of the collector's words that are told.
const TOLD: usize = 200;

/// Of an answer over HTTP. `now` is the time, in seconds since 1970.
pub(super) fn over_http(status: StatusCode, headers: &HeaderMap, body: &[u8], now: u64) -> Verdict {
    if status.is_success() {
        return taken(body);
    }
    let said = last(body, 2).map_or(&[][..], Value::bytes);
    let why = format!("status {}: {}", status.as_u16(), told(said));
    match status.as_u16() {
        429 | 502 | 503 | 504 => Verdict::Again(retry_after(headers, now), why),
        _ => Verdict::Refused(why),
    }
}

/// Of an answer over gRPC: its HTTP status, its last headers, and its body.
pub(super) fn over_grpc(status: StatusCode, trailers: &HeaderMap, body: &[u8]) -> Verdict {
    let word = |name: &str| trailers.get(name).map_or(&[][..], http::HeaderValue::as_bytes);
    let code = std::str::from_utf8(word("grpc-status")).ok().and_then(|code| code.parse::<u32>().ok());
    let Some(code) = code else {
        let why = format!("status {} without a status of gRPC", status.as_u16());
        return match status.as_u16() {
            429 | 502..=504 => Verdict::Again(None, why),
            _ => Verdict::Refused(why),
        };
    };
    if code == 0 {
        // Before the message a byte that says whether it is compressed, and its length.
        return match body.split_at_checked(5) {
            Some(([0, ..], message)) => taken(message),
            _ => Verdict::Refused("an answer without a message".into()),
        };
    }
    let why = format!("status {code} of gRPC: {}", told(word("grpc-message")));
    let after = retry_info(word("grpc-status-details-bin"));
    let again = AGAIN.contains(&code) || (code == EXHAUSTED && after.is_some());
    if again { Verdict::Again(after, why) } else { Verdict::Refused(why) }
}

fn taken(message: &[u8]) -> Verdict {
    let partial = last(message, 1).map_or(&[][..], Value::bytes);
    let why = last(partial, 2).map_or(&[][..], Value::bytes);
    Verdict::Taken { rejected: last(partial, 1).map_or(0, Value::number), why: told(why) }
}

/// What the collector said, as far as it is told.
fn told(said: &[u8]) -> String {
    String::from_utf8_lossy(said).chars().take(TOLD).collect()
}

/// Seconds, or a date.
fn retry_after(headers: &HeaderMap, now: u64) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = httpdate::parse_http_date(text).ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(Duration::from_secs(at.as_secs().saturating_sub(now)))
}

/// The delay of a `google.rpc.RetryInfo` among the details of a `google.rpc.Status`, in base64 with or
/// without its padding.
fn retry_info(details: &[u8]) -> Option<Duration> {
    let lenient = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let status = GeneralPurpose::new(&STANDARD, lenient).decode(details).ok()?;
    let mut details = fields(&status).filter(|(field, _)| *field == 3).map(|(_, any)| any.bytes());
    let any = details
        .find(|any| last(any, 1).is_some_and(|url| url.bytes().ends_with(b"/google.rpc.RetryInfo")))?;
    let delay = last(last(any, 2)?.bytes(), 1)?.bytes();
    let nanos = last(delay, 2).map_or(0, Value::number).min(999_999_999);
    Some(Duration::new(last(delay, 1).map_or(0, Value::number), nanos as u32))
}

#[cfg(test)]
mod tests {
    use super::{Verdict, over_grpc, over_http};
    use crate::wire::protobuf::Writer;
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
    use http::{HeaderMap, HeaderValue, StatusCode};
    use std::time::Duration;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_str(value).unwrap()))
            .collect()
    }

    /// After how many seconds a request is sent again, in words.
    fn again(verdict: &Verdict) -> String {
        match verdict {
            Verdict::Again(Some(after), _) => after.as_secs().to_string(),
            Verdict::Again(None, _) => "soon".into(),
            Verdict::Refused(_) => "never".into(),
            Verdict::Taken { .. } => "taken".into(),
        }
    }

    /// A response that rejects, as all three kinds tell it.
    fn partial(count: u64) -> Vec<u8> {
        let mut response = Writer::new();
        response.message(1, |partial| {
            partial.number(1, count);
            partial.text(2, "too old");
        });
        response.into_bytes()
    }

    #[test]
    fn http_statuses_mean_what_the_specification_says() {
        let verdict = |code, told: &[(&'static str, &str)]| {
            over_http(StatusCode::from_u16(code).unwrap(), &headers(told), b"", 784_111_747)
        };
        for code in [429, 502, 503, 504] {
            assert_eq!(again(&verdict(code, &[])), "soon", "{code}");
        }
        for code in [301, 400, 401, 403, 404, 408, 413, 500, 501, 505] {
            assert!(matches!(verdict(code, &[("retry-after", "1")]), Verdict::Refused(_)), "{code}");
        }
        assert_eq!(again(&verdict(503, &[("retry-after", " 7 ")])), "7");
        assert_eq!(again(&verdict(503, &[("retry-after", "soon")])), "soon");
        let date = [("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT")];
        assert_eq!(again(&verdict(429, &date)), "30");
        let taken = over_http(StatusCode::OK, &headers(&[]), &partial(3), 0);
        assert_eq!(taken, Verdict::Taken { rejected: 3, why: "too old".into() });
        assert_eq!(
            over_http(StatusCode::OK, &headers(&[]), b"", 0),
            Verdict::Taken { rejected: 0, why: String::new() }
        );
    }

    #[test]
    fn statuses_of_grpc_mean_what_the_specification_says() {
        let verdict = |code: u32, told: &[(&'static str, &str)]| {
            let mut trailers = headers(told);
            trailers.insert("grpc-status", HeaderValue::from(code));
            over_grpc(StatusCode::OK, &trailers, b"")
        };
        let tried: Vec<u32> = (1..17).filter(|code| again(&verdict(*code, &[])) == "soon").collect();
        assert_eq!(tried, [1, 4, 10, 11, 14, 15]);
        let mut details = Writer::new();
        details.number(1, 8);
        details.message(3, |any| any.text(1, "type.googleapis.com/google.rpc.BadRequest"));
        details.message(3, |any| {
            any.text(1, "type.googleapis.com/google.rpc.RetryInfo");
            any.message(2, |info| {
                info.message(1, |delay| {
                    delay.number(1, 5);
                    delay.number(2, 500_000_000);
                });
            });
        });
        for text in [STANDARD.encode(details.bytes()), STANDARD_NO_PAD.encode(details.bytes())] {
            let told = [("grpc-status-details-bin", text.as_str())];
            let after = Some(Duration::from_millis(5_500));
            for code in [8, 14] {
                assert!(matches!(verdict(code, &told), Verdict::Again(told, _) if told == after));
            }
            assert!(matches!(verdict(3, &told), Verdict::Refused(_)));
        }
        let message = [&[0, 0, 0, 0, partial(3).len() as u8][..], &partial(3)].concat();
        let well = headers(&[("grpc-status", "0")]);
        let taken = Verdict::Taken { rejected: 3, why: "too old".into() };
        assert_eq!(over_grpc(StatusCode::OK, &well, &message), taken);
        for body in [&b""[..], b"\0\0", b"\x01\0\0\0\0"] {
            assert!(matches!(over_grpc(StatusCode::OK, &well, body), Verdict::Refused(_)));
        }
        assert_eq!(again(&over_grpc(StatusCode::BAD_GATEWAY, &headers(&[]), b"")), "soon");
        assert_eq!(again(&over_grpc(StatusCode::NOT_FOUND, &headers(&[]), b"")), "never");
    }

    #[test]
    fn a_collector_s_words_are_cut() {
        let mut status = Writer::new();
        status.text(2, "x".repeat(10_000));
        let verdict = over_http(StatusCode::BAD_REQUEST, &headers(&[]), status.bytes(), 0);
        assert!(matches!(verdict, Verdict::Refused(why) if why.len() < 300));
    }
}
