//! Refuse: the one place where a refusal becomes an HTTP response.
//!
//! Status, code, word and sentence come from the table; the id is the client's own bytes,
//! where the body had been read. 401 carries a challenge without resource metadata: there is
//! no OAuth here, and clients that were told of one would go looking for it. The challenge
//! repeats the sentence, since some clients show it and drop the body.

use std::sync::LazyLock;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde_json::json;

use super::body::ReplyBody;
use super::quota;
use crate::base::Denial;
use crate::base::denial::TABLE;
use crate::gateway::refusal::{Detail, Refusal, Retry};
use crate::wire::head::Reply;
use crate::wire::jsonrpc::{ErrorBody, error_body};
use crate::wire::lines::Lines;

/// The answer to a refused request; `id` is what stands there for the request's id, where its
/// body had been read.
pub(in crate::gateway) fn refuse<B>(refusal: &Refusal, id: Option<&[u8]>) -> Reply<ReplyBody<B>> {
    tracing::debug!(reason = refusal.denial.row().reason, "request refused");
    match PREPARED.get(refusal.denial.index()) {
        Some(prepared) if refusal.detail.is_none() && id.is_none() => {
            let body = ReplyBody::whole(Bytes::from_static(prepared.body));
            Reply { fixed: Some(&prepared.lines), ..Reply::new(prepared.status, body) }
        }
        _ => render(refusal, id).map(ReplyBody::whole),
    }
}

/// Refusals that say nothing beside their row: floods consist of them, so each is rendered once.
static PREPARED: LazyLock<Vec<Prepared>> =
    LazyLock::new(|| TABLE.iter().map(|row| Prepared::new(row.denial)).collect());

struct Prepared {
    status: StatusCode,
    lines: Lines,
    body: &'static [u8],
}

impl Prepared {
    fn new(denial: Denial) -> Self {
        let Reply { status, own, body, .. } = render(&denial.into(), None);
        Self { status, lines: Lines::from(&own), body: body.leak() }
    }
}

fn render(refusal: &Refusal, id: Option<&[u8]>) -> Reply<Vec<u8>> {
    let row = refusal.denial.row();
    let none = Detail::default();
    let detail = refusal.detail.as_deref().unwrap_or(&none);
    let id = id.and_then(|id| std::str::from_utf8(id).ok());
    let error = ErrorBody {
        code: row.code,
        message: &sentence(refusal.denial, detail),
        data: data(refusal.denial, detail),
    };
    // Status 200 helps only a client that waits for the answer to a request it numbered.
    let status = if detail.as_ok && id.is_some() { 200 } else { row.status };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    let mut reply = Reply::new(status, error_body(id, &error));
    let headers = &mut reply.own;
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if row.status == 401
        && let Ok(challenge) = challenge(row.sentence)
    {
        headers.insert(WWW_AUTHENTICATE, challenge);
    }
    if let Some(seconds) = row.retry_after.filter(|_| !detail.may_have_run) {
        headers.insert(RETRY_AFTER, HeaderValue::from(u16::from(seconds)));
    }
    if let Some(retry) = &detail.retry {
        tell_limit(headers, retry);
    }
    if let Some(allow) = detail.allow {
        headers.insert(ALLOW, HeaderValue::from_static(allow));
    }
    reply
}

/// `Retry-After` (RFC 9110 §10.2.3) and, where it was a limit, what it is.
fn tell_limit(headers: &mut http::HeaderMap, retry: &Retry) {
    let seconds = retry.seconds();
    headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    if let Some(limit) = retry.limit {
        quota::tell(headers, retry.which, limit, 0, seconds);
    }
}

/// RFC 6750 §3; the table's sentences hold no quotation mark.
fn challenge(sentence: &str) -> Result<HeaderValue, http::header::InvalidHeaderValue> {
    HeaderValue::from_str(&format!("Bearer realm=\"tollgate\", error_description=\"{sentence}\""))
}

fn sentence(denial: Denial, detail: &Detail) -> String {
    let sentence = denial.row().sentence;
    match (detail.hint, detail.missing_scopes.as_slice()) {
        (Some(hint), _) => format!("{sentence}: {hint}"),
        (None, []) => sentence.to_owned(),
        (None, missing) => format!("{sentence}: {}", missing.join(", ")),
    }
}

fn data(denial: Denial, detail: &Detail) -> serde_json::Value {
    let mut data = serde_json::Map::new();
    data.insert("reason".into(), json!(denial.row().reason));
    if !detail.missing_scopes.is_empty() {
        data.insert("missing_scopes".into(), json!(detail.missing_scopes));
    }
    if let Some(retry) = &detail.retry {
        let ms = retry.wait.as_micros().div_ceil(1_000);
        data.insert("retry_after_ms".into(), json!(u64::try_from(ms).unwrap_or(u64::MAX)));
        data.insert("limit".into(), json!(retry.which));
    }
    if let Some(requested) = &detail.requested_version {
        data.insert(
            "supported".into(),
            json!(detail.supported.iter().map(|version| version.name()).collect::<Vec<_>>()),
        );
        data.insert("requested".into(), json!(requested));
    }
    data.into()
}
