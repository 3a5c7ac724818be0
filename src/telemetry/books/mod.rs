//! The way from workers to whoever keeps the books: a bounded queue for each worker, which neither side
//! ever waits at.
//!
//! A worker puts events in and one reader takes them out; no lock, no allocation and no system call
//! for either. A full queue loses nothing silently: who wants every request noted asks for room first, and
//! what found none is counted and told.

mod floods;
mod standing;

use std::cell::{Cell, RefCell};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::Thread;

use rtrb::{Consumer, Producer, PushError, RingBuffer};

use super::event::{Event, RequestNumber, Trace};
use super::trace::Tracer;
use crate::base::moment::Moment;
use crate::base::{Denial, Tick};
use crate::wire::traceparent::TraceParent;
use floods::Floods;

pub use standing::{Standing, Unwritten};

/// Room that is kept for the last that a worker tells: how many requests it could not note.
const LAST: usize = 1;

/// How the books are kept.
#[derive(Clone, Copy, Debug)]
pub struct BooksParams {
    /// Events that wait in each worker's queue before it counts as full.
    pub waiting: usize,
    /// Requests that each worker has under way at most, all of which must find room at their end.
    pub under_way: usize,
    /// Whether a request is refused for which there is no room.
    pub refuse: bool,
    /// Refusals of one address and second that are told one by one; what is beyond is counted.
    pub refusals_told: u32,
    /// Whether a request's record stands on the disk before the request is forwarded.
    pub sync: bool,
}

/// One worker's end; books that nobody reads note nothing.
pub struct Books {
    worker: u16,
    served: Cell<u64>,
    kept: Option<Kept>,
    tracer: Option<Tracer>,
}

struct Kept {
    queue: RefCell<Producer<Box<Event>>>,
    /// Events that were read, to be used again: as many as there ever were at once.
    used: RefCell<Consumer<Box<Event>>>,
    /// One that was not handed over: each request of a flood uses it again.
    spare: Cell<Option<Box<Event>>>,
    params: BooksParams,
    floods: RefCell<Floods>,
    /// Not noted since the reader was told last.
    lost: Cell<u64>,
    standing: Arc<Standing>,
    /// Who is woken where somebody waits for a record.
    reader: RefCell<Option<Thread>>,
}

/// The reader's end of all queues.
pub struct Reader {
    queues: Vec<Way>,
    standing: Arc<Standing>,
}

/// One worker's queue, and the way back.
struct Way {
    queue: Consumer<Box<Event>>,
    used: Producer<Box<Event>>,
}

/// Books for so many workers, and the one reader.
pub fn open(workers: usize, params: BooksParams) -> (Vec<Books>, Reader) {
    let standing = Arc::new(Standing::new(workers));
    let (books, queues) = (0..workers)
        .map(|worker| {
            // What is under way when the queue becomes full still has to find room, where none may be lost.
            let kept_free = if params.refuse { params.under_way } else { 0 };
            let (queue, taken) = RingBuffer::new(params.waiting + kept_free + LAST);
            // Made only where none has come back: never more than are under way or wait.
            let (returns, used) = RingBuffer::new(params.waiting + params.under_way + LAST);
            let kept = Kept {
                queue: RefCell::new(queue),
                used: RefCell::new(used),
                spare: Cell::default(),
                params,
                floods: RefCell::new(Floods::new(params.refusals_told)),
                lost: Cell::new(0),
                standing: Arc::clone(&standing),
                reader: RefCell::default(),
            };
            (Books { kept: Some(kept), ..Books::none(worker) }, Way { queue: taken, used: returns })
        })
        .unzip();
    (books, Reader { queues, standing })
}

impl Books {
    /// Books that nobody reads.
    pub fn none(worker: usize) -> Self {
        Self {
            worker: u16::try_from(worker).unwrap_or(u16::MAX),
            served: Cell::new(0),
            kept: None,
            tracer: None,
        }
    }

    /// The same, that give requests their places in traces.
    #[must_use]
    pub fn traced_by(self, tracer: Tracer) -> Self {
        Self { tracer: Some(tracer), ..self }
    }

    /// Of which trace a request is a part that told this. Where none are recorded here, it is noted all the
    /// same.
    #[inline]
    pub fn trace(&self, told: Option<&TraceParent>) -> Trace {
        match (&self.tracer, told) {
            (Some(tracer), _) => tracer.begin(told),
            (None, Some(told)) => Trace { id: told.trace, parent: told.span, ..Trace::default() },
            (None, None) => Trace::default(),
        }
    }

