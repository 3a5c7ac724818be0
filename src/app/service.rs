//! What a worker's connections hand their requests to: the request path, or a refusal where
//! there is no room.

use std::cell::Cell;
use std::net::IpAddr;
use std::rc::Rc;

use http::Request;
use http::header::{CONNECTION, HeaderValue};
use http::request::Parts;
use hyper::body::Incoming;

use crate::gateway::{ReplyBody, Unread, Worker, serve, turn_away};
use crate::net::{RequestBody, Service, http2};
use crate::upstream::{Upstream, UpstreamBody};
use crate::wire::head::{self, RequestHead};
use crate::wire::http1::HeadFault;
use crate::wire::http2::check_head;

type Reply = head::Reply<ReplyBody<UpstreamBody>>;

/// One worker's service, with room or without.
pub(super) struct Serving {
    pub(super) worker: Rc<Worker<Upstream>>,
    /// False for connections beyond the ceiling: each of their requests is told so.
    pub(super) room: bool,
}

impl Service for Serving {
    type Body = ReplyBody<UpstreamBody>;

    async fn http1(
        self: Rc<Self>,
        from: IpAddr,
        request: Result<(RequestHead, RequestBody), HeadFault>,
    ) -> Reply {
        match request {
            Ok(_) if !self.room => {
                let mut reply = turn_away(&self.worker, from, Unread::NoRoom);
                reply.own.insert(CONNECTION, HeaderValue::from_static("close"));
                reply
            }
            Ok((head, body)) => serve(&self.worker, from, head, body).await,
            Err(fault) => turn_away(&self.worker, from, Unread::Head(fault)),
        }
    }

    async fn http2(self: Rc<Self>, from: IpAddr, request: Request<Incoming>) -> Reply {
        let (head, mut body) = request.into_parts();
        let reply = match take_head(head) {
            _ if !self.room => turn_away(&self.worker, from, Unread::NoRoom),
            Ok(head) => serve(&self.worker, from, head, &mut body).await,
            Err(fault) => turn_away(&self.worker, from, Unread::Head(fault)),
        };
        http2::read_on(body);
        reply
    }
}

/// The head as lines, if it may be read; its map of headers is gone before anything is awaited.
fn take_head(head: Parts) -> Result<RequestHead, HeadFault> {
    check_head(&head).map(|()| RequestHead::from(head))
}

/// Connections that are open on one worker, against its share of the ceiling.
#[derive(Clone)]
pub(super) struct Connections {
    open: Rc<Cell<usize>>,
    ceiling: usize,
}

/// A connection's place; given back when it is dropped.
pub(super) struct Place {
    open: Rc<Cell<usize>>,
    /// Whether the connection is within the ceiling.
    pub(super) room: bool,
}

impl Connections {
    pub(super) fn new(ceiling: usize) -> Self {
        Self { open: Rc::default(), ceiling }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.open.get() == 0
    }

    /// Takes a connection in. Those beyond the ceiling are let in up to an eighth more, to be
    /// told why; `None` beyond that, when telling them would cost too much.
    pub(super) fn enter(&self) -> Option<Place> {
        let open = self.open.get();
        if open >= self.ceiling + self.ceiling.div_ceil(8) {
            return None;
        }
        self.open.set(open + 1);
        Some(Place { open: Rc::clone(&self.open), room: open < self.ceiling })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.open.set(self.open.get() - 1);
    }
}

#[cfg(test)]
mod tests {
    use super::Connections;

    #[test]
    fn beyond_the_ceiling_there_is_no_room_and_then_no_place() {
        let connections = Connections::new(8);
        let places: Vec<_> = (0..9).map(|_| connections.enter().unwrap()).collect();
        assert!(places[7].room && !places[8].room);
        assert!(connections.enter().is_none());
        drop(places);
        assert!(connections.is_empty() && connections.enter().unwrap().room);
    }
}
