//! One HTTP/1.1 connection of a client: requests in, answers out, one after the other.
//!
//! Our own, because strictness needs the bytes: what a general server mends or forgets (two
//! lengths, bare line feeds, a length beside chunks) must be seen to be refused. While a request
//! is answered the connection is watched: a client that leaves drops the answer, and with it
//! the call upstream. An idle connection holds no buffer.

mod body;
mod link;
mod write;

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::CONNECTION;
use http_body::Body;
use tokio::time::timeout;

pub use body::RequestBody;
pub use link::RequestBroken;

use super::params::{ClientStream, ConnectionParams};
use super::stop::Stop;
use crate::base::bounds::{DRAINED_BYTES, LINGERED_BYTES};
use crate::base::{Deadline, Tick};
use crate::wire::head::{Reply, RequestHead};
use crate::wire::http1::{HeadFault, ReceivedHead, take_received};
use link::Link;

/// Time for what is left of a refused request, before the connection is closed; a client that
/// passed a limit is gone well within a second after it.
pub(super) const LINGER: std::time::Duration = std::time::Duration::from_millis(500);

/// Serves one connection to its end.
pub(super) async fn serve<S, F, B>(stream: ClientStream, params: &ConnectionParams, stop: Stop, service: S)
where
    S: Fn(Result<(RequestHead, RequestBody), HeadFault>) -> F,
    F: Future<Output = Reply<B>>,
    B: Body<Data = Bytes> + Unpin,
{
    let link = Rc::new(RefCell::new(Link::new(stream, params.scratch.clone())));
    let mut deadline = Deadline::new(Tick::now() + params.head);
    let mut out = Vec::new();
    let mut stop = pin!(stop);
    loop {
        let head = match next_head(&link, params, &mut deadline, stop.as_mut()).await {
            Next::Head(head) => head,
            Next::Over => return,
            Next::Fault(fault) => {
                let refusal = Box::pin(service(Err(fault))).await;
                let _ =
                    write::answer(&link, &mut out, &mut deadline, params, refusal, write::Manner::LAST).await;
                return linger(&link).await;
            }
        };
        let (manner, length) = (write::Manner::of(&head), head.length);
        link.borrow_mut().expect(length, head.awaits_continue);
        // Pinned where it is made: passed on, its few KiB would be copied for every request.
        let mut answer = pin!(service(Ok((head.head, RequestBody::new(&link, length)))));
        let Some(reply) = poll_fn(|cx| until_gone(&link, answer.as_mut(), cx)).await else { return };
        let unread = link.borrow().unread(length);
        let told = reply.own.contains_key(CONNECTION);
        let manner = manner.last_if(told || unread > DRAINED_BYTES || stop.is_set());
        if write::answer(&link, &mut out, &mut deadline, params, reply, manner).await.is_err() {
            return;
        }
        if manner.last {
            return linger(&link).await;
        }
        if unread > 0 && !matches!(timeout(LINGER, drain(&link)).await, Ok(true)) {
            return;
        }
    }
}

enum Next {
    Head(ReceivedHead),
    /// The client left, idled too long, or the process is stopping.
    Over,
    Fault(HeadFault),
}

/// Waits for a request: `idle` for its first byte, then `head` for the rest of its head.
async fn next_head(
    link: &RefCell<Link>,
    params: &ConnectionParams,
    deadline: &mut Deadline,
    mut stop: Pin<&mut Stop>,
) -> Next {
    let mut begun = !link.borrow().read.is_empty();
    let mut parked = false;
    deadline.set(Tick::now() + if begun { params.head } else { params.idle });
    poll_fn(|cx| {
        let mut link = link.borrow_mut();
        loop {
            if !link.read.is_empty() {
                match take_received(&mut link.read, params.head_size) {
                    Ok(Some(head)) => return Poll::Ready(Next::Head(head)),
                    Ok(None) => {}
                    Err(fault) => return Poll::Ready(Next::Fault(fault)),
                }
            }
            match link.poll_more(cx) {
                Poll::Ready(Ok(1..)) => {
                    if !begun {
                        begun = true;
                        deadline.set(Tick::now() + params.head);
                    }
                }
                Poll::Ready(_) => return Poll::Ready(Next::Over),
                Poll::Pending => break,
            }
        }
        if !begun && !parked {
            parked = true;
            link.forget_buffers();
        }
        if !begun && stop.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Next::Over);
        }
        let late = if begun { Next::Fault(HeadFault::TooSlow) } else { Next::Over };
        deadline.poll(cx).map(|()| late)
    })
    .await
}

/// The outcome of a future, unless the client leaves first.
fn until_gone<F: Future>(
    link: &RefCell<Link>,
    future: Pin<&mut F>,
    cx: &mut Context<'_>,
) -> Poll<Option<F::Output>> {
    match future.poll(cx) {
        Poll::Ready(outcome) => Poll::Ready(Some(outcome)),
        Poll::Pending => link.borrow_mut().poll_gone(cx).map(|()| None),
    }
}

/// Throws the rest of a body away; whether its end was found.
async fn drain(link: &RefCell<Link>) -> bool {
    let step = |cx: &mut Context<'_>| link.borrow_mut().poll_body(cx);
    loop {
        match poll_fn(step).await {
            Some(Ok(_)) => {}
            Some(Err(RequestBroken)) => return false,
            None => return true,
        }
    }
}

/// Ends the connection so that its last answer arrives: closed with unread bytes, the kernel
/// would reset it and the client might lose what it had not read yet.
async fn linger(link: &RefCell<Link>) {
    let end = async {
        poll_fn(|cx| link.borrow_mut().poll_shutdown(cx)).await;
        let mut left = LINGERED_BYTES;
        while left > 0 {
            let read = poll_fn(|cx| {
                let mut link = link.borrow_mut();
                link.read.clear();
                link.poll_more(cx)
            });
            match read.await {
                Ok(count @ 1..) => left = left.saturating_sub(count as u64),
                _ => return,
            }
        }
    };
    let _ = timeout(LINGER, end).await;
}
