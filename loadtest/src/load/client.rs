//! One client: it has one call in flight at a time, on a connection or a stream of its own.

use std::rc::Rc;

use super::dial::Dial;
use super::{h1, h2};
use crate::Done;
use crate::traffic::{Chooser, Plan};
use crate::transport::Protocol;

/// A client of either protocol.
pub(super) enum Client {
    H1(Box<h1::Client>),
    H2(Box<h2::Client>),
}

impl Client {
    /// So many clients, not connected yet; with HTTP/2 so many share a connection.
    pub(super) fn several(dial: &Rc<Dial>, plan: &Rc<Plan>, count: usize, streams: usize) -> Vec<Self> {
        let mut shared = None;
        let streams = if dial.once { 1 } else { streams.max(1) };
        let one = |number| {
            let chooser = Chooser::new(plan, number);
            if dial.target.protocol != Protocol::H2Tls {
                return Self::H1(Box::new(h1::Client::new(Rc::clone(dial), chooser)));
            }
            if number % streams == 0 {
                shared = None;
            }
            let connection = shared.get_or_insert_with(|| h2::Connection::new(Rc::clone(dial)));
            Self::H2(Box::new(h2::Client::new(Rc::clone(connection), chooser)))
        };
        (0..count).map(one).collect()
    }

    /// Connects, where it is not connected.
    pub(super) async fn connect(&mut self) -> Done {
        match self {
            Self::H1(client) => client.connect().await,
            Self::H2(client) => client.connect().await,
        }
    }

    /// One call, whose answer must be the expected one; it connects first where it has to.
    pub(super) async fn call(&mut self) -> Done {
        match self {
            Self::H1(client) => client.call().await,
            Self::H2(client) => client.call().await,
        }
    }
}
