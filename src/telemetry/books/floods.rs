//! Floods of refusals: of each address the first few in a second are told one by one, what is beyond is
//! counted by reason.
//!
//! Kept by each worker before its queue, so that a flood fills neither the queue nor the disk. Bounded: beyond
//! so many addresses in a second all others are counted together.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use crate::base::{Denial, Holder, Tick};
use crate::telemetry::Outcome;
use crate::telemetry::event::{Event, Part};
use crate::telemetry::names::NameId;

/// Addresses and reasons that one worker counts apart in a second.
const SOURCES: usize = 1_024;
const SECOND: Duration = Duration::from_secs(1);

/// Refusals of this second.
pub(super) struct Floods {
    /// How many of one address and reason are told one by one.
    told: u32,
    since: Tick,
    sources: HashMap<Source, Counted, RandomState>,
    /// Beyond [`SOURCES`].
    others: u64,
}

/// One address, as limits count them (of IPv6 each /64), and why it was refused.
type Source = (Holder, Denial);

struct Counted {
    /// The first, as far as the others are like it.
    from: IpAddr,
    server: NameId,
    count: u64,
}

impl Floods {
    pub(super) fn new(told: u32) -> Self {
        Self { told, since: Tick::now(), sources: HashMap::default(), others: 0 }
    }

    /// Whether a refusal is told by itself. Where a second has ended, `summary` is given what was counted
    /// in it.
    pub(super) fn tells(&mut self, event: &Event, now: Tick, summary: &mut dyn FnMut(Event)) -> bool {
        self.end(now, summary);
        let Some(denial) = event.denial else { return true };
        let source = (Holder::from(event.from), denial);
        if self.sources.len() >= SOURCES && !self.sources.contains_key(&source) {
            self.others += 1;
            return false;
        }
        let fresh = || Counted { from: event.from, server: event.server, count: 0 };
        let counted = self.sources.entry(source).or_insert_with(fresh);
        counted.count += 1;
        counted.count <= u64::from(self.told)
    }

    /// Ends the second, where it is over.
    pub(super) fn end(&mut self, now: Tick, summary: &mut dyn FnMut(Event)) {
        if now - self.since >= SECOND {
            self.since = now;
            self.close(summary);
        }
    }

    /// Ends the second before it is over.
    pub(super) fn close(&mut self, summary: &mut dyn FnMut(Event)) {
        let told = u64::from(self.told);
        for ((_, denial), counted) in self.sources.drain().filter(|(_, counted)| counted.count > told) {
            summary(beyond(counted.from, counted.server, Some(denial), counted.count - told));
        }
        let others = std::mem::take(&mut self.others);
        if others > 0 {
            summary(beyond(IpAddr::V4(Ipv4Addr::UNSPECIFIED), NameId::NONE, None, others));
        }
    }
}

fn beyond(from: IpAddr, server: NameId, denial: Option<Denial>, count: u64) -> Event {
    let mut event = Event::lost(0, count);
    (event.part, event.outcome) = (Part::Refusals, Outcome::Denied);
    (event.from, event.server, event.denial) = (from, server, denial);
    event
}

#[cfg(test)]
mod tests {
    use super::{Floods, SOURCES};
    use crate::base::moment::Moment;
    use crate::base::{Denial, Tick};
    use crate::telemetry::event::{Event, Part, RequestNumber};
    use std::net::{IpAddr, Ipv4Addr};
    use std::time::Duration;

    fn refused(from: u32, denial: Denial) -> Event {
        let from = IpAddr::V4(Ipv4Addr::from(from));
        let request = RequestNumber { worker: 0, count: 0 };
        Event { denial: Some(denial), ..Event::new(request, Moment::now(), from) }
    }

    #[test]
    fn each_address_and_reason_has_its_own_few_and_a_second_ends_them() {
        let mut floods = Floods::new(2);
        let now = Tick::now();
        let mut tells = |from, denial, after| {
            let mut summaries = Vec::new();
            let at = now + Duration::from_millis(after);
            let told = floods.tells(&refused(from, denial), at, &mut |summary| summaries.push(summary));
            let summaries: Vec<_> = summaries.iter().map(|summary| (summary.denial, summary.count)).collect();
            (told, summaries)
        };
        for (from, denial) in [(1, Denial::InvalidKey), (1, Denial::MissingKey), (2, Denial::InvalidKey)] {
            let told: Vec<bool> = (0..5).map(|_| tells(from, denial, 0).0).collect();
            assert_eq!(told, [true, true, false, false, false]);
        }
        let (told, mut summaries) = tells(1, Denial::InvalidKey, 1_050);
        summaries.sort_by_key(|(denial, _)| denial.map(Denial::index));
        let three = |denial| (Some(denial), 3);
        assert_eq!(
            (told, summaries),
            (true, vec![three(Denial::MissingKey), three(Denial::InvalidKey), three(Denial::InvalidKey)])
        );
    }

    #[test]
    fn addresses_beyond_the_bound_are_counted_together() {
        let mut floods = Floods::new(2);
        let now = Tick::now();
        let told = (0..3 * SOURCES as u32)
            .filter(|from| floods.tells(&refused(*from, Denial::InvalidKey), now, &mut drop))
            .count();
        assert_eq!((told, floods.sources.len()), (SOURCES, SOURCES));
        let mut summaries = Vec::new();
        floods.end(now + Duration::from_secs(2), &mut |summary| summaries.push(summary));
        let [others] = summaries.as_slice() else { panic!("{summaries:?}") };
        assert_eq!((others.part, others.count, others.denial), (Part::Refusals, 2 * SOURCES as u64, None));
    }
}
