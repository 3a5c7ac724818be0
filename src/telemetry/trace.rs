//! Which requests are recorded as spans, and under which ids.
//!
//! Two looks. At its head a request is chosen by the sender's word, or by a share of all traces where it
//! told none; the upstream is told so. At its end one that was not chosen may be recorded all the same, as it was
//! refused or slow: its upstream was told that it is not, and records nothing. Ids are given to every request, as
//! nobody knows its end. It must never refuse or delay a request.

use std::time::Duration;

use super::event::{Event, Trace};
use crate::base::key::NoRandomness;
use crate::base::random::Numbers;
use crate::wire::traceparent::TraceParent;

/// Which requests are recorded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampler {
    /// The share of traces that nobody chose before, from 0 to 1.
    pub ratio: f64,
    /// Whether every refusal is recorded.
    pub refusals: bool,
    /// How long a request takes that is always recorded; `None` for none.
    pub slow: Option<Duration>,
}

/// How many values the low 56 bits of a trace's id have: they are random wherever it was made, and others choose
/// by them as well (W3C Trace Context, level 2; consistent probability sampling of OpenTelemetry).
const RANDOM: u64 = 1 << 56;

impl Sampler {
    /// Whether a request is chosen at its head.
    #[inline]
    pub fn chooses(&self, told: Option<&TraceParent>, trace: u128) -> bool {
        told.map_or_else(|| self.takes(trace), |told| told.sampled)
    }

    /// Whether a trace is within the share: the others' rule, by which a larger share takes all that a smaller
    /// one does.
    fn takes(&self, trace: u128) -> bool {
        let random = (trace as u64) & (RANDOM - 1);
        #[expect(clippy::cast_precision_loss, clippy::cast_sign_loss, reason = "a share, exact to 2^-52")]
        let threshold = ((1.0 - self.ratio) * RANDOM as f64) as u64;
        random >= threshold
    }

    /// Whether a request is recorded, at its end.
    pub fn records(&self, event: &Event) -> bool {
        if !event.trace.may_be_recorded() {
            return false;
        }
        // A stream that is meant to stay open is not slow.
        let may_be_slow = event.era.is_some() && !event.method.stays_open();
        let is_slow = || {
            let whole = Duration::from_nanos(event.whole());
            may_be_slow && self.slow.is_some_and(|slow| whole >= slow)
        };
        event.trace.sampled || (self.refusals && event.denial.is_some()) || is_slow()
    }
}

/// One worker's: gives requests their ids.
#[derive(Debug)]
pub struct Tracer {
    sampler: Sampler,
    numbers: Numbers,
}

impl Tracer {
    /// With ids like nobody else's.
    pub fn new(sampler: Sampler) -> Result<Self, NoRandomness> {
        Ok(Self { sampler, numbers: Numbers::new()? })
    }

    /// Of which trace a request is a part that told this, and under which ids.
    #[inline]
    pub fn begin(&self, told: Option<&TraceParent>) -> Trace {
        let id = told.map_or_else(|| self.fresh(), |told| told.trace);
        Trace {
            id,
            parent: told.map_or(0, |told| told.span),
            own: self.numbers.some(),
            upstream: self.numbers.some(),
            sampled: self.sampler.chooses(told, id),
        }
    }

    fn fresh(&self) -> u128 {
        (u128::from(self.numbers.some()) << 64) | u128::from(self.numbers.draw())
    }
}

impl Trace {
    /// Whether the request has a span of its own, which may be recorded at its end.
    #[inline]
    pub fn may_be_recorded(&self) -> bool {
        self.own != 0
    }

    /// What the upstream is told; nothing where the request has no ids.
    #[inline]
    pub fn told_upstream(&self) -> Option<TraceParent> {
        let Self { id, upstream, sampled, .. } = *self;
        (id != 0 && upstream != 0).then_some(TraceParent { trace: id, span: upstream, sampled })
    }
}

