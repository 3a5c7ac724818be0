//! Waiting for a thread to end, but never for ever.
//!
//! One that hangs in a call of the system cannot be ended: it is left, and the process ends without it. This must
//! never wait longer than it is told to.

use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a stop waits for a thread that may hang in a disk's or a server's call.
pub const HANGING: Duration = Duration::from_secs(10);
/// How often it is looked whether it has ended.
const LOOK: Duration = Duration::from_millis(5);

/// Waits until a thread has ended, at most until then; whether it has. One that has not goes on by itself.
pub fn ended_by<T>(thread: JoinHandle<T>, until: Instant) -> bool {
    while !thread.is_finished() {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        std::thread::park_timeout(left.min(LOOK));
    }
    // What it broke off with was said by itself.
    let _ = thread.join();
    true
}

#[cfg(test)]
mod tests {
    use super::ended_by;
    use std::sync::mpsc::sync_channel;
    use std::time::{Duration, Instant};

    #[test]
    fn a_thread_is_waited_for_until_it_ends_and_no_longer() {
        let after = |time| Instant::now() + Duration::from_millis(time);
        let (go_on, waits) = sync_channel::<()>(1);
        let begun = Instant::now();
        assert!(!ended_by(std::thread::spawn(move || waits.recv()), after(50)));
        assert!(begun.elapsed() >= Duration::from_millis(50) && begun.elapsed() < Duration::from_secs(5));
        drop(go_on);
        let (gone, seen) = sync_channel(1);
        let ends = std::thread::spawn(move || {
            std::thread::park_timeout(Duration::from_millis(50));
            gone.send(()).unwrap();
        });
        assert!(ended_by(ends, after(10_000)));
        assert_eq!(seen.try_recv(), Ok(()), "not before it has ended");
        assert!(ended_by(std::thread::spawn(|| ()), after(10_000)));
    }
}
