//! The two directions of one connection, and how much of a request's body is still to come.
//!
//! Shared by the connection and the body of the request in hand, on one thread; each borrows
//! it within a poll and never over an await.

use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead as _, AsyncReadExt as _, AsyncWrite as _, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use crate::base::bounds::{AHEAD_BYTES, READ_BYTES};
use crate::net::params::{ClientStream, ReadScratch};
use crate::wire::http1::{BodyLength, Chunked, Piece};

/// How often it is looked whether a client has left that has sent as much ahead as it may.
const LOOK: Duration = Duration::from_millis(250);

const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// The body broke off, or is framed wrongly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the request's body broke off or is framed wrongly")]
pub struct RequestBroken;

/// One connection.
pub(super) struct Link {
    stream: ClientStream,
    scratch: ReadScratch,
    /// What was read and not yet taken.
    pub(super) read: BytesMut,
    left: Left,
    /// What is to be sent of `100 Continue` before more of the body is awaited.
    owed: &'static [u8],
    /// When it is looked again whether a client has left that has sent much ahead.
    look: Option<Pin<Box<Sleep>>>,
}

/// What is still to come of a body.
enum Left {
    Nothing,
    Length(u64),
    Chunked(Chunked),
    Broken,
}

impl Link {
    pub(super) fn new(stream: ClientStream, scratch: ReadScratch) -> Self {
        Self { stream, scratch, read: BytesMut::new(), left: Left::Nothing, owed: &[], look: None }
    }

    /// Reads what there is; 0 bytes are the end.
    pub(super) fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        // A body that was announced to be long is read to where it stays.
        if matches!(self.left, Left::Length(left) if left > READ_BYTES as u64) {
            self.read.reserve(4 * READ_BYTES);
            return pin!(self.stream.read_buf(&mut self.read)).poll(cx);
        }
        let mut scratch = self.scratch.0.borrow_mut();
        let mut piece = ReadBuf::new(&mut scratch);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut piece))?;
        self.read.extend_from_slice(piece.filled());
        Poll::Ready(Ok(piece.filled().len()))
    }

    /// An idle connection costs no buffer.
    pub(super) fn forget_buffers(&mut self) {
        self.read = BytesMut::new();
    }

    /// A request's head was taken; this is what its body will be.
    pub(super) fn expect(&mut self, length: BodyLength, awaits_continue: bool) {
        self.look = None;
        self.left = match length {
            BodyLength::Empty => Left::Nothing,
            BodyLength::Known(length) => Left::Length(length),
            BodyLength::Chunked => Left::Chunked(Chunked::default()),
        };
        self.owed = if awaits_continue { CONTINUE } else { &[] };
    }

    /// Bytes of the body that nobody has read; a body of chunks, or one that its sender was
    /// not told to send, counts as endless.
    pub(super) fn unread(&self, length: BodyLength) -> u64 {
        match (&self.left, length) {
            (Left::Nothing, _) => 0,
            (Left::Length(left), _) if self.owed.is_empty() => *left,
            _ => u64::MAX,
        }
    }

    /// The next piece of the body.
    pub(super) fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, RequestBroken>>> {
        loop {
            match self.take() {
                Ok(Some(data)) => return Poll::Ready(Some(Ok(data))),
                Ok(None) if matches!(self.left, Left::Nothing) => return Poll::Ready(None),
                Ok(None) => {}
                Err(broken) => {
                    self.left = Left::Broken;
                    return Poll::Ready(Some(Err(broken)));
                }
            }
            let more = match ready!(self.poll_continue(cx)) {
                Ok(()) => ready!(self.poll_more(cx)),
                Err(error) => Err(error),
            };
            if !matches!(more, Ok(1..)) {
                self.left = Left::Broken;
                return Poll::Ready(Some(Err(RequestBroken)));
            }
        }
    }

    fn take(&mut self) -> Result<Option<Bytes>, RequestBroken> {
        let read = &mut self.read;
        match &mut self.left {
            Left::Nothing => Ok(None),
            Left::Broken => Err(RequestBroken),
            Left::Length(_) if read.is_empty() => Ok(None),
            Left::Length(left) => {
                let count = usize::try_from(*left).unwrap_or(usize::MAX).min(read.len());
                *left -= count as u64;
                let data = read.split_to(count).freeze();
                if *left == 0 {
                    self.left = Left::Nothing;
                }
                Ok(Some(data))
            }
            Left::Chunked(chunked) => match chunked.next(read) {
                Ok(Some(Piece::Data(data))) => {
                    if chunked.is_over(read).map_err(|_| RequestBroken)? {
                        self.left = Left::Nothing;
                    }
                    Ok(Some(data))
                }
                Ok(Some(Piece::End)) => {
                    self.left = Left::Nothing;
                    Ok(None)
                }
                Ok(None) => Ok(None),
                Err(_) => Err(RequestBroken),
            },
        }
    }

    fn poll_continue(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.owed.is_empty() {
            let count = ready!(Pin::new(&mut self.stream).poll_write(cx, self.owed))?;
            self.owed = self.owed.get(count..).unwrap_or_default();
            if self.owed.is_empty() {
                ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Ready once the client has left. What it sends ahead is kept, up to a bound, beyond which the kernel
    /// is asked now and then whether it has; while its body is still being read, the reader of the body
    /// will notice.
    pub(super) fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while matches!(self.left, Left::Nothing) && self.read.len() < AHEAD_BYTES {
            if !matches!(ready!(self.poll_more(cx)), Ok(1..)) {
                return Poll::Ready(());
            }
        }
        if !matches!(self.left, Left::Nothing) {
            return Poll::Pending;
        }
        while !self.stream.is_closed() {
            let look = self.look.get_or_insert_with(|| Box::pin(sleep(LOOK)));
            ready!(look.as_mut().poll(cx));
            look.as_mut().reset(Instant::now() + LOOK);
        }
        Poll::Ready(())
    }

    /// Sends from the front of `out`, which is emptied when all of it has left.
    pub(super) fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        out: &mut Vec<u8>,
        sent: &mut usize,
    ) -> Poll<io::Result<()>> {
        while let Some(rest) = out.get(*sent..).filter(|rest| !rest.is_empty()) {
            match ready!(Pin::new(&mut self.stream).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => *sent += count,
            }
        }
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        out.clear();
        *sent = 0;
        Poll::Ready(Ok(()))
    }

    pub(super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.stream).poll_shutdown(cx).map(drop)
    }
}
