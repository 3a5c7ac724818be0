//! One exchange on a connection of HTTP/1.1, from the bytes that arrived to those that leave.
//!
//! What the connection does with them, and nothing else: no socket, no limit of time. A request
//! is read into a buffer of its own, its answer written into one of the right size.

use bytes::BytesMut;
use http_body::Body as _;
use tollgate::base::bounds::WRITE_BYTES;
use tollgate::gateway::{Unread, Worker, serve, turn_away};
use tollgate::wire::http1::{AnswerLength, take_received, write_answer, write_chunk};

use super::upstream::Stub;
use super::{FROM, HEAD_BYTES, at_once, body_behind, each_piece};

/// What `Date` says.
const DATE: &[u8] = b"Tue, 01 Dec 2026 12:00:00 GMT";
/// What a connection takes a usual head to have at most.
const USUAL_HEAD: usize = 384;

/// Answers the request in these bytes.
pub fn exchange(worker: &Worker<Stub>, arrived: &[u8]) -> Vec<u8> {
    let mut read = BytesMut::new();
    read.extend_from_slice(arrived);
    let (reply, last) = match take_received(&mut read, HEAD_BYTES) {
        Ok(Some(received)) => {
            let body = body_behind(received.length, &mut read);
            (at_once(serve(worker, FROM, received.head, body)), !received.keep_alive)
        }
        Ok(None) => panic!("the head is not there whole"),
        Err(fault) => (turn_away(worker, FROM, Unread::Head(fault)), true),
    };
    let length = reply.body.size_hint().exact().map_or(AnswerLength::Chunked, AnswerLength::Known);
    let room = if let AnswerLength::Known(length) = length { WRITE_BYTES.min(length as usize) } else { 0 };
    let mut out = Vec::with_capacity(USUAL_HEAD + room);
    write_answer(&mut out, &reply, length, DATE, last);
    each_piece(reply.body, |piece| match length {
        AnswerLength::Known(_) => out.extend_from_slice(piece),
        AnswerLength::Chunked => write_chunk(&mut out, piece),
    });
    out
}
