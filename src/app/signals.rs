//! What the operator says to a running process: stop, or read the configuration again.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval};

use crate::control::Reload;

/// How often the configuration's files are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Waits until the process is told to stop (SIGINT, SIGTERM); reloads in the meantime on
/// SIGHUP and when a file changed.
pub(super) fn wait(mut reload: Option<Reload>) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let mut hangup = signal(SignalKind::hangup())?;
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                _ = interrupt.recv() => return Ok(()),
                _ = terminate.recv() => return Ok(()),
                _ = hangup.recv() => if let Some(reload) = &mut reload { reload.reload() },
                _ = look.tick() => if let Some(reload) = reload.as_mut().filter(|reload| reload.changed()) { reload.reload() },
            }
        }
    })
}
