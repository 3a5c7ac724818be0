//! What the operator says to a running process: stop, or read the configuration again.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};

use crate::control::Reload;

/// How often the configuration's files are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Waits until the process is told to stop (SIGINT, SIGTERM); reloads in the meantime on
/// SIGHUP and when a file changed. A reload whose files' disk hangs does not keep it from being told.
pub(super) fn wait(reload: Option<Reload>) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().thread_name("reload").build()?;
    let told = runtime.block_on(listen(reload));
    runtime.shutdown_timeout(Duration::ZERO);
    told
}

async fn listen(mut reload: Option<Reload>) -> std::io::Result<()> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let mut hangup = signal(SignalKind::hangup())?;
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        let is_told = tokio::select! {
            _ = interrupt.recv() => return Ok(()),
            _ = terminate.recv() => return Ok(()),
            _ = hangup.recv() => true,
            _ = look.tick() => false,
        };
        let Some(mut watched) = reload.take() else { continue };
        let looks = spawn_blocking(move || {
            if is_told || watched.changed() {
                watched.reload();
            }
            watched
        });
        tokio::select! {
            _ = interrupt.recv() => return Ok(()),
            _ = terminate.recv() => return Ok(()),
            looked = looks => reload = Some(looked.map_err(std::io::Error::other)?),
        }
    }
}
