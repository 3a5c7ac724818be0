//! The client's side of a session: it answers what it is asked, and writes down what it is told
//! and when.
//!
//! It must never ask anything of the server.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use rmcp::model::{
    ClientCapabilities, ClientConfig, ElicitRequestParams, ElicitResult, ElicitationAction, Implementation,
    ProgressNotificationParam, ResourceUpdatedNotificationParam,
};
use rmcp::service::{NotificationContext, RequestContext};
use rmcp::{ClientHandler, ErrorData, RoleClient};
use serde_json::json;
use tokio::sync::Semaphore;

/// What a session was told; a clone is the same one.
#[derive(Clone)]
pub(super) struct Watch {
    told: Arc<Mutex<Told>>,
    /// One permit for each update that was not yet waited for.
    updates: Arc<Semaphore>,
}

#[derive(Default)]
struct Told {
    progress: Vec<(Instant, f64)>,
    asked: Vec<String>,
}

impl Watch {
    pub(super) fn new() -> Self {
        Self { told: Arc::default(), updates: Arc::new(Semaphore::new(0)) }
    }

    /// When progress arrived, and how far it was.
    pub(super) fn progress(&self) -> Vec<(Instant, f64)> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).progress.clone()
    }

    /// What the server asked.
    pub(super) fn asked(&self) -> Vec<String> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).asked.clone()
    }

    /// Waits for the next update of a resource.
    pub(super) async fn updated(&self) {
        if let Ok(update) = self.updates.acquire().await {
            update.forget();
        }
    }
}

impl ClientHandler for Watch {
    fn get_info(&self) -> ClientConfig {
        let capabilities = ClientCapabilities::builder().enable_elicitation().build();
        ClientConfig::new(capabilities, Implementation::new("drive-rmcp", "0.0.0"))
    }

    async fn create_elicitation(
        &self,
        request: ElicitRequestParams,
        _context: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        let ElicitRequestParams::FormElicitationParams { message, .. } = request else {
            return Ok(ElicitResult::new(ElicitationAction::Decline));
        };
        self.told.lock().unwrap_or_else(PoisonError::into_inner).asked.push(message);
        let answer = json!({ "confirm": true, "name": "Zoë" });
        Ok(ElicitResult::new(ElicitationAction::Accept).with_content(answer))
    }

    async fn on_progress(&self, told: ProgressNotificationParam, _context: NotificationContext<RoleClient>) {
        let mut all = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        all.progress.push((Instant::now(), told.progress));
    }

    async fn on_resource_updated(
        &self,
        _told: ResourceUpdatedNotificationParam,
        _context: NotificationContext<RoleClient>,
    ) {
        self.updates.add_permits(1);
    }
}