    /// Who is woken where somebody waits for a record.
    pub fn wakes(&self, reader: Thread) {
        if let Some(kept) = &self.kept {
            *kept.reader.borrow_mut() = Some(reader);
        }
    }

    /// Whether anybody reads them.
    #[inline]
    pub fn are_kept(&self) -> bool {
        self.kept.is_some()
    }

    /// Whether a record has to stand before its request is forwarded.
    #[inline]
    pub fn are_synchronous(&self) -> bool {
        self.kept.as_ref().is_some_and(|kept| kept.params.sync)
    }

    /// Whether nothing is written for the moment.
    #[inline]
    pub fn are_unwritten(&self) -> bool {
        self.kept.as_ref().is_some_and(|kept| kept.standing.unwritten(Tick::now()).is_some())
    }

    /// Whether a request that begins now may be served: not where it could not be noted and has to be.
    #[inline]
    pub fn have_room(&self) -> bool {
        self.kept.as_ref().is_none_or(|kept| !kept.params.refuse || kept.has_room())
    }

    /// An event for a request that began then; nothing where nobody reads it.
    #[inline]
    pub fn begin(&self, begun: Moment, from: IpAddr) -> Option<Box<Event>> {
        let kept = self.kept.as_ref()?;
        let count = self.served.get();
        self.served.set(count.wrapping_add(1));
        Some(kept.make(RequestNumber { worker: self.worker, count }, begun, from))
    }

    /// Notes what was decided, or how a request ended.
    #[inline]
    pub fn note(&self, event: Box<Event>) {
        if let Some(kept) = &self.kept {
            kept.note(event);
        }
    }

    /// Tells of refusals that were only counted and of what found no room, and how much waits; once a second.
    pub fn tell_counted(&self) {
        let now = Tick::now();
        self.tell(LAST, |floods, summary| floods.end(now, summary));
        if let Some(kept) = &self.kept {
            kept.tell_waiting(usize::from(self.worker), now);
        }
    }

    /// The same when the worker ends, though the second has not.
    pub fn close(&self) {
        self.tell(0, Floods::close);
    }

    fn tell(&self, kept_free: usize, counted: impl FnOnce(&mut Floods, &mut dyn FnMut(Event))) {
        let Some(kept) = &self.kept else { return };
        if let Ok(mut floods) = kept.floods.try_borrow_mut() {
            counted(&mut floods, &mut |event| kept.put(Box::new(event)));
        }
        let lost = kept.lost.take();
        if lost > 0 && !kept.push(Box::new(Event::lost(self.worker, lost)), kept_free) {
            kept.lost.set(kept.lost.get() + lost);
        }
    }
}

impl Kept {
    /// Whether there is more room than what is under way needs. The reader's side of the queue is only
    /// looked at where what was free at the last look is used up: it is a cache line of the other's core.
    #[inline]
    fn has_room(&self) -> bool {
        let Ok(queue) = self.queue.try_borrow() else { return false };
        has_more(&queue, self.params.under_way + LAST)
    }

    /// The reader tells this as well, with each time that it takes, and may hang.
    fn tell_waiting(&self, worker: usize, now: Tick) {
        if let Ok(queue) = self.queue.try_borrow() {
            let waiting = queue.buffer().capacity().saturating_sub(queue.slots());
            self.standing.set_waiting(worker, waiting);
        }
        if self.standing.is_to_be_told(now) {
            tracing::error!("the audit log's disk does not answer; records wait for it");
        }
    }

    /// An event in the place of one that came back, or a new one.
    #[inline]
    fn make(&self, request: RequestNumber, begun: Moment, from: IpAddr) -> Box<Event> {
        let back = || self.used.try_borrow_mut().ok()?.pop().ok();
        match self.spare.take().or_else(back) {
            Some(mut event) => {
                event.begin(request, begun, from);
                event
            }
            None => Box::new(Event::new(request, begun, from)),
        }
    }

    #[cold]
    fn spare(&self, mut event: Box<Event>) {
        event.clear();
        self.spare.set(Some(event));
    }

    #[inline]
    fn note(&self, event: Box<Event>) {
        if event.denial.is_none() || self.tells(&event) {
            self.put(event);
        } else {
            self.spare(event);
        }
    }

