//! The demo's MCP server: the notebook of a fictional parcel company, so that
//! a first visit to the gateway has something real to call behind it.
//!
//! It must never listen anywhere but on the loopback listener it is handed,
//! never touch the disk or the network, and never hold more than its bounds.

mod notes;
mod prompts;
mod resources;
mod tools;
mod waits;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use rmcp::handler::server::router::prompt::PromptRouter;
use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::model::{
    CompleteRequestParams, CompleteResult, Implementation, ListResourceTemplatesResult, ListResourcesResult,
    PaginatedRequestParams, ReadResourceRequestParams, ReadResourceResponse, ServerCapabilities,
    ServerConfig,
};
use rmcp::service::RequestContext;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ErrorData, RoleServer, ServerHandler, prompt_handler, tool_handler};
use tokio::net::TcpListener;

use notes::Notes;
use waits::Waits;

/// The one path of the server.
const PATH: &str = "/mcp";

/// A comment line this often keeps a silent stream visibly alive.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// The largest request: a note of the largest size, escaped, with room to spare.
const MAX_REQUEST_BYTES: usize = 256 * 1024;

/// How long requests in flight may take to finish once the server is stopped.
const GRACE: Duration = Duration::from_secs(2);

const INSTRUCTIONS: &str = "The notebook of Heron Parcels, a company that does not exist. \
    Search the notes before adding one; deleting a note cannot be undone.";

/// Serves MCP over Streamable HTTP on `listener` until `stop` completes.
///
/// Clients of either era are served: sessions for those that initialize,
/// stateless requests for those that speak 2026-07-28.
pub(crate) async fn serve(
    listener: TcpListener,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let config = StreamableHttpServerConfig::default()
        .with_sse_keep_alive(Some(KEEP_ALIVE))
        .with_max_request_body_bytes(MAX_REQUEST_BYTES)
        // No page has business here: with the check of Host this shuts out DNS rebinding.
        .enforce_origin_validation();
    let stopped = config.cancellation_token.clone();
    let notebook = Arc::new(Notebook::new());
    let service = StreamableHttpService::new(
        move || Ok(Arc::clone(&notebook)),
        Arc::new(LocalSessionManager::default()),
        config,
    );
    let routes = Router::new().route_service(PATH, service);
    let stopping = stopped.clone();
    let serving = axum::serve(listener, routes).with_graceful_shutdown(async move {
        stop.await;
        // Ends the streams that would otherwise stay open for hours.
        stopping.cancel();
    });
    tokio::select! {
        ended = serving.into_future() => ended,
        () = async { stopped.cancelled().await; tokio::time::sleep(GRACE).await } => Ok(()),
    }
}

/// The server's state and what it answers with; shared by every session.
#[derive(Debug)]
struct Notebook {
    notes: Notes,
    waits: Waits,
    tools: ToolRouter<Self>,
    prompts: PromptRouter<Self>,
}

impl Notebook {
    fn new() -> Self {
        Self {
            notes: Notes::seeded(),
            waits: Waits::default(),
            tools: Self::tool_router(),
            prompts: Self::prompt_router(),
        }
    }
}

#[tool_handler(router = self.tools)]
#[prompt_handler(router = self.prompts)]
impl ServerHandler for Notebook {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_prompts()
            .enable_resources()
            .enable_completions()
            .build();
        let myself = Implementation::new("heron-notebook", env!("CARGO_PKG_VERSION"))
            .with_title("Heron Parcels notebook");
        ServerConfig::new(capabilities).with_server_info(myself).with_instructions(INSTRUCTIONS)
    }

    async fn list_resources(
        &self,
        _page: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        Ok(resources::list())
    }

    async fn list_resource_templates(
        &self,
        _page: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        Ok(resources::templates())
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        resources::read(&self.notes, &request.uri).map(Into::into)
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        prompts::complete(&self.notes, &request)
    }
}
