//! An upstream that answers every request as the request's id asks for.
//!
//! It must cost as little as it can: it shares its core with the load. Requests are framed by
//! the end of their head and `Content-Length`, and not looked at otherwise; an answer is made
//! once and leaves in one write. It trusts its clients and is no server to use.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use memchr::{memchr, memmem};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::Listen;
use crate::traffic::call::ANSWER;
use crate::traffic::message::{self, Form};
use crate::{Done, spawn};

/// A request beyond this is not one of ours: the largest body, and a head.
const LARGEST: usize = (1 << 20) + 64 * 1024;
/// Answers that are kept made; a load has a few dozen kinds at most.
const KEPT: usize = 64;
/// Where in a body the id has to begin; every writer puts it near the beginning.
const ID_WITHIN: usize = 256;

/// `loadtest stub`
#[derive(clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    listen: Listen,
}

/// Serves until the process ends.
pub(crate) fn run(options: &Options) -> Done {
    options.listen.serve(async |listener| accept(listener).await)
}

/// Accepts for ever.
pub(crate) async fn accept(listener: TcpListener) {
    let answers = Answers::new();
    while let Ok((stream, _)) = listener.accept().await {
        let answers = Rc::clone(&answers);
        spawn(async move {
            if stream.set_nodelay(true).is_ok() {
                // A connection that breaks is the other side's affair.
                drop(serve(stream, &answers).await);
            }
        });
    }
}

/// Answers the requests of one connection until it ends.
pub(crate) async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    answers: &Answers,
) -> std::io::Result<()> {
    let mut read = Vec::with_capacity(4096);
    loop {
        while let Some(request) = framed(&read) {
            let answer = answers.to(request.body);
            stream.write_all(&answer).await?;
            // TLS keeps what the socket did not take at once.
            stream.flush().await?;
            if request.length == read.len() {
                read.clear();
            } else {
                read.drain(..request.length);
            }
        }
        if read.len() > LARGEST || stream.read_buf(&mut read).await? == 0 {
            return Ok(());
        }
    }
}

/// A request that is there whole.
#[derive(Debug, PartialEq, Eq)]
struct Request<'r> {
    /// With its head.
    length: usize,
    body: &'r [u8],
}

/// The first request, once it is there whole.
fn framed(read: &[u8]) -> Option<Request<'_>> {
    let head = memmem::find(read, b"\r\n\r\n")? + 4;
    let length = head + content_length(read.get(..head)?).unwrap_or(0);
    Some(Request { length, body: read.get(head..length)? })
}

/// The length that a head states.
fn content_length(head: &[u8]) -> Option<usize> {
    const NAME: &[u8] = b"content-length:";
    let mut rest = head;
    while let Some(end) = memchr(b'\n', rest) {
        rest = rest.get(end + 1..)?;
        // Nearly every other line is told apart by its first letter.
        if rest.first().is_some_and(|first| first | 0x20 == b'c')
            && rest.get(..NAME.len()).is_some_and(|name| name.eq_ignore_ascii_case(NAME))
        {
            let digits = rest.get(NAME.len()..memchr(b'\r', rest)?)?.trim_ascii();
            return std::str::from_utf8(digits).ok()?.parse().ok();
        }
    }
    None
}

/// All answers, with their heads.
pub(crate) struct Answers {
    of_record: Rc<[u8]>,
    made: RefCell<HashMap<Vec<u8>, Rc<[u8]>>>,
}

impl Answers {
    /// The one of record; others are made when they are asked for.
    pub(crate) fn new() -> Rc<Self> {
        let of_record = with_head(Form::Json, ANSWER.as_bytes());
        Rc::new(Self { of_record, made: RefCell::default() })
    }

    /// The one that a body asks for.
    fn to(&self, body: &[u8]) -> Rc<[u8]> {
        let Some(id) = id(body) else { return Rc::clone(&self.of_record) };
        if let Some(answer) = self.made.borrow().get(id) {
            return Rc::clone(answer);
        }
        let asked = std::str::from_utf8(id).ok().and_then(message::answer);
        let Some((form, answer)) = asked else { return Rc::clone(&self.of_record) };
        let answer = with_head(form, &answer);
        let mut made = self.made.borrow_mut();
        if made.len() < KEPT {
            made.insert(id.to_owned(), Rc::clone(&answer));
        }
        answer
    }
}

/// The id, where it is a string: that of the call of record is a number.
fn id(body: &[u8]) -> Option<&[u8]> {
    if body.starts_with(br#"{"jsonrpc":"2.0","id":1,"#) {
        return None;
    }
    let start = memmem::find(body.get(..ID_WITHIN.min(body.len()))?, br#""id":""#)? + 6;
    let rest = body.get(start..)?;
    rest.get(..memchr(b'"', rest)?)
}

fn with_head(form: Form, body: &[u8]) -> Rc<[u8]> {
    let length = body.len();
    let (head, end) = match form {
        Form::Json => (format!("content-type: application/json\r\ncontent-length: {length}\r\n\r\n"), ""),
        Form::Sse => (
            format!("content-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n{length:x}\r\n"),
            "\r\n0\r\n\r\n",
        ),
    };
    [b"HTTP/1.1 200 OK\r\n", head.as_bytes(), body, end.as_bytes()].concat().into()
}

#[cfg(test)]
mod tests {
    use super::{Answers, framed, id};
    use crate::traffic::{Prepared, call};

    #[test]
    fn a_request_is_framed_when_it_is_whole() {
        let call = Prepared::of_record("localhost", "key");
        let whole = framed(&call).unwrap();
        assert_eq!((whole.length, whole.body), (call.len(), call::BODY.as_bytes()));
        assert_eq!(framed(&call[..call.len() - 1]), None);
        assert_eq!(framed(&call[..10]), None);
        assert_eq!(framed(&[&call[..], &call[..]].concat()).map(|request| request.length), Some(call.len()));
        assert_eq!(framed(b"GET / HTTP/1.1\r\n\r\n").unwrap().length, 18);
        let shouted = b"POST / HTTP/1.1\r\nCookie: a\r\nCONTENT-LENGTH:  2 \r\nHost: x\r\n\r\n{}";
        assert_eq!(framed(shouted).unwrap().body, b"{}");
    }

    #[test]
    fn an_id_chooses_the_answer() {
        assert_eq!(id(call::BODY.as_bytes()), None);
        let answers = Answers::new();
        let other = answers.to(br#"{"id":"tools/list-sse-300","jsonrpc":"2.0"}"#);
        assert!(other.ends_with(b"}\n\n\r\n0\r\n\r\n"), "{}", String::from_utf8_lossy(&other));
        assert!(std::rc::Rc::ptr_eq(&other, &answers.to(br#"{"jsonrpc":"2.0","id":"tools/list-sse-300"}"#)));
        for unknown in [&br#"{"id":"mine"}"#[..], b"{}", b"", br#"{"id":7}"#] {
            assert!(answers.to(unknown).ends_with(call::ANSWER.as_bytes()));
        }
    }
}
