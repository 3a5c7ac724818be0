//! The soak itself: good clients, bad ones, an upstream that restarts, and samples all along.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::faults::{Fault, Place};
use crate::Done;
use crate::load::{Caller, callers};
use crate::machine::{Figures, figures};
use crate::report::MemoryPoint;
use crate::traffic::Traffic;

/// Pause of a good client between calls: traffic, not saturation.
const BETWEEN_CALLS: Duration = Duration::from_millis(4);
/// Pause between two bad clients of a kind.
const BETWEEN_FAULTS: Duration = Duration::from_millis(25);
/// Bad clients of a kind at a time.
const AT_A_TIME: usize = 2;
/// After the upstream is back, so long calls may still fail: connections to the old one.
const GRACE: Duration = Duration::from_millis(500);
/// How long the upstream is away.
const AWAY: Duration = Duration::from_millis(200);
/// Samples of a run, at most.
const SAMPLES: u32 = 400;
/// Time in which memory and descriptors have to come back.
const COME_BACK: Duration = Duration::from_secs(20);
/// Time that clients have to end when they are told to.
const WIND_DOWN: Duration = Duration::from_secs(15);

/// What a soak needs.
pub(super) struct Soak<'s> {
    pub(super) place: Place,
    pub(super) traffic: &'s Traffic,
    pub(super) clients: usize,
    /// The process whose memory and descriptors are looked at.
    pub(super) pid: u32,
    pub(super) length: Duration,
    /// How often the upstream goes away.
    pub(super) restart_every: Duration,
    pub(super) margin: Margin,
}

/// What memory and descriptors may lie above the base at the end.
#[derive(Clone, Copy)]
pub(super) struct Margin {
    pub(super) bytes: u64,
    pub(super) descriptors: u64,
}

/// What was found.
pub(super) struct Soaked {
    pub(super) answered: u64,
    /// While the upstream was away, or just back.
    pub(super) failed_meanwhile: u64,
    pub(super) visits: Vec<(Fault, u64)>,
    pub(super) restarts: u64,
    pub(super) points: Vec<MemoryPoint>,
    pub(super) base: Figures,
    pub(super) end: Figures,
    /// Or the first thing that should not have happened, or what did not come back.
    pub(super) valid: Done,
}

/// What happens meanwhile.
#[derive(Default)]
struct Events {
    answered: Cell<u64>,
    failed_meanwhile: Cell<u64>,
    visits: [Cell<u64>; Fault::ALL.len()],
    restarts: Cell<u64>,
    stop: Cell<bool>,
    /// Calls may fail until then.
    trouble_until: Cell<Option<Instant>>,
    unexpected: RefCell<Option<String>>,
}

impl Events {
    fn more(counter: &Cell<u64>) {
        counter.set(counter.get() + 1);
    }

    fn failed(&self, begun: Instant, error: String) {
        if self.trouble_until.get().is_some_and(|until| begun < until) {
            return Self::more(&self.failed_meanwhile);
        }
        self.unexpected.borrow_mut().get_or_insert(error);
    }
}

