//! One HTTP/2 connection of a client, with hyper and h2 under limits of ours.
//!
//! What a client could make the gateway hold is bounded: streams, windows, headers, answers
//! that it does not read. A connection without a stream ends after the idle limit; one whose
//! client does not read an answer ends after the limit for that.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use http::Request;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http2::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::time::timeout;

use super::http1::LINGER;
use super::params::{ClientStream, ConnectionParams};
use super::stop::Stop;
use super::task::{self, LocalExecutor};
use super::turns::Turns;
use crate::base::bounds::DRAINED_BYTES;
use crate::base::{Deadline, Tick};
use crate::wire::head::Reply;

/// Streams that one connection may have open; what Envoy's edge profile recommends.
const STREAMS: u32 = 100;
/// Bytes of one stream's body that may be under way unread; HTTP/2's own default.
const STREAM_WINDOW: u32 = 64 * 1024;
/// Bytes of all bodies of a connection that may be under way unread.
const CONNECTION_WINDOW: u32 = 256 * 1024;
/// Bytes of one answer that are held for a client that does not read; hyper's 400 KiB, times
/// the streams, would be 40 MB for one connection.
const SEND_BYTES: usize = 32 * 1024;
/// A piece of an answer up to this size is copied out of the buffer that it came in, which has
/// 16 KiB.
const COPIED_BYTES: usize = 4 * 1024;
/// Streams reset by the client before they were looked at (CVE-2023-44487); hyper's default.
const PENDING_RESETS: usize = 20;
/// Streams that the client made the gateway reset (CVE-2025-8671); a tenth of hyper's default
/// is still far above what an honest client causes.
const LOCAL_RESETS: usize = 100;

/// Serves one connection to its end.
pub(super) async fn serve<S, F, B>(stream: ClientStream, params: &ConnectionParams, stop: Stop, service: S)
where
    S: Fn(Request<Incoming>) -> F + 'static,
    F: Future<Output = Reply<B>> + 'static,
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let open = Rc::new(Open::default());
    let counted = Rc::clone(&open);
    let service = service_fn(move |request| {
        let number = counted.enter();
        // Boxed: what deciding needs is not kept for as long as the answer waits to be read.
        let answer = Box::pin(service(request));
        let entered = Entered { open: Rc::clone(&counted), number };
        async move { Ok::<_, Infallible>(answer.await.map(|body| Watched { body, entered }).into_http()) }
    });
    let connection = Builder::new(LocalExecutor)
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BYTES)
        .max_header_list_size(u32::try_from(params.head_size).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(PENDING_RESETS)
        .max_local_error_reset_streams(LOCAL_RESETS)
        // A client that vanished answers no ping.
        .keep_alive_interval(params.idle)
        .keep_alive_timeout(params.head)
        .serve_connection(TokioIo::new(Turns::new(stream)), service);
    let (mut connection, mut stop) = (pin!(connection), pin!(stop));
    let mut look = Deadline::new(open.next_look(Tick::now(), params));
    let mut stopping = false;
    poll_fn(|cx| {
        if !stopping && stop.as_mut().poll(cx).is_ready() {
            stopping = true;
            connection.as_mut().graceful_shutdown();
        }
        if connection.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        while look.poll(cx).is_ready() {
            if open.is_stuck(params) {
                return Poll::Ready(());
            }
            look.set(open.next_look(Tick::now(), params));
        }
        Poll::Pending
    })
    .await;
}

/// Reads and throws away what is left of a request that was answered before its body was read.
/// Dropped instead, it would make what the client still sends on the stream an error of the
/// client's, and after a hundred of them h2 ends the connection, with everybody's streams on it.
pub fn read_on(mut body: Incoming) {
    let mut left = DRAINED_BYTES;
    let mut read = move |cx: &mut Context<'_>| {
        while left > 0 && !body.is_end_stream() {
            match ready!(Pin::new(&mut body).poll_frame(cx)) {
                Some(Ok(frame)) => {
                    let data = frame.data_ref().map_or(0, Bytes::len) as u64;
                    left = left.saturating_sub(data.max(1));
                }
                Some(Err(_)) | None => break,
            }
        }
        Poll::Ready(())
    };
    // Nearly every body came with its head, or was read.
    if read(&mut Context::from_waker(Waker::noop())).is_pending() {
        task::spawn(async move {
            let _ = timeout(LINGER, poll_fn(read)).await;
        });
    }
}

/// The streams of one connection: how many there are, which wait for their client to read.
struct Open {
    next: Cell<u64>,
    count: Cell<usize>,
    /// Since when there is no stream.
    idle_since: Cell<Tick>,
    /// Streams that handed a piece over and were not asked for another since.
    unread: RefCell<BTreeMap<u64, Tick>>,
}

impl Default for Open {
    fn default() -> Self {
        Self {
            next: Cell::default(),
            count: Cell::default(),
            idle_since: Cell::new(Tick::now()),
            unread: RefCell::default(),
        }
    }
}

impl Open {
    fn enter(&self) -> u64 {
        self.count.set(self.count.get() + 1);
        self.next.set(self.next.get() + 1);
        self.next.get()
    }

    fn oldest_unread(&self) -> Option<Tick> {
        self.unread.borrow().values().min().copied()
    }

    /// Whether a limit has passed: without a stream, or without its client reading.
    fn is_stuck(&self, params: &ConnectionParams) -> bool {
        let over = |since: Tick, limit| since.left(limit).is_zero();
        let idle = self.count.get() == 0 && over(self.idle_since.get(), params.idle);
        idle || self.oldest_unread().is_some_and(|since| over(since, params.write_idle))
    }

    /// The limits are looked at when the first of them could pass, at least once in each.
    fn next_look(&self, now: Tick, params: &ConnectionParams) -> Tick {
        let idle = if self.count.get() == 0 { self.idle_since.get() } else { now } + params.idle;
        let unread = self.oldest_unread().unwrap_or(now) + params.write_idle;
        idle.min(unread)
    }
}

/// One stream, counted while it lives.
struct Entered {
    open: Rc<Open>,
    number: u64,
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.open.unread.borrow_mut().remove(&self.number);
        self.open.count.set(self.open.count.get() - 1);
        if self.open.count.get() == 0 {
            self.open.idle_since.set(Tick::now());
        }
    }
}

/// A short piece is a slice of the buffer that it was read into; waiting for a window, it would
/// keep all of that.
fn alone(piece: Bytes) -> Bytes {
    if piece.len() <= COPIED_BYTES { Bytes::copy_from_slice(&piece) } else { piece }
}

/// An answer's body that notes whether it is being read.
struct Watched<B> {
    body: B,
    entered: Entered,
}

impl<B: Body<Data = Bytes> + Unpin> Body for Watched<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        let mut unread = self.entered.open.unread.borrow_mut();
        // The last piece too: hyper keeps it, and with it the body, until the client has room.
        if matches!(polled, Poll::Ready(Some(Ok(_)))) {
            unread.insert(self.entered.number, Tick::now());
        } else if !unread.is_empty() {
            unread.remove(&self.entered.number);
        }
        drop(unread);
        polled.map(|piece| piece.map(|frame| frame.map(|frame| frame.map_data(alone))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
