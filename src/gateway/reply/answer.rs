//! Receive: the upstream's answer on its way to the client.
//!
//! Status and body pass as they are; headers go by allow-list. A short answer of known length
//! is gathered, so that head and body leave in one write; everything else is streamed as it
//! arrives. An upstream's 401 or 403 is the gateway's trouble, not the client's.

use bytes::{Bytes, BytesMut};
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, Response, StatusCode};
use http_body::Body;
use http_body_util::BodyExt as _;

use super::body::ReplyBody;
use crate::base::{Denial, bounds};
use crate::gateway::context::Context;
use crate::gateway::refusal::Refusal;
use crate::upstream::BodyFault;
use crate::wire::http::{SESSION_ID, keep_only, passes_downstream};
use crate::wire::mcp::Era;

/// An answer whose books are still open.
pub(in crate::gateway) enum Answer<B> {
    /// Complete.
    Whole(Response<Bytes>),
    /// Still arriving.
    Streamed(Response<B>),
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
            Self::Streamed(response) => response.map(|body| ReplyBody::streamed(body, context)),
        }
    }
}

/// Takes the upstream's answer over.
pub(in crate::gateway) async fn receive<B>(response: Response<B>, era: Era) -> Result<Answer<B>, Refusal>
where
    B: Body<Data = Bytes, Error = BodyFault> + Unpin,
{
    let (mut head, body) = response.into_parts();
    if matches!(head.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
        tracing::warn!(status = head.status.as_u16(), "upstream refused the gateway's credential");
        return Err(Denial::UpstreamDenied.into());
    }
    head.version = http::Version::default();
    head.extensions.clear();
    retain_allowed(&mut head.headers, era);
    let short = body.size_hint().exact().is_some_and(|length| length <= bounds::GATHERED_REPLY_BYTES);
    if !short {
        return Ok(Answer::Streamed(Response::from_parts(head, body)));
    }
    let whole = gather(body).await.map_err(|BodyFault| Denial::UpstreamUnreachable)?;
    Ok(Answer::Whole(Response::from_parts(head, whole)))
}

async fn gather<B>(mut body: B) -> Result<Bytes, BodyFault>
where
    B: Body<Data = Bytes, Error = BodyFault> + Unpin,
{
    let mut whole = Bytes::new();
    while !body.is_end_stream() {
        let Some(frame) = body.frame().await else { break };
        let Ok(data) = frame?.into_data() else { continue };
        if whole.is_empty() {
            whole = data;
        } else {
            let mut pieces = BytesMut::from(whole);
            pieces.extend_from_slice(&data);
            whole = pieces.freeze();
        }
    }
    Ok(whole)
}

/// The length is told anew by whoever writes the answer: two that disagree cannot pass.
fn retain_allowed(headers: &mut HeaderMap, era: Era) {
    headers.remove(CONTENT_LENGTH);
    keep_only(headers, |name| passes_downstream(name) && !(era == Era::Modern && *name == SESSION_ID));
}
