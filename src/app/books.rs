//! How the books are kept: the queues of the workers, and who writes down what is in them.
//!
//! Without a folder and without a sink nobody reads, and workers note nothing.

use std::sync::Arc;

use crate::config::{AuditSettings, Bounds, SinkKind};
use crate::telemetry::Metrics;
use crate::telemetry::audit::sink::{Sink, Stdout};
use crate::telemetry::audit::{Audit, AuditFault, AuditParams};
use crate::telemetry::books::{self, Books, BooksParams};
use crate::telemetry::metrics::AuditNumbers;

/// Room in each queue beside what may be under way: requests that are turned away hold no place.
const TURNED_AWAY: usize = 64;

/// Books for so many workers, and the audit log where one is kept. When this returns its first record is
/// safe.
pub(super) fn keep(
    audit: &AuditSettings,
    bounds: &Bounds,
    workers: usize,
    metrics: &Arc<Metrics>,
) -> Result<(Vec<Books>, Option<Audit>), AuditFault> {
    if !audit.is_kept() {
        tracing::warn!("no audit log is kept: set audit.folder to a folder, or audit.sinks");
        return Ok(((0..workers).map(Books::none).collect(), None));
    }
    let share = |whole: usize| whole.div_ceil(workers.max(1));
    let (books, reader) = books::open(
        workers,
        BooksParams {
            waiting: audit.queue,
            under_way: share(bounds.requests) + share(bounds.streams) + TURNED_AWAY,
            refuse: audit.refuse,
            refusals_told: audit.refusals,
            sync: audit.sync,
        },
    );
    let sink = |kind: &SinkKind| -> Result<Box<dyn Sink>, AuditFault> {
        match kind {
            SinkKind::Stdout => Ok(Box::new(Stdout::new().map_err(AuditFault::System)?)),
        }
    };
    let log = Audit::start(
        reader,
        AuditParams {
            replica: audit.replica.clone(),
            names: Arc::clone(&metrics.names),
            files: audit.files.clone(),
            signer: audit.signer.clone(),
            checkpoint: audit.checkpoint,
            fsync: audit.fsync,
            sinks: audit.sinks.iter().map(sink).collect::<Result<_, _>>()?,
        },
    )?;
    books.iter().for_each(|books| books.wakes(log.thread()));
    let (standing, counters) = (Arc::clone(log.standing()), Arc::clone(log.counters()));
    // It is set once, and nobody else does.
    let _ = metrics.audit.set(AuditNumbers { standing, counters, refuses: audit.refuse });
    Ok((books, Some(log)))
}
