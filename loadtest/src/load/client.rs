//! One client: it has one call in flight at a time, on a connection or a stream of its own.

use std::rc::Rc;

use super::{Protocol, STREAMS, Target, h1, h2};
use crate::Done;

/// A client of either protocol.
pub(super) enum Client {
    H1(Box<h1::Client>),
    H2(Box<h2::Client>),
}

impl Client {
    /// So many clients, not connected yet; with HTTP/2 so many share a connection.
    pub(super) fn several(target: &Target, count: usize, streams: usize) -> Vec<Self> {
        let mut shared = None;
        let one = |number| match target.protocol {
            Protocol::H1 | Protocol::H1Tls => Self::H1(Box::new(h1::Client::new(target, number))),
            Protocol::H2Tls => {
                if number % streams.max(1) == 0 {
                    shared = None;
                }
                let connection = shared.get_or_insert_with(|| h2::Connection::new(target));
                Self::H2(Box::new(h2::Client::new(Rc::clone(connection), target.key(number))))
            }
        };
        (0..count).map(one).collect()
    }

    /// One.
    pub(super) fn only(target: &Target) -> Done<Self> {
        Self::several(target, 1, STREAMS).pop().ok_or_else(|| "no client".to_owned())
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