    /// Whether a refusal is told by itself.
    #[cold]
    fn tells(&self, event: &Event) -> bool {
        if event.denial == Some(Denial::AuditUnavailable) {
            // There was no room for it: what is kept free is for those that were let in.
            self.lose();
            return false;
        }
        // A flood of refusals must neither fill the queue nor the disk.
        let Ok(mut floods) = self.floods.try_borrow_mut() else {
            self.lose();
            return false;
        };
        floods.tells(event, Tick::now(), &mut |summary| self.put(Box::new(summary)))
    }

    #[inline]
    fn put(&self, event: Box<Event>) {
        let waits = event.written.is_some();
        if !self.push(event, LAST) {
            self.lose();
        } else if waits && let Ok(reader) = self.reader.try_borrow() {
            // A system call, which only those pay who want their records to stand first.
            reader.iter().for_each(Thread::unpark);
        }
    }

    /// Puts an event into the queue, where so much room is left beside it.
    #[inline]
    fn push(&self, event: Box<Event>, kept_free: usize) -> bool {
        let Ok(mut queue) = self.queue.try_borrow_mut() else { return false };
        if !has_more(&queue, kept_free) {
            self.spare(event);
            return false;
        }
        match queue.push(event) {
            Ok(()) => true,
            Err(PushError::Full(event)) => {
                self.spare(event);
                false
            }
        }
    }

    #[cold]
    fn lose(&self) {
        self.lost.set(self.lost.get() + 1);
        self.standing.lost.fetch_add(1, Ordering::Relaxed);
    }
}

/// Whether there is more room than that. What was seen at the last look is believed as long as it is enough.
#[inline]
fn has_more(queue: &Producer<Box<Event>>, than: usize) -> bool {
    queue.cached_slots() > than || queue.slots() > than
}

impl Reader {
    /// Takes at most `most` events, from the workers in turn, and says how many they were. Where that is less there
    /// may be more all the same: no worker's share is given to another.
    pub fn take(&mut self, most: usize, mut each: impl FnMut(&mut Event)) -> usize {
        let share = most.div_ceil(self.queues.len().max(1));
        let mut taken = 0;
        for (worker, Way { queue, used }) in self.queues.iter_mut().enumerate() {
            for _ in 0..share {
                let Ok(mut event) = queue.pop() else { break };
                each(&mut event);
                event.clear();
                // There is room for all that there are.
                let _ = used.push(event);
                taken += 1;
            }
            self.standing.set_waiting(worker, queue.slots());
        }
        taken
    }

    /// Whether every worker has gone; what it noted may still be there.
    pub fn is_abandoned(&self) -> bool {
        self.queues.iter().all(|way| way.queue.is_abandoned())
    }

    /// What is known of the queues.
    pub fn standing(&self) -> &Arc<Standing> {
        &self.standing
    }
}

#[cfg(test)]
mod tests {
    use super::{Books, BooksParams, open};
    use crate::base::Denial;
    use crate::base::moment::Moment;
    use crate::telemetry::Outcome;
    use crate::telemetry::event::{Event, Part};
    use std::net::{IpAddr, Ipv4Addr};

    const PARAMS: BooksParams =
        BooksParams { waiting: 4, under_way: 3, refuse: true, refusals_told: 2, sync: false };
    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn begin(books: &Books) -> Box<Event> {
        books.begin(Moment::now(), HERE).unwrap()
    }

    fn answer(books: &Books) {
        let mut event = begin(books);
        event.outcome = Outcome::Answered;
        books.note(event);
    }

    #[test]
    fn what_began_while_there_was_room_is_noted_and_the_rest_refused() {
        let (books, mut reader) = open(1, PARAMS);
        let books = &books[0];
        let mut begun = Vec::new();
        while books.have_room() {
            begun.push(begin(books));
            if begun.len() > 3 {
                books.note(begun.remove(0));
            }
        }
        assert_eq!(begun.len(), 3, "as many as may be under way");
        begun.drain(..).for_each(|event| books.note(event));
        let mut taken = Vec::new();
        assert_eq!(reader.take(100, |event| taken.push(event.request.count)), 7);
        assert_eq!(taken, [0, 1, 2, 3, 4, 5, 6], "each once and in order");
        assert!(books.have_room() && reader.standing().lost.load(std::sync::atomic::Ordering::Relaxed) == 0);
    }

