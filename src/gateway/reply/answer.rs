//! Receive: the upstream's answer on its way to the client.
//!
//! Status and body pass as they are; headers go by allow-list. A short answer of known length
//! is gathered, so that head and body leave in one write; everything else is streamed as it
//! arrives. An upstream's 401 or 403 is the gateway's trouble, not the client's.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::response::Parts;
use http::{Response, StatusCode};
use http_body::Body;
use http_body_util::BodyExt as _;
use tokio::time::timeout;

use super::body::{ReplyBody, Watched};
use super::offer;
use super::pace::{Form, Pace};
use super::standing::Standing;
use crate::base::{Denial, bounds};
use crate::gateway::context::Context;
use crate::gateway::refusal::Refusal;
use crate::gateway::stage::Admitted;
use crate::gateway::worker::Worker;
use crate::upstream::BodyFault;
use crate::wire::http::{SESSION_ID, essence, keep_only, passes_downstream};
use crate::wire::mcp::Era;

/// An answer whose books are still open.
pub(in crate::gateway) enum Answer<B> {
    /// Complete.
    Whole(Response<Bytes>),
    /// Still arriving.
    Streamed(Box<Response<Watched<B>>>),
}

impl<B> Answer<B>
where
    B: Body<Data = Bytes, Error = BodyFault> + Unpin,
{
    /// The response for the client; a stream takes the books along and closes them at its end.
    pub(in crate::gateway) fn into_response(self, mut context: Context) -> Response<ReplyBody<B>> {
        match self {
            Self::Whole(response) => {
                context.answered();
                response.map(ReplyBody::whole)
            }
            Self::Streamed(response) => response.map(|watched| ReplyBody::streamed(watched, context)),
        }
    }
}

/// Takes the upstream's answer over.
pub(in crate::gateway) async fn receive<B, X>(
    worker: &Worker<X>,
    response: Response<B>,
    admitted: &Admitted<'_>,
) -> Result<Answer<B>, Refusal>
where
    B: Body<Data = Bytes, Error = BodyFault> + Unpin,
{
    let (mut head, body) = response.into_parts();
    if matches!(head.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
        // Counted as `upstream_denied`; a line for each call would be a client's to flood.
        let server = &*admitted.routed().server().name;
        tracing::debug!(server, status = head.status.as_u16(), "upstream refused the gateway's credential");
        return Err(Denial::UpstreamDenied.into());
    }
    head.version = http::Version::default();
    head.extensions.clear();
    retain_allowed(&mut head, admitted)?;
    let pauses = worker.bounds.pauses;
    if offer::may_offer(&head, admitted.discovers(), admitted.era() == Era::Modern) {
        let most = bounds::FILTERED_REPLY_BYTES;
        let whole = gather(body, most, pauses.answer).await.ok_or(Denial::ResultWithheld)?;
        let (whole, spoken) = offer::cut(&head.headers, whole, admitted.discovers())?;
        if let Some(spoken) = spoken.filter(|spoken| admitted.discovers() && !spoken.is_empty()) {
            worker.spoken.note(&admitted.routed().server().name, spoken);
        }
        return Ok(Answer::Whole(Response::from_parts(head, whole)));
    }
    let form = form(&head);
    if form == Form::Whole
        && body.size_hint().exact().is_some_and(|length| length <= bounds::GATHERED_REPLY_BYTES)
    {
        let most = usize::MAX;
        let whole = gather(body, most, pauses.answer).await.ok_or_else(Refusal::broken_off)?;
        return Ok(Answer::Whole(Response::from_parts(head, whole)));
    }
    let place = worker.load.stream()?;
    let pace = Pace::new(form, pauses);
    let standing = Standing::new(
        worker.cell(),
        worker.clock.clone(),
        admitted.key(),
        admitted.routed().snapshot().version,
    );
    let watched = Watched { body, form, pace, standing, _place: place };
    Ok(Answer::Streamed(Box::new(Response::from_parts(head, watched))))
}

/// The whole body, of at most `most` bytes; `None` when it is longer, breaks off or pauses.
async fn gather<B>(mut body: B, most: usize, pause: Duration) -> Option<Bytes>
where
    B: Body<Data = Bytes, Error = BodyFault> + Unpin,
{
    let mut whole = Bytes::new();
    while !body.is_end_stream() {
        let Some(frame) = timeout(pause, body.frame()).await.ok()? else { break };
        let Ok(data) = frame.ok()?.into_data() else { continue };
        if whole.len() + data.len() > most {
            return None;
        }
        if whole.is_empty() {
            whole = data;
        } else {
            let mut pieces = BytesMut::from(whole);
            pieces.extend_from_slice(&data);
            whole = pieces.freeze();
        }
    }
    Some(whole)
}

/// The length is told anew by whoever writes the answer: two that disagree cannot pass. The
/// session's id is told sealed, and only in the era that has sessions.
fn retain_allowed(head: &mut Parts, admitted: &Admitted<'_>) -> Result<(), Refusal> {
    let headers = &mut head.headers;
    headers.remove(CONTENT_LENGTH);
    let session = headers.remove(SESSION_ID);
    keep_only(headers, passes_downstream);
    if let Some(session) = session.filter(|_| admitted.era() == Era::Legacy) {
        let Some(told) = admitted.session_told(&session) else {
            tracing::warn!("upstream's session id is none that can be sealed");
            return Err(Denial::UpstreamUnreachable.into());
        };
        headers.insert(SESSION_ID, told);
    }
    Ok(())
}

fn form(head: &Parts) -> Form {
    let media = head.headers.get(CONTENT_TYPE).map_or(&b""[..], http::HeaderValue::as_bytes);
    match essence(media).eq_ignore_ascii_case(b"text/event-stream") {
        false => Form::Whole,
        true if head.headers.contains_key(CONTENT_ENCODING) => Form::EncodedEvents,
        true => Form::Events,
    }
}
