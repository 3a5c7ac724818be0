//! An upstream without sockets: it gives the answers that it was handed, in their order.
//!
//! Answers are made beforehand, with the product's own reader of heads, so that nothing of an
//! upstream's work is counted as the gateway's.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use tollgate::policy::Authority;
use tollgate::upstream::{BodyFault, Exchange, SendFault};
use tollgate::wire::http1::{Framing, take_head};

/// A body that is there, in pieces.
pub struct Pieces {
    pieces: std::vec::IntoIter<Bytes>,
    /// What was declared and has not come yet; `None` for a body whose end is told by itself.
    left: Option<u64>,
}

impl Pieces {
    /// A body of declared length, which need not be what comes.
    pub fn declared(pieces: Vec<Bytes>, length: u64) -> Self {
        Self { pieces: pieces.into_iter(), left: Some(length) }
    }

    /// A body of pieces, like a stream of events.
    pub fn streamed(pieces: Vec<Bytes>) -> Self {
        Self { pieces: pieces.into_iter(), left: None }
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = BodyFault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _task: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        let next = self.pieces.next();
        if let (Some(data), Some(left)) = (&next, &mut self.left) {
            *left = left.saturating_sub(data.len() as u64);
        }
        Poll::Ready(next.map(|data| Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.as_slice().is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// What an upstream does with one request.
pub type Reaction = Result<Response<Pieces>, SendFault>;

/// The upstream.
#[derive(Default)]
pub struct Stub(RefCell<VecDeque<Reaction>>);

impl Stub {
    /// Hands over what it does with the next request.
    pub fn give(&self, reaction: Reaction) {
        self.0.borrow_mut().push_back(reaction);
    }
}

impl Exchange for Stub {
    type Body = Pieces;

    async fn send(
        &self,
        _to: &Authority,
        request: Request<Bytes>,
        _first_byte: Option<Duration>,
    ) -> Result<Response<Pieces>, SendFault> {
        drop(std::hint::black_box(request));
        self.0.borrow_mut().pop_front().expect("the upstream was asked more often than it was told to answer")
    }
}

/// 123 bytes of result, and what a server of the commonest framework sends around them.
pub const RESULT: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"resultType":"complete","content":[{"type":"text","text":"3 invoices"}],"isError":false}}"#;
const NOTE: &str =
    r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":1}}"#;
/// Headers of every answer: `server` stays behind.
const AROUND: &str = "date: Tue, 01 Dec 2026 12:00:00 GMT\r\nserver: uvicorn\r\n";

/// The head of an answer as it arrives.
pub fn head(status: &str, media: &str, more: &str) -> BytesMut {
    let text = format!("HTTP/1.1 {status}\r\n{AROUND}content-type: {media}\r\n{more}\r\n");
    BytesMut::from(text.as_bytes())
}

fn answer(mut head: BytesMut, body: Vec<Bytes>) -> Response<Pieces> {
    let head = take_head(&mut head, &mut 0).unwrap().unwrap();
    let body = match head.framing {
        Framing::Length(length) => Pieces::declared(body, length),
        _ => Pieces::streamed(body),
    };
    let mut response = Response::new(body);
    *response.status_mut() = head.status;
    *response.headers_mut() = head.headers;
    response
}

/// An answer of known length.
pub fn json(status: &str, more: &str, body: &str) -> Response<Pieces> {
    let more = format!("{more}content-length: {}\r\n", body.len());
    answer(head(status, "application/json", &more), vec![Bytes::copy_from_slice(body.as_bytes())])
}

/// The result of a call.
pub fn result() -> Response<Pieces> {
    json("200 OK", "", RESULT)
}

/// The result of a call behind progress, as `count` events, each in a piece of its own.
pub fn events(count: usize) -> Response<Pieces> {
    let event = |data: &str| Bytes::from(format!("event: message\r\ndata: {data}\r\n\r\n"));
    let mut pieces = vec![event(NOTE); count.saturating_sub(1)];
    pieces.push(event(RESULT));
    let more = "cache-control: no-cache, no-transform\r\ntransfer-encoding: chunked\r\n";
    answer(head("200 OK", "text/event-stream", more), pieces)
}

/// A discovery's answer, which is looked into.
pub fn discovery(media: &str) -> Response<Pieces> {
    let body = r#"{"jsonrpc":"2.0","id":1,"result":{"resultType":"complete","supportedVersions":["2025-11-25","2026-07-28"],"capabilities":{"tools":{}},"serverInfo":{"name":"crm","version":"1.0.0"}}}"#;
    let more = format!("content-length: {}\r\n", body.len());
    answer(head("200 OK", media, &more), vec![Bytes::from(body)])
}
