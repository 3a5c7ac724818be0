//! What sends telemetry to a collector: started with the page that it tells, stopped behind the last request.

use std::sync::Arc;

use super::gateway::StartFault;
use crate::admin::{AdminParams, page};
use crate::config::Settings;
use crate::telemetry::exposition::Format;
use crate::telemetry::otlp::{Exporter, OtlpParts};
use crate::upstream::Trust;

/// Starts it, where the configuration asks for it.
pub(super) fn exporter(settings: &Settings, shown: &AdminParams) -> Result<Option<Exporter>, StartFault> {
    let Some(params) = settings.otlp.clone() else { return Ok(None) };
    let tls = if params.endpoint.tls {
        let ca = params.ca.as_ref().map(|file| file.display().to_string().into_boxed_str());
        let trust = Trust::default();
        trust.prepare([ca.clone()])?;
        trust.get(ca.as_deref())
    } else {
        None
    };
    let (shown, cells) = (shown.clone(), Arc::clone(&shown.metrics.otlp));
    let page = Box::new(move || page(&shown, Format::OpenMetrics));
    Ok(Some(Exporter::start(OtlpParts { params, tls, cells, page })?))
}