impl Soak<'_> {
    /// Warms up, notes the base, soaks, and waits until all has come back.
    ///
    /// `restart` takes the upstream away for a time and brings it back.
    pub(super) async fn run(&self, restart: impl AsyncFnMut(Duration) -> Done) -> Done<Soaked> {
        // Everything once, so that the base has the buffers and pools that any traffic makes.
        let warm = Rc::new(Events::default());
        let crowd = self.crowd(&warm)?;
        sleep((self.length / 10).max(Duration::from_millis(300))).await;
        disband(crowd, &warm).await?;
        let base = self.settled(None).await?;
        let (events, mut points) = (Rc::new(Events::default()), Vec::new());
        let crowd = self.crowd(&events)?;
        self.watch(&events, restart, &mut points).await?;
        disband(crowd, &events).await?;
        let end = self.settled(Some(&base)).await?;
        let unexpected = warm.unexpected.take().or_else(|| events.unexpected.take());
        let back = self.margin.judge(&base, &end);
        Ok(Soaked {
            answered: events.answered.get(),
            failed_meanwhile: events.failed_meanwhile.get(),
            visits: Fault::ALL.into_iter().zip(events.visits.iter().map(Cell::get)).collect(),
            restarts: events.restarts.get(),
            points,
            base,
            end,
            valid: unexpected.map_or(back, |said| Err(format!("a client met what it should not: {said}"))),
        })
    }

    /// Good clients and bad ones, until they are told to stop.
    fn crowd(&self, events: &Rc<Events>) -> Done<JoinSet<()>> {
        let mut crowd = JoinSet::new();
        for caller in callers(&self.place.target, self.traffic, self.clients)? {
            crowd.spawn_local(good(caller, Rc::clone(events)));
        }
        for (index, fault) in Fault::ALL.into_iter().enumerate() {
            for _ in 0..AT_A_TIME {
                crowd.spawn_local(bad(self.place.clone(), fault, index, Rc::clone(events)));
            }
        }
        Ok(crowd)
    }

    /// Samples, and restarts of the upstream, for the length of the soak.
    async fn watch(
        &self,
        events: &Events,
        mut restart: impl AsyncFnMut(Duration) -> Done,
        points: &mut Vec<MemoryPoint>,
    ) -> Done {
        let every = (self.length / SAMPLES).max(Duration::from_millis(50));
        let begun = Instant::now();
        let mut next = self.restart_every;
        while begun.elapsed() < self.length {
            let rss_bytes = figures(self.pid)?.resident;
            points.push(MemoryPoint { seconds: begun.elapsed().as_secs_f64(), rss_bytes, connections: None });
            if begun.elapsed() >= next && begun.elapsed() + AWAY + GRACE < self.length {
                next += self.restart_every;
                events.trouble_until.set(Some(Instant::now() + Duration::from_secs(60)));
                restart(AWAY).await?;
                events.trouble_until.set(Some(Instant::now() + GRACE));
                Events::more(&events.restarts);
            }
            sleep(every).await;
        }
        Ok(())
    }

    /// The figures once nobody asks: at once for the base, and once they have come back, or
    /// after the time that they have for it.
    async fn settled(&self, base: Option<&Figures>) -> Done<Figures> {
        sleep(Duration::from_secs(1).min(self.length)).await;
        let begun = Instant::now();
        loop {
            let now = figures(self.pid)?;
            let back = base.is_none_or(|base| self.margin.judge(base, &now).is_ok());
            if back || begun.elapsed() > COME_BACK {
                return Ok(now);
            }
            sleep(Duration::from_millis(100)).await;
        }
    }
}

/// Tells all to stop and waits until they have.
async fn disband(mut crowd: JoinSet<()>, events: &Events) -> Done {
    events.stop.set(true);
    let ended = async { while crowd.join_next().await.is_some() {} };
    let late = |_| format!("clients did not end within {} s", WIND_DOWN.as_secs());
    timeout(WIND_DOWN, ended).await.map_err(late)
}

async fn good(mut caller: Caller, events: Rc<Events>) {
    while !events.stop.get() {
        let begun = Instant::now();
        match caller.call().await {
            Ok(()) => Events::more(&events.answered),
            Err(error) => events.failed(begun, error),
        }
        sleep(BETWEEN_CALLS).await;
    }
}

async fn bad(place: Place, fault: Fault, index: usize, events: Rc<Events>) {
    while !events.stop.get() {
        let begun = Instant::now();
        match place.visit(fault).await {
            Ok(()) => events.visits.get(index).into_iter().for_each(Events::more),
            Err(error) => events.failed(begun, error),
        }
        sleep(BETWEEN_FAULTS).await;
    }
}

impl Margin {
    /// Whether what is held now is what was held at the base, and not more than the margin.
    fn judge(self, base: &Figures, now: &Figures) -> Done {
        let bound = base.resident + self.bytes;
        if now.resident > bound {
            return Err(format!(
                "memory did not come back: {:.1} MiB at the base, {:.1} at the end, {:.1} more are accepted",
                mebibytes(base.resident),
                mebibytes(now.resident),
                mebibytes(self.bytes),
            ));
        }
        let bound = base.descriptors + self.descriptors;
        if now.descriptors > bound {
            return Err(format!(
                "descriptors did not come back: {} at the base, {} at the end, {} more are accepted",
                base.descriptors, now.descriptors, self.descriptors,
            ));
        }
        Ok(())
    }
}

/// For people.
#[expect(clippy::cast_precision_loss, reason = "bytes of memory lie far below 2^52")]
pub(super) fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / 1_048_576.0
}

#[cfg(test)]
mod tests {
    use super::Margin;
    use crate::machine::figures;

    #[test]
    fn more_than_the_margin_is_a_leak() {
        let base = figures(std::process::id()).unwrap();
        let margin = Margin { bytes: 1 << 20, descriptors: 4 };
        margin.judge(&base, &base).unwrap();
        let mut now = base;
        now.resident += (1 << 20) + 4096;
        assert!(margin.judge(&base, &now).unwrap_err().contains("memory did not come back"));
        let mut now = base;
        now.descriptors += 5;
        assert!(margin.judge(&base, &now).unwrap_err().contains("descriptors did not come back"));
        now.descriptors -= 1;
        margin.judge(&base, &now).unwrap();
    }
}
