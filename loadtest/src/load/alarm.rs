//! Waking at a time, to some microseconds.
//!
//! The runtime's own timer counts milliseconds: at 10,000 requests/s it would send ten at a
//! time. A `timerfd` is armed in nanoseconds and wakes the runtime through the same
//! `epoll_wait` as the sockets do. Spinning until a request is due would be more exact still,
//! but the upstream shares this core, and would wait for the spinner.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::Done;

/// One timer.
pub(super) struct Alarm(AsyncFd<OwnedFd>);

impl Alarm {
    /// On the current runtime.
    pub(super) fn new() -> Done<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)
            .map_err(|error| format!("no timer from the kernel: {error}"))?;
        #[expect(
            deprecated,
            reason = "an `OwnedFd` is what the unsafe successor asks to be promised: one open descriptor, always the same"
        )]
        let timer = AsyncFd::with_interest(timer, Interest::READABLE).map_err(|error| error.to_string())?;
        Ok(Self(timer))
    }

    /// Waits until a time; at once when it is past.
    pub(super) async fn until(&self, time: Instant) -> Done {
        let wait = time.saturating_duration_since(Instant::now());
        if wait.is_zero() {
            return Ok(());
        }
        self.arm(wait)?;
        loop {
            let mut ready = self.0.readable().await.map_err(|error| error.to_string())?;
            // No read is needed: the next arming resets what has expired.
            ready.clear_ready();
            let left = time.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            self.arm(left)?;
        }
    }

    fn arm(&self, wait: Duration) -> Done {
        let it_value = Timespec::try_from(wait).map_err(|error| error.to_string())?;
        let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value };
        timerfd_settime(self.0.get_ref(), TimerfdTimerFlags::empty(), &once)
            .map_err(|error| format!("the timer was not set: {error}"))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::Alarm;
    use crate::runtime;

    #[test]
    fn it_wakes_soon_after_and_never_before() {
        runtime().unwrap().block_on(async {
            let alarm = Alarm::new().unwrap();
            let mut late = Vec::new();
            for _ in 0..200 {
                let time = Instant::now() + Duration::from_micros(150);
                alarm.until(time).await.unwrap();
                late.push(Instant::now().checked_duration_since(time).expect("woke before the time"));
            }
            alarm.until(Instant::now()).await.unwrap();
            late.sort_unstable();
            // The runtime's own timer would be late by half a millisecond on average. A busy
            // machine may be late with many; hardly with three in four.
            assert!(late[50] < Duration::from_micros(400), "{:?}", late[50]);
        });
    }
}
