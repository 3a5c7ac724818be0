//! Idle connections to one authority: the latest used first, up to a bound, and for a time
//! that is below what common servers keep them.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use tokio::time::Instant;

use super::connection::Connection;
use crate::base::bounds::IDLE_PER_ENDPOINT;

/// Idle connections to one authority.
pub(super) struct Pool {
    idle: RefCell<Vec<(Box<Connection>, Instant)>>,
    /// The time of the last sweep: precise enough to tell idle connections by, for nothing.
    swept: Cell<Instant>,
    /// Connections that are open, lent or idle.
    open: Rc<Cell<usize>>,
}

/// Connections to one authority.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pooled {
    /// Lent to an exchange.
    pub busy: usize,
    /// Waiting for one.
    pub idle: usize,
}

/// That a connection is open, for as long as it is: part of it, so that it is counted right whichever
/// way it ends.
pub(super) struct Open(Rc<Cell<usize>>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}

impl Pool {
    pub(super) fn new() -> Self {
        Self { idle: RefCell::default(), swept: Cell::new(Instant::now()), open: Rc::default() }
    }

    /// Counts a connection that was opened.
    pub(super) fn open(&self) -> Open {
        self.open.set(self.open.get() + 1);
        Open(Rc::clone(&self.open))
    }

    /// How many connections there are.
    pub(super) fn count(&self) -> Pooled {
        let idle = self.idle.borrow().len();
        Pooled { busy: self.open.get().saturating_sub(idle), idle }
    }

    /// Takes a connection back after a complete exchange.
    pub(super) fn put(&self, connection: Box<Connection>) {
        let mut idle = self.idle.borrow_mut();
        if idle.len() < IDLE_PER_ENDPOINT {
            idle.push((connection, self.swept.get()));
        }
    }

    /// A connection that was open a moment ago.
    pub(super) fn take(&self) -> Option<Box<Connection>> {
        let mut idle = self.idle.borrow_mut();
        while let Some((mut connection, _)) = idle.pop() {
            if connection.is_open() {
                return Some(connection);
            }
        }
        None
    }

    /// Closes what was given back `idle` ago, by at most the time between two sweeps too early.
    pub(super) fn sweep(&self, now: Instant, idle: Duration) {
        self.swept.set(now);
        self.idle.borrow_mut().retain_mut(|(connection, since)| now - *since < idle && connection.is_open());
    }

    /// Whether no connection is open, neither idle nor lent.
    pub(super) fn is_empty(&self) -> bool {
        self.open.get() == 0
    }
}
