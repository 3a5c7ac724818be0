//! Collect: the whole body, within its bounds of size and time.
//!
//! A body that came in one piece is not copied. The size is checked while it arrives: a
//! declared length is a promise, not a fact.

use bytes::{Bytes, BytesMut};
use http_body::Body;
use http_body_util::BodyExt as _;
use tokio::time::timeout;

use crate::base::Denial;
use crate::gateway::refusal::Refusal;
use crate::gateway::worker::RequestBounds;
use crate::wire::fields::{Field, Fields};

/// Reads the body of a POST.
pub(in crate::gateway) async fn collect<B>(
    fields: &Fields<'_>,
    mut body: B,
    bounds: RequestBounds,
) -> Result<Bytes, Refusal>
where
    B: Body<Data = Bytes> + Unpin,
{
    if !is_json(fields) {
        return Err(Denial::UnsupportedMediaType.into());
    }
    if body.size_hint().lower() > bounds.body as u64 {
        return Err(Denial::BodyTooLarge.into());
    }
    let mut whole = Bytes::new();
    let mut pieces: Option<BytesMut> = None;
    while !body.is_end_stream() {
        let frame = match timeout(bounds.body_idle, body.frame()).await {
            Ok(Some(Ok(frame))) => frame,
            Ok(None) => break,
            Ok(Some(Err(_))) => {
                return Err(Refusal::hinted(
                    Denial::MalformedRequest,
                    "the body broke off or is framed wrongly",
                ));
            }
            Err(_) => return Err(Denial::RequestTimeout.into()),
        };
        // Trailers carry nothing that the protocol knows, and are not forwarded.
        let Ok(data) = frame.into_data() else { continue };
        let so_far = pieces.as_ref().map_or(whole.len(), BytesMut::len);
        if so_far + data.len() > bounds.body {
            return Err(Denial::BodyTooLarge.into());
        }
        match &mut pieces {
            Some(pieces) => pieces.extend_from_slice(&data),
            None if whole.is_empty() => whole = data,
            None => pieces = Some(whole.iter().chain(&data).copied().collect::<BytesMut>()),
        }
    }
    Ok(pieces.map_or(whole, BytesMut::freeze))
}

/// `application/json`, perhaps with parameters, once, and not encoded.
fn is_json(fields: &Fields<'_>) -> bool {
    let Field::Once(media) = fields.content_type else { return false };
    let media = media.as_bytes().split(|b| *b == b';').next().unwrap_or_default();
    media.trim_ascii().eq_ignore_ascii_case(b"application/json") && fields.content_encoding == Field::Absent
}