#[cfg(test)]
mod tests {
    use super::{Sampler, Tracer};
    use crate::base::Denial;
    use crate::base::moment::Moment;
    use crate::telemetry::event::{Event, RequestNumber};
    use crate::wire::mcp::{Era, Method};
    use crate::wire::traceparent::TraceParent;
    use std::collections::HashSet;
    use std::net::{IpAddr, Ipv4Addr};
    use std::time::Duration;

    const NONE: Sampler = Sampler { ratio: 0.0, refusals: false, slow: None };

    fn event(sampler: Sampler) -> Event {
        let (request, from) = (RequestNumber { worker: 0, count: 0 }, IpAddr::V4(Ipv4Addr::LOCALHOST));
        let trace = Tracer::new(sampler).unwrap().begin(None);
        Event { trace, ..Event::new(request, Moment::now(), from) }
    }

    #[test]
    fn the_sender_s_word_is_followed_and_its_span_is_the_parent() {
        for (ratio, sampled) in [(0.0, true), (0.0, false), (1.0, true), (1.0, false)] {
            let tracer = Tracer::new(Sampler { ratio, ..NONE }).unwrap();
            let told = TraceParent { trace: 1 << 100, span: 7, sampled };
            let trace = tracer.begin(Some(&told));
            assert_eq!((trace.id, trace.parent, trace.sampled), (1 << 100, 7, sampled));
            let upstream = trace.told_upstream().unwrap();
            assert_eq!(
                (upstream.trace, upstream.span, upstream.sampled),
                (trace.id, trace.upstream, sampled)
            );
        }
    }

    #[test]
    fn a_share_is_taken_of_traces_that_nobody_chose() {
        let tracer = Tracer::new(Sampler { ratio: 0.25, ..NONE }).unwrap();
        let (mut seen, mut taken) = (HashSet::new(), 0);
        for _ in 0..20_000 {
            let trace = tracer.begin(None);
            assert!(trace.id != 0 && trace.parent == 0 && trace.own != 0 && trace.upstream != 0);
            assert!(
                seen.insert(trace.id) && seen.insert(trace.own.into()) && seen.insert(trace.upstream.into())
            );
            taken += usize::from(trace.sampled);
        }
        // Eight standard deviations.
        assert!(taken.abs_diff(5_000) < 490, "{taken}");
        for (ratio, all) in [(0.0, false), (1.0, true)] {
            let tracer = Tracer::new(Sampler { ratio, ..NONE }).unwrap();
            assert!((0..10_000).all(|_| tracer.begin(None).sampled == all));
        }
    }

    #[test]
    fn who_takes_more_takes_all_that_others_do() {
        let (few, many) = (Sampler { ratio: 0.1, ..NONE }, Sampler { ratio: 0.3, ..NONE });
        let tracer = Tracer::new(NONE).unwrap();
        let both = (0..10_000).map(|_| tracer.begin(None).id).filter(|id| few.takes(*id));
        assert!(both.inspect(|id| assert!(many.takes(*id))).count() > 500);
        // The published boundary: a threshold of half takes from 2^55 on.
        let half = Sampler { ratio: 0.5, ..NONE };
        assert_eq!([(1 << 55) - 1, 1 << 55, 1 << 56].map(|id| half.takes(id)), [false, true, false]);
    }

    #[test]
    fn refusals_and_slow_requests_are_recorded_at_their_end() {
        let refused = Event { denial: Some(Denial::ScopeMissing), ..event(NONE) };
        assert!(!NONE.records(&refused) && Sampler { refusals: true, ..NONE }.records(&refused));
        let slow = Sampler { slow: Some(Duration::from_millis(5)), ..NONE };
        let mut event = Event { era: Some(Era::Modern), method: Method::ToolsCall, ..event(NONE) };
        assert!(!slow.records(&event), "not yet");
        while event.whole() < 5_000_000 {
            event.ended = Moment::now();
        }
        assert!(slow.records(&event) && !NONE.records(&event));
        event.method = Method::SubscriptionsListen;
        assert!(!slow.records(&event), "it is meant to stay open");
        event.trace.sampled = true;
        assert!(NONE.records(&event), "chosen at its head");
        event.trace.own = 0;
        assert!(!slow.records(&event), "without an id of its own there is no span");
    }
}
