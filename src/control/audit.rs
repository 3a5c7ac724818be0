//! From settings to what keeps the audit log.

use std::io;
use std::sync::Arc;

use crate::config::{Settings, SinkKind};
use crate::telemetry::audit::AuditParams;
use crate::telemetry::audit::sink::{Sink, Stdout};
use crate::telemetry::books::BooksParams;
use crate::telemetry::names::Names;

/// How workers hand over what they noted; of so many.
pub fn books_params(settings: &Settings, workers: usize) -> BooksParams {
    let share = |whole: usize| whole.div_ceil(workers.max(1));
    let (audit, bounds) = (&settings.audit, &settings.bounds);
    BooksParams {
        waiting: audit.queue,
        under_way: share(bounds.requests) + share(bounds.streams),
        refuse: audit.refuse,
        refusals_told: audit.refusals,
        sync: audit.sync,
    }
}

/// What keeping the log takes; `None` where none is kept.
pub fn audit_params(settings: &Settings, names: Arc<Names>) -> io::Result<Option<AuditParams>> {
    let audit = &settings.audit;
    if !audit.is_kept() {
        return Ok(None);
    }
    let sink = |kind: &SinkKind| -> io::Result<Box<dyn Sink>> {
        match kind {
            SinkKind::Stdout => Ok(Box::new(Stdout::new()?)),
        }
    };
    Ok(Some(AuditParams {
        replica: audit.replica.clone(),
        names,
        files: audit.files.clone(),
        signer: audit.signer.clone(),
        checkpoint: audit.checkpoint,
        fsync: audit.fsync,
        sinks: audit.sinks.iter().map(sink).collect::<io::Result<_>>()?,
    }))
}
