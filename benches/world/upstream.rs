//! An upstream without sockets: it gives the answers that it was handed, in their order.
//!
//! Where the path alone is counted, their heads were read beforehand; where everything from bytes
//! to bytes is, they arrive as bytes and are read as those of a connection are. What an upstream
//! does itself is never counted as the gateway's.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use tollgate::base::bounds::READ_BYTES;
use tollgate::policy::Authority;
use tollgate::upstream::{BodyFault, Exchange, Outgoing, SendFault};
use tollgate::wire::head::Reply;
use tollgate::wire::http1::{Framing, take_head};

/// A body that is there, in pieces. The first is kept apart, so that one piece allocates nothing.
pub struct Pieces {
    first: Option<Bytes>,
    others: std::vec::IntoIter<Bytes>,
    /// What was declared and has not come yet; `None` for a body whose end is told by itself.
    left: Option<u64>,
}

impl Pieces {
    /// A body of declared length, which need not be what comes.
    pub fn declared(there: Bytes, length: u64) -> Self {
        let first = Some(there).filter(|there| !there.is_empty());
        Self { first, others: Vec::new().into_iter(), left: Some(length) }
    }

    /// A body of pieces, like a stream of events.
    pub fn streamed(pieces: Vec<Bytes>) -> Self {
        Self { first: None, others: pieces.into_iter(), left: None }
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = BodyFault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _task: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        let first = self.first.take();
        let next = first.or_else(|| self.others.next());
        if let (Some(data), Some(left)) = (&next, &mut self.left) {
            *left = left.saturating_sub(data.len() as u64);
        }
        Poll::Ready(next.map(|data| Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.others.as_slice().is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// An answer as it arrives: its head with the body that came along, and pieces behind.
pub struct Arriving {
    bytes: Bytes,
    pieces: Vec<Bytes>,
}

impl Arriving {
    /// The head's bytes, and those of the body that came along.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The answer, its head read.
    pub fn read(self) -> Reply<Pieces> {
        self.read_into(&mut BytesMut::new())
    }

    /// Reads it as a connection does: into its buffer, which is used again.
    fn read_into(self, read: &mut BytesMut) -> Reply<Pieces> {
        read.reserve(READ_BYTES);
        read.extend_from_slice(&self.bytes);
        let head = take_head(read, &mut 0).unwrap().unwrap();
        let body = match head.framing {
            Framing::Length(length) => Pieces::declared(read.split().freeze(), length),
            _ => Pieces::streamed(self.pieces),
        };
        Reply { passed: head.lines, ..Reply::new(head.status, body) }
    }
}

/// What an upstream does with one request.
pub enum Reaction {
    /// Answers; the head was read beforehand.
    Answers(Reply<Pieces>),
    /// Sends an answer, which is to be read.
    Sends(Arriving),
    /// Does not answer.
    Fails(SendFault),
}

/// The upstream.
#[derive(Default)]
pub struct Stub {
    reactions: RefCell<VecDeque<Reaction>>,
    /// What a connection reads into.
    read: RefCell<BytesMut>,
}

impl Stub {
    /// Hands over what it does with the next request.
    pub fn give(&self, reaction: Reaction) {
        self.reactions.borrow_mut().push_back(reaction);
    }
}

impl Exchange for Stub {
    type Body = Pieces;

    async fn send(
        &self,
        _to: &Authority,
        request: Outgoing,
        _first_byte: Option<Duration>,
    ) -> Result<Reply<Pieces>, SendFault> {
        drop(std::hint::black_box(request));
        let reaction = self.reactions.borrow_mut().pop_front();
        match reaction.expect("the upstream was asked more often than it was told to answer") {
            Reaction::Answers(reply) => Ok(reply),
            Reaction::Sends(arriving) => Ok(arriving.read_into(&mut self.read.borrow_mut())),
            Reaction::Fails(fault) => Err(fault),
        }
    }
}

/// 123 bytes of result, and what a server of the commonest framework sends around them.
pub const RESULT: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"resultType":"complete","content":[{"type":"text","text":"3 invoices"}],"isError":false}}"#;
const NOTE: &str =
    r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":1}}"#;
/// Headers of every answer: `server` stays behind.
const AROUND: &str = "date: Tue, 01 Dec 2026 12:00:00 GMT\r\nserver: uvicorn\r\n";

/// The head of an answer as it arrives.
pub fn head(status: &str, media: &str, more: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\n{AROUND}content-type: {media}\r\n{more}\r\n").into()
}

fn whole(status: &str, media: &str, more: &str, body: &str) -> Arriving {
    let mut bytes = head(status, media, &format!("{more}content-length: {}\r\n", body.len()));
    bytes.extend_from_slice(body.as_bytes());
    Arriving { bytes: bytes.into(), pieces: Vec::new() }
}

/// An answer of known length.
pub fn json(status: &str, more: &str, body: &str) -> Arriving {
    whole(status, "application/json", more, body)
}

/// The result of a call.
pub fn result() -> Arriving {
    json("200 OK", "", RESULT)
}

/// The result of a call behind progress, as `count` events, each in a piece of its own. The
/// pieces are those that reading the chunks brings.
pub fn events(count: usize) -> Arriving {
    let event = |data: &str| Bytes::from(format!("event: message\r\ndata: {data}\r\n\r\n"));
    let mut pieces = vec![event(NOTE); count.saturating_sub(1)];
    pieces.push(event(RESULT));
    let more = "cache-control: no-cache, no-transform\r\ntransfer-encoding: chunked\r\n";
    Arriving { bytes: head("200 OK", "text/event-stream", more).into(), pieces }
}

/// A discovery's answer, which is looked into.
pub fn discovery(media: &str) -> Arriving {
    let body = r#"{"jsonrpc":"2.0","id":1,"result":{"resultType":"complete","supportedVersions":["2025-11-25","2026-07-28"],"capabilities":{"tools":{}},"serverInfo":{"name":"crm","version":"1.0.0"}}}"#;
    whole("200 OK", media, "", body)
}