    #[test]
    fn who_does_not_refuse_counts_what_is_lost_and_says_so() {
        let (books, mut reader) = open(1, BooksParams { refuse: false, ..PARAMS });
        let books = &books[0];
        (0..10).for_each(|_| answer(books));
        assert!(books.have_room());
        assert_eq!(reader.standing().lost.load(std::sync::atomic::Ordering::Relaxed), 6);
        assert_eq!(reader.take(100, |event| assert_eq!(event.part, Part::Whole)), 4, "as many as may wait");
        books.tell_counted();
        let mut told = Vec::new();
        reader.take(100, |event| told.push((event.part, event.count)));
        assert_eq!(told, [(Part::Lost, 6)]);
        books.tell_counted();
        assert_eq!(reader.take(100, |_| ()), 0, "once");
        // The last word finds room though the queue is full and nobody reads.
        (0..10).for_each(|_| answer(books));
        (0..3).for_each(|_| books.tell_counted());
        books.close();
        let mut told = Vec::new();
        reader.take(100, |event| told.push((event.part, event.count)));
        assert_eq!((told.len(), told.last()), (5, Some(&(Part::Lost, 6))));
    }

    #[test]
    fn a_flood_of_refusals_is_told_in_short() {
        let (books, mut reader) = open(1, BooksParams { waiting: 100, ..PARAMS });
        let books = &books[0];
        for _ in 0..50 {
            let mut event = begin(books);
            event.denial = Some(Denial::InvalidKey);
            books.note(event);
        }
        let mut told = Vec::new();
        reader.take(100, |event| told.push((event.part, event.count)));
        // A second may have ended in between.
        assert!(
            told.len() <= 5 && told.iter().filter(|(part, _)| *part == Part::Whole).count() >= 2,
            "{told:?}"
        );
        books.close();
        reader.take(100, |event| told.push((event.part, event.count)));
        assert_eq!(told.iter().map(|(_, count)| count).sum::<u64>(), 50, "{told:?}");
    }

    #[test]
    fn events_of_all_workers_are_taken_in_turn() {
        let (books, mut reader) = open(2, PARAMS);
        for books in &books {
            (0..4).for_each(|_| answer(books));
        }
        let mut workers = Vec::new();
        assert_eq!(reader.take(4, |event| workers.push(event.request.worker)), 4);
        assert_eq!(workers, [0, 0, 1, 1]);
        assert!(!reader.is_abandoned());
        drop(books);
        assert!(reader.is_abandoned() && reader.take(100, |_| ()) == 4);
    }

    #[test]
    fn an_event_that_was_read_is_made_anew_and_tells_nothing_of_the_one_before() {
        let (books, mut reader) = open(1, PARAMS);
        let books = &books[0];
        let mut first = begin(books);
        let place = std::ptr::from_ref(&*first);
        first.owner.set(&[b'x'; 400]);
        first.id.set(b"7");
        (first.sent, first.denial, first.count) = (Some(first.begun), Some(Denial::ScopeMissing), 9);
        (first.trace.id, first.status, first.warned) = (1, 403, true);
        books.note(first);
        assert_eq!(reader.take(1, |_| ()), 1);
        let second = begin(books);
        assert_eq!(std::ptr::from_ref(&*second), place, "without an allocation");
        let fresh = Event::new(second.request, second.begun, HERE);
        assert_eq!(format!("{second:?}"), format!("{fresh:?}"));
        assert_ne!(std::ptr::from_ref(&*begin(books)), place);
    }

    #[test]
    fn what_is_not_handed_over_is_used_again_by_the_next() {
        let (books, _reader) = open(1, PARAMS);
        let books = &books[0];
        let refuse = || {
            let mut event = begin(books);
            let place = std::ptr::from_ref(&*event).addr();
            assert!(event.id.is_empty() && event.denial.is_none());
            event.id.set(b"7");
            event.denial = Some(Denial::InvalidKey);
            books.note(event);
            place
        };
        // Two are told, and the rest is counted.
        let places: std::collections::HashSet<_> = (0..20).map(|_| refuse()).collect();
        assert!(places.len() <= 6, "a second may have ended in between: {places:?}");
        // A full queue gives back what it does not take.
        let places: std::collections::HashSet<_> = (0..20)
            .map(|_| {
                let event = begin(books);
                let place = std::ptr::from_ref(&*event).addr();
                books.note(event);
                place
            })
            .collect();
        assert!(places.len() <= 8, "{places:?}");
    }

    #[test]
    fn books_that_nobody_reads_have_room_and_keep_nothing() {
        let books = Books::none(0);
        books.tell_counted();
        assert!(
            books.begin(Moment::now(), HERE).is_none()
                && books.have_room()
                && !books.are_kept()
                && !books.are_synchronous()
        );
    }
}
