//! One replica and one bucket: what it asks when nobody calls, and what becomes of it in corners that
//! schedules by chance do not reach.

use std::sync::Arc;
use std::time::Duration;

use super::ID;
use super::ledger::Ledger;
use crate::base::lease::Ahead;
use crate::base::{Limit, Nanos};
use crate::state::limiter::{Keeper, Lease, Note};

const MS: u64 = super::MS;
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3_600);

struct One {
    lease: Arc<Lease>,
    keeper: Keeper,
    ledger: Ledger,
    limit: Limit,
    ahead: Ahead,
    now: u64,
    questions: u64,
}

impl One {
    fn new(limit: Limit, dearest: u32) -> Self {
        Self {
            lease: Arc::default(),
            keeper: Keeper::default(),
            ledger: Ledger::default(),
            ahead: Ahead::of(limit, dearest),
            limit,
            now: super::BEGIN,
            questions: 0,
        }
    }

    /// A call of one token.
    fn call(&mut self) -> bool {
        let admitted = self.lease.take(self.ahead, Nanos(self.now), 1).is_ok();
        if !admitted {
            self.lease.miss(1);
        }
        if self.lease.wants_keeper() {
            let lease = Arc::clone(&self.lease);
            let note = Note { id: ID, lease, limit: self.limit, ahead: self.ahead };
            self.keeper.note(note, Nanos(self.now));
        }
        admitted
    }

    /// A millisecond, and what is due in it.
    fn step(&mut self) {
        self.now += MS;
        for ask in self.keeper.asks(Nanos(self.now), 1_000) {
            self.questions += 1;
            let told = self.ledger.settle(&ask, (self.now as f64 / 1_000.0).floor());
            self.keeper.told(&ask, told, Nanos(self.now + MS / 2));
        }
    }

    /// So many milliseconds with a call in each of every `gap`: how many were admitted.
    fn run(&mut self, ms: u64, gap: u64) -> u64 {
        let mut admitted = 0;
        for at in 0..ms {
            admitted += u64::from(at % gap == 0 && self.call());
            self.step();
        }
        admitted
    }
}

#[test]
fn an_empty_bucket_that_nobody_calls_is_let_alone() {
    let mut one = One::new(Limit::new(1, HOUR, 20).unwrap(), 1);
    assert!((20..=21).contains(&one.run(4_000, 1)));
    let asked = one.questions;
    one.run(60_000, u64::MAX);
    assert!(one.questions - asked <= 3, "{} questions in a minute without calls", one.questions - asked);
    // Who calls again is heard.
    let asked = one.questions;
    assert_eq!(one.run(5_000, 1), 0);
    assert!((3..=10).contains(&(one.questions - asked)), "{}", one.questions - asked);
}

#[test]
fn a_bucket_of_one_token_gives_it_again_and_again() {
    for (tokens, time, burst) in [(10, SECOND, 1), (3, SECOND, 1), (9, SECOND, 1), (7, HOUR, 3)] {
        let limit = Limit::new(tokens, time, burst).unwrap();
        let mut one = One::new(limit, burst);
        let window = u64::try_from(limit.window().as_millis()).unwrap();
        let ms = (20 * window).min(120_000);
        let admitted = one.run(ms, 1);
        let comes = ms * u64::from(tokens) / u64::try_from(time.as_millis()).unwrap();
        assert!(
            admitted + 2 >= comes && admitted <= comes + 3 * u64::from(burst),
            "{limit:?}: {admitted} of {comes}"
        );
    }
}

#[test]
fn a_dear_rule_does_not_make_cheap_calls_ask() {
    let limit = Limit::new(1_000, SECOND, 2_000).unwrap();
    let questions = [1, 5, 20, 100].map(|dearest| {
        let mut one = One::new(limit, dearest);
        // A hundred calls a second, a tenth of what is allowed.
        assert_eq!(one.run(20_000, 10), 2_000);
        one.questions
    });
    assert!(questions.iter().all(|asked| *asked <= 2 * questions[0] && *asked < 1_000), "{questions:?}");
}

#[test]
fn a_limit_that_is_taken_away_and_brought_back_goes_on_where_it_was() {
    let mut one = One::new(Limit::new(10, SECOND, 10).unwrap(), 1);
    let before = one.run(500, 1);
    // Another reload made another lease for it while the keeper still has the first.
    one.lease = Arc::default();
    let after = one.run(20_000, 1);
    let allowed = 10 + 205;
    assert!(before + after <= allowed + 2 && before + after + 5 >= allowed, "{before} and {after}");
    // What it had spent on credit and not told is told.
    let mut one = One::new(Limit::new(1, HOUR, 10).unwrap(), 5);
    (0..5).for_each(|_| assert!(one.call()));
    one.lease = Arc::default();
    assert!(one.call());
    one.run(1_000, u64::MAX);
    assert_eq!(one.run(2_000, 1), 4, "six of ten were taken");
}
