//! How much one worker has to do, against how much it may: requests, streams, large bodies.
//!
//! Counted on the worker's own thread, without atomics; each worker has its share of the
//! configured ceiling. Above it new work is refused at once, so that what has begun can end.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::base::Denial;
use crate::base::bounds::COUNTED_BODY_BYTES;

/// One worker's share of the ceilings.
#[derive(Clone, Copy, Debug)]
pub struct Ceilings {
    /// Requests whose answer has not begun.
    pub requests: usize,
    /// Answers that are streamed.
    pub streams: usize,
    /// Bytes of large request bodies.
    pub bodies: usize,
}

/// What one worker has to do.
pub struct Load(Rc<Counts>);

struct Counts {
    ceilings: Ceilings,
    requests: Cell<usize>,
    streams: Cell<usize>,
    bodies: Cell<usize>,
    /// Whether the process holds as much memory as it may; set by whoever watches it.
    memory_full: Arc<AtomicBool>,
}

/// A request in flight, while it lives.
pub struct RequestPlace(Rc<Counts>);

/// A streamed answer, while it lives.
pub struct StreamPlace(Rc<Counts>);

/// Bytes of a large body, while they are held.
pub struct BodyPlace {
    counts: Rc<Counts>,
    bytes: usize,
}

impl Load {
    /// Nothing to do yet.
    pub fn new(ceilings: Ceilings, memory_full: Arc<AtomicBool>) -> Self {
        let (requests, streams, bodies) = (Cell::new(0), Cell::new(0), Cell::new(0));
        Self(Rc::new(Counts { ceilings, requests, streams, bodies, memory_full }))
    }

    /// Takes a request in.
    #[inline]
    pub fn request(&self) -> Result<RequestPlace, Denial> {
        let counts = &self.0;
        let count = counts.requests.get();
        if count >= counts.ceilings.requests || counts.memory_full.load(Ordering::Relaxed) {
            return Err(Denial::Overloaded);
        }
        counts.requests.set(count + 1);
        Ok(RequestPlace(Rc::clone(counts)))
    }

    /// Takes a stream in.
    pub fn stream(&self) -> Result<StreamPlace, Denial> {
        let count = self.0.streams.get();
        if count >= self.0.ceilings.streams {
            return Err(Denial::Overloaded);
        }
        self.0.streams.set(count + 1);
        Ok(StreamPlace(Rc::clone(&self.0)))
    }

    /// A place for a body of no bytes yet.
    pub fn body(&self) -> BodyPlace {
        BodyPlace { counts: Rc::clone(&self.0), bytes: 0 }
    }
}

impl BodyPlace {
    /// The body is to hold this many bytes, of which small ones are not counted.
    pub fn hold(&mut self, bytes: usize) -> Result<(), Denial> {
        if bytes <= COUNTED_BODY_BYTES || bytes <= self.bytes {
            return Ok(());
        }
        let total = self.counts.bodies.get() - self.bytes + bytes;
        if total > self.counts.ceilings.bodies {
            return Err(Denial::Overloaded);
        }
        self.counts.bodies.set(total);
        self.bytes = bytes;
        Ok(())
    }
}

impl Drop for RequestPlace {
    fn drop(&mut self) {
        self.0.requests.set(self.0.requests.get() - 1);
    }
}

impl Drop for StreamPlace {
    fn drop(&mut self) {
        self.0.streams.set(self.0.streams.get() - 1);
    }
}

impl Drop for BodyPlace {
    fn drop(&mut self) {
        self.counts.bodies.set(self.counts.bodies.get() - self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::{Ceilings, Load};
    use crate::base::Denial;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[test]
    fn ceilings_hold_and_places_come_back() {
        let full = Arc::new(AtomicBool::new(false));
        let load = Load::new(Ceilings { requests: 2, streams: 1, bodies: 200_000 }, Arc::clone(&full));
        let first = load.request().unwrap();
        let _second = load.request().unwrap();
        assert_eq!(load.request().err(), Some(Denial::Overloaded));
        drop(first);
        assert!(load.request().is_ok());
        let stream = load.stream().unwrap();
        assert_eq!(load.stream().err(), Some(Denial::Overloaded));
        drop(stream);
        full.store(true, Ordering::Relaxed);
        assert_eq!(load.request().err(), Some(Denial::Overloaded));
        assert!(load.stream().is_ok(), "streams go on");
    }

    #[test]
    fn large_bodies_are_counted_as_they_grow_and_small_ones_never() {
        let load = Load::new(Ceilings { requests: 2, streams: 1, bodies: 200_000 }, Arc::default());
        let (mut one, mut other, mut small) = (load.body(), load.body(), load.body());
        one.hold(100_000).unwrap();
        one.hold(150_000).unwrap();
        assert_eq!(other.hold(70_000), Err(Denial::Overloaded));
        small.hold(64 * 1024).unwrap();
        drop(one);
        other.hold(200_000).unwrap();
    }
}
