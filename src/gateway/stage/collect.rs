//! Collect: the whole body, within its bounds of size, time and memory.
//!
//! A body that came in one piece is not copied. The size is checked while it arrives: a
//! declared length is a promise, not a fact.

use bytes::{Bytes, BytesMut};
use http_body::Body;
use http_body_util::BodyExt as _;

use crate::base::bounds::{COUNTED_BODY_BYTES, PIECE_BYTES, TURN_BYTES};
use crate::base::deadline::within;
use crate::base::{Denial, Tick};
use crate::gateway::refusal::Refusal;
use crate::gateway::worker::Worker;
use crate::state::load::BodyPlace;
use crate::wire::fields::{Field, Fields};

/// A body, and its place among those that are held.
pub(in crate::gateway) struct Collected {
    /// The body.
    pub(in crate::gateway) body: Bytes,
    /// Given back with it.
    pub(in crate::gateway) _place: BodyPlace,
}

/// Reads the body of a POST.
pub(in crate::gateway) async fn collect<B, X>(
    worker: &Worker<X>,
    fields: &Fields<'_>,
    mut body: B,
) -> Result<Collected, Refusal>
where
    B: Body<Data = Bytes> + Unpin,
{
    let bounds = &worker.bounds;
    if !is_json(fields) {
        return Err(Denial::UnsupportedMediaType.into());
    }
    let promised = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if promised > bounds.body {
        return Err(Denial::BodyTooLarge.into());
    }
    let mut place = worker.load.body();
    let mut whole = Bytes::new();
    let mut pieces: Option<BytesMut> = None;
    let (mut begun, mut turn) = (None, 0);
    while !body.is_end_stream() {
        let wait = || {
            let left = begun.map(|begun: Tick| begun.left(bounds.body_total));
            left.map_or(bounds.body_idle, |left| left.min(bounds.body_idle))
        };
        let frame = match within(wait, body.frame()).await.ok_or(Denial::RequestTimeout)? {
            Some(Ok(frame)) => frame,
            None => break,
            Some(Err(_)) => {
                return Err(Refusal::hinted(
                    Denial::MalformedRequest,
                    "the body broke off or is framed wrongly",
                ));
            }
        };
        // Trailers carry nothing that the protocol knows, and are not forwarded.
        let Ok(data) = frame.into_data() else { continue };
        begun.get_or_insert_with(Tick::now);
        turn += data.len() + PIECE_BYTES;
        if turn > TURN_BYTES {
            turn = 0;
            tokio::task::yield_now().await;
        }
        let so_far = pieces.as_ref().map_or(whole.len(), BytesMut::len);
        if so_far + data.len() > bounds.body {
            return Err(Denial::BodyTooLarge.into());
        }
        match &mut pieces {
            None if whole.is_empty() => whole = data,
            None => {
                let room = room(&mut place, whole.len() + data.len(), promised, bounds.body)?;
                let mut both = BytesMut::with_capacity(room);
                both.extend_from_slice(&whole);
                both.extend_from_slice(&data);
                pieces = Some(both);
            }
            Some(pieces) => {
                if pieces.len() + data.len() > pieces.capacity() {
                    let room = room(&mut place, pieces.len() + data.len(), promised, bounds.body)?;
                    pieces.reserve(room - pieces.len());
                }
                pieces.extend_from_slice(&data);
            }
        }
    }
    Ok(Collected { body: pieces.map_or(whole, BytesMut::freeze), _place: place })
}

/// Room for a body of which so much is there: four times that, so that copying stays cheap, but
/// never beyond what may arrive. A long body that is merely promised takes no place: clients
/// that never send theirs would keep out those that do. Where four times is too much, a quarter
/// more has to do: bodies that grow beside one another would otherwise all be refused at once,
/// though some of them fit.
fn room(place: &mut BodyPlace, there: usize, promised: usize, most: usize) -> Result<usize, Denial> {
    let most = if promised == 0 { most } else { promised };
    let ample = (4 * there).max(promised.min(COUNTED_BODY_BYTES)).min(most).max(there);
    let scant = (there + there / 4).min(ample);
    match place.hold(ample) {
        Ok(()) => Ok(ample),
        Err(_) => place.hold(scant).map(|()| scant),
    }
}

/// `application/json`, perhaps with parameters, once, and not encoded.
fn is_json(fields: &Fields<'_>) -> bool {
    let Field::Once(media) = fields.content_type else { return false };
    let mut parts = media.split(|b| *b == b';').map(<[u8]>::trim_ascii);
    let json = parts.next().is_some_and(|media| media.eq_ignore_ascii_case(b"application/json"));
    json && fields.content_encoding == Field::Absent && is_utf8(parts)
}

/// Whether no parameter of the media type names another encoding than UTF-8: servers decode by
/// it, and would read another message than was judged. Whatever has the word in it counts.
fn is_utf8<'a>(parameters: impl Iterator<Item = &'a [u8]>) -> bool {
    const WORD: &[u8] = b"charset";
    let mut named =
        parameters.filter(|parameter| parameter.windows(WORD.len()).any(|w| w.eq_ignore_ascii_case(WORD)));
    let utf8 = |parameter: &[u8]| {
        [&b"charset=utf-8"[..], b"charset=\"utf-8\""].iter().any(|good| parameter.eq_ignore_ascii_case(good))
    };
    named.next().is_none_or(utf8) && named.next().is_none()
}
