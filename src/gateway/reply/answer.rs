//! Receive: the upstream's answer on its way to the client.
//!
//! Status and body pass as they are; headers go by allow-list. A short answer of known length
//! is gathered, so that head and body leave in one write; everything else is streamed as it
//! arrives. An upstream's 401 or 403 is the gateway's trouble, not the client's.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http_body::Body;
use http_body_util::BodyExt as _;

use super::body::{ReplyBody, Watched};
use super::offer;
use super::pace::{Form, Pace};
use super::quota::tell_left;
use super::standing::Standing;
use crate::base::deadline::within;
use crate::base::{Denial, bounds};
use crate::gateway::context::Context;
use crate::gateway::refusal::Refusal;
use crate::gateway::stage::Admitted;
use crate::gateway::worker::Worker;
use crate::upstream::BodyFault;
use crate::wire::head::Reply;
use crate::wire::http::{SESSION_ID, essence};
use crate::wire::known::Known;
use crate::wire::lines::Lines;
use crate::wire::mcp::Era;

/// An answer whose books are still open.
pub(in crate::gateway) enum Answer<B> {
    /// Complete.
    Whole(Reply<Bytes>),
    /// Still arriving.
    Streamed(Box<Reply<Watched<B>>>),
}

impl<B> Answer<B>
where
    B: Body<Data = Bytes, Error = BodyFault> + Unpin,
{
    /// The reply for the client; a stream takes the books along and closes them at its end.
    pub(in crate::gateway) fn into_reply(self, mut context: Context<'_>) -> Reply<ReplyBody<B>> {
        match self {
            Self::Whole(reply) => {
                context.tells(reply.status.as_u16(), reply.body.len());
                context.answered();
                reply.map(ReplyBody::whole)
            }
            Self::Streamed(reply) => {
                context.tells(reply.status.as_u16(), 0);
                // Nobody asks an empty stream for its end.
                if reply.body.body.is_end_stream() {
                    context.answered();
                }
                reply.map(|watched| ReplyBody::streamed(watched, context.keep()))
            }
        }
    }
}

/// Takes the upstream's answer over.
pub(in crate::gateway) async fn receive<B, X>(
    worker: &Worker<X>,
    mut reply: Reply<B>,
    admitted: &Admitted<'_>,
) -> Result<Answer<B>, Refusal>
where
    B: Body<Data = Bytes, Error = BodyFault> + Unpin,
{
    if matches!(reply.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
        // Counted as `upstream_denied`; a line for each call would be a client's to flood.
        let server = &*admitted.routed().server().name;
        tracing::debug!(server, status = reply.status.as_u16(), "upstream refused the gateway's credential");
        return Err(Denial::UpstreamDenied.into());
    }
    retain_allowed(&mut reply, admitted)?;
    if let Some(left) = admitted.left().filter(|_| reply.status.is_success()) {
        tell_left(&mut reply.own, left);
    }
    let form = form(&reply.passed);
    let pauses = worker.bounds.pauses;
    if offer::may_offer(reply.status, admitted.discovers(), admitted.era() == Era::Modern) {
        let most = bounds::FILTERED_REPLY_BYTES;
        let whole = gather(&mut reply.body, most, pauses.answer).await.ok_or(Denial::ResultWithheld)?;
        let (whole, spoken) = offer::cut(&reply.passed, whole, admitted.discovers())?;
        if let Some(spoken) = spoken.filter(|spoken| admitted.discovers() && !spoken.is_empty()) {
            worker.spoken.note(&admitted.routed().server().name, spoken);
        }
        return Ok(Answer::Whole(reply.map(|_| whole)));
    }
    if form == Form::Whole
        && reply.body.size_hint().exact().is_some_and(|length| length <= bounds::GATHERED_REPLY_BYTES)
    {
        let most = usize::MAX;
        let whole = gather(&mut reply.body, most, pauses.answer).await.ok_or_else(Refusal::broken_off)?;
        return Ok(Answer::Whole(reply.map(|_| whole)));
    }
    let place = worker.load.stream()?;
    let pace = Pace::new(form, pauses);
    let standing = Standing::new(
        worker.cell(),
        worker.clock.clone(),
        admitted.key(),
        admitted.routed().snapshot().version,
    );
    let watch = |body| Watched { body, form, pace, standing, _place: place };
    Ok(Answer::Streamed(Box::new(reply.map(watch))))
}

/// The whole body, of at most `most` bytes; `None` when it is longer, breaks off or pauses.
async fn gather<B>(body: &mut B, most: usize, pause: Duration) -> Option<Bytes>
where
    B: Body<Data = Bytes, Error = BodyFault> + Unpin,
{
    let mut whole = Bytes::new();
    while !body.is_end_stream() {
        let Some(frame) = within(|| pause, body.frame()).await? else { break };
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
fn retain_allowed<B>(reply: &mut Reply<B>, admitted: &Admitted<'_>) -> Result<(), Refusal> {
    if admitted.era() == Era::Legacy
        && let Some(session) = reply.passed.get(Known::SessionId)
    {
        let Some(told) = admitted.session_told(session) else {
            tracing::warn!("upstream's session id is none that can be sealed");
            return Err(Denial::UpstreamUnreachable.into());
        };
        reply.own.insert(SESSION_ID, told);
    }
    reply.passed.keep_only(|line| line.known().passes_downstream());
    Ok(())
}

fn form(lines: &Lines) -> Form {
    match essence(lines.get(Known::ContentType).unwrap_or_default())
        .eq_ignore_ascii_case(b"text/event-stream")
    {
        false => Form::Whole,
        true if lines.get(Known::ContentEncoding).is_some() => Form::EncodedEvents,
        true => Form::Events,
    }
}
