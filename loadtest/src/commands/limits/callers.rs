//! Callers of several gateways: four fifths of the calls go to one, and from time to time they change places.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::task::spawn_local;
use tokio::time::sleep;

use crate::Done;
use crate::load::{Target, callers};
use crate::traffic::Traffic;

/// How long the shares stay where they are.
const SHIFT: Duration = Duration::from_millis(3_700);
/// Clients of each gateway: what comes in a millisecond, the runtime's finest wait, many times over.
const CLIENTS: u8 = 16;
/// Calls that a client makes at once where answers came late.
const BEHIND: f64 = 50.0;
/// A client whose next call is due later than this looks again then, since shares may have changed.
const LOOK: Duration = Duration::from_millis(200);

/// Calls with skewed shares.
pub(super) struct Skewed;

/// What came of them.
#[derive(Clone, Copy, Default)]
pub(super) struct Took {
    pub(super) admitted: u64,
    pub(super) refused: u64,
}

impl Skewed {
    /// So many calls a second in all, for a while; fails where an answer is neither a result nor 429.
    pub(super) async fn run(targets: &[Target], rate: f64, length: Duration) -> Done<Took> {
        let begun = Instant::now();
        let took = Rc::new(Cell::new(Took::default()));
        let mut clients = Vec::new();
        for (number, target) in targets.iter().enumerate() {
            let several = callers(target, &Traffic::default(), CLIENTS.into())?;
            for (client, mut caller) in (0_u8..).zip(several) {
                let phase = f64::from(client) / f64::from(CLIENTS);
                let (took, count) = (Rc::clone(&took), targets.len());
                clients.push(spawn_local(async move {
                    let (mut ready, mut seen) = (phase, Instant::now());
                    while begun.elapsed() < length {
                        let per_second = rate * share(number, count, begun.elapsed()) / f64::from(CLIENTS);
                        let lacks = ((1.0 - ready) / per_second).clamp(0.0, LOOK.as_secs_f64());
                        sleep(Duration::from_secs_f64(lacks)).await;
                        ready = (ready + per_second * seen.elapsed().as_secs_f64()).min(BEHIND);
                        seen = Instant::now();
                        if ready < 1.0 {
                            continue;
                        }
                        ready -= 1.0;
                        let answer = caller.call().await;
                        let mut now = took.get();
                        match answer {
                            Ok(()) => now.admitted += 1,
                            Err(said) if said.starts_with("status 429") => now.refused += 1,
                            Err(said) => return Err(said),
                        }
                        took.set(now);
                    }
                    Ok(())
                }));
            }
        }
        for client in clients {
            client.await.map_err(|_| "a client broke off".to_owned())??;
        }
        Ok(took.get())
    }
}

/// The share of one of so many gateways at a time: four fifths, then four fifths of the rest, and so on.
fn share(number: usize, count: usize, passed: Duration) -> f64 {
    let turn = (passed.as_millis() / SHIFT.as_millis()) as usize;
    let place = (number + turn) % count;
    let rest = 0.2_f64.powi(i32::try_from(place).unwrap_or(i32::MAX));
    if place + 1 == count { rest } else { rest * 0.8 }
}

#[cfg(test)]
mod tests {
    use super::{SHIFT, share};
    use std::time::Duration;

    #[test]
    fn shares_are_one_together_and_change_places() {
        for turn in 0..5 {
            let shares: Vec<f64> = (0..4).map(|number| share(number, 4, SHIFT * turn)).collect();
            assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-9, "{shares:?}");
        }
        assert!(share(0, 4, Duration::ZERO) > 0.79 && share(3, 4, SHIFT) > 0.79);
    }
}
