//! How the books are kept: the queues of the workers, and who reads them: the audit log, the tracer, the
//! log's lines of requests.
//!
//! Where nobody wants to know, nobody reads, and workers note nothing.

use std::sync::Arc;

use super::gateway::StartFault;
use crate::cluster::AuditStream;
use crate::config::{AuditSettings, Bounds, Settings, SinkKind};
use crate::telemetry::Metrics;
use crate::telemetry::audit::sink::{Sink, Stdout};
use crate::telemetry::audit::{Audit, AuditFault, AuditParams, Observer};
use crate::telemetry::books::{self, Books, BooksParams, Reader};
use crate::telemetry::log::{LogControl, requests};
use crate::telemetry::metrics::AuditNumbers;
use crate::telemetry::otlp::Exporter;
use crate::telemetry::trace::Tracer;

/// Room in each queue beside what may be under way: requests that are turned away hold no place.
const TURNED_AWAY: usize = 64;

/// Books for so many workers, and who reads them, if anybody does. When this returns the audit log's first
/// record is safe.
pub(super) fn keep(
    settings: &Settings,
    workers: usize,
    metrics: &Arc<Metrics>,
    exporter: Option<&Exporter>,
    log: &LogControl,
) -> Result<(Vec<Books>, Option<Audit>), StartFault> {
    let audit = &settings.audit;
    let sinks = sinks(audit, exporter)?;
    let observers = observers(settings, exporter, log);
    let is_kept = audit.files.is_some() || !sinks.is_empty();
    if !is_kept {
        tracing::warn!("no audit log is kept: set audit.folder to a folder, or audit.sinks");
        if observers.is_empty() {
            return Ok(((0..workers).map(Books::none).collect(), None));
        }
    }
    let (mut books, reader) = open(audit, &settings.bounds, workers, is_kept);
    let traced = settings.otlp.as_ref().and_then(|otlp| otlp.traces);
    if let Some(sampler) = traced {
        let traced = books.into_iter().map(|books| Ok(books.traced_by(Tracer::new(sampler)?)));
        books = traced.collect::<Result<_, _>>().map_err(|error: crate::base::key::NoRandomness| {
            StartFault::Thread(std::io::Error::other(error))
        })?;
    }
    let log = start(reader, audit, sinks, observers, metrics)?;
    for books in &books {
        books.wakes(log.thread());
    }
    if is_kept {
        let capacity = audit.queue as u64;
        let (standing, counters) = (Arc::clone(log.standing()), Arc::clone(log.counters()));
        // It is set once, and nobody else does.
        let _ = metrics.audit.set(AuditNumbers { standing, counters, refuses: audit.refuse, capacity });
    }
    Ok((books, Some(log)))
}

fn open(audit: &AuditSettings, bounds: &Bounds, workers: usize, is_kept: bool) -> (Vec<Books>, Reader) {
    let share = |whole: usize| whole.div_ceil(workers.max(1));
    let params = BooksParams {
        waiting: audit.queue,
        under_way: share(bounds.requests) + share(bounds.streams) + TURNED_AWAY,
        // Nobody is refused for the sake of spans and lines.
        refuse: audit.refuse && is_kept,
        refusals_told: audit.refusals,
        sync: audit.sync,
    };
    books::open(workers, params)
}

fn start(
    reader: Reader,
    audit: &AuditSettings,
    sinks: Vec<Box<dyn Sink>>,
    observers: Vec<Observer>,
    metrics: &Metrics,
) -> Result<Audit, AuditFault> {
    Audit::start(
        reader,
        AuditParams {
            replica: audit.replica.clone(),
            names: Arc::clone(&metrics.names),
            files: audit.files.clone(),
            signer: audit.signer.clone(),
            checkpoint: audit.checkpoint,
            fsync: audit.fsync,
            sinks,
            observers,
        },
    )
}

/// Where records go beside the files.
fn sinks(audit: &AuditSettings, exporter: Option<&Exporter>) -> Result<Vec<Box<dyn Sink>>, AuditFault> {
    let mut sinks: Vec<Box<dyn Sink>> = Vec::new();
    for kind in &audit.sinks {
        match kind {
            SinkKind::Stdout => sinks.push(Box::new(Stdout::new().map_err(AuditFault::System)?)),
            SinkKind::Redis { params, length } => {
                sinks.push(Box::new(AuditStream::new(params.as_ref().clone(), *length)));
            }
        }
    }
    if let Some(sink) = exporter.and_then(Exporter::sink) {
        sinks.push(Box::new(sink));
    }
    Ok(sinks)
}

/// Who is shown each request.
fn observers(settings: &Settings, exporter: Option<&Exporter>, log: &LogControl) -> Vec<Observer> {
    let mut observers: Vec<Observer> = Vec::new();
    if let Some(mut spans) = exporter.and_then(Exporter::spans) {
        observers.push(Box::new(move |event, names, calendar| spans.tell(event, names, calendar)));
    }
    // Where the books are kept for something else, a reload can turn the lines on.
    if settings.log_requests || settings.audit.is_kept() || !observers.is_empty() {
        let log = log.clone();
        observers.push(Box::new(move |event, names, _| {
            if log.tells_requests() {
                requests::tell(event, names);
            }
        }));
    }
    observers
}
