//! `tollgate demo`: everything that a first visit needs, on this machine, in one command.
//!
//! A certificate authority and a certificate made on first start, an embedded registry, a
//! real MCP server behind the gateway, and one fresh key. Loopback only. The raw key goes to
//! the screen and nowhere else; the data folder holds its hash.

mod certificates;
mod print;
mod server;

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::oneshot;

use super::gateway::{Gateway, StartFault};
use super::signals;
use crate::base::Clock;
use crate::base::digest::Hasher;
use crate::base::key::Env;
use crate::config::{Environment, Faults, load_text};
use crate::control::open;
use crate::net::{ListenFault, bind};
use crate::registry::operations::{self, Issued, Wish};
use crate::registry::{Fault, Registry, Timestamp};
use crate::telemetry::log;

/// Demo keys end by themselves: nobody cleans up after a demo.
const KEY_LIFE: Duration = Duration::from_secs(7 * 86_400);

/// What the command line says.
pub struct DemoOptions {
    /// Port of the gateway; 0 takes a free one.
    pub port: u16,
    /// The data folder.
    pub data: PathBuf,
    /// One line of JSON instead of a page for people.
    pub json: bool,
}

/// Why the demo did not start.
#[derive(Debug, thiserror::Error)]
pub enum DemoFault {
    /// The data folder.
    #[error("the folder {place} cannot be written: {reason}; choose another with --data")]
    Folder {
        /// Which folder.
        place: String,
        /// What the system says.
        reason: String,
    },
    /// Certificates.
    #[error("the demo's certificates cannot be made: {0}")]
    Certificates(#[from] rcgen::Error),
    /// The MCP server's address.
    #[error(transparent)]
    Listen(#[from] ListenFault),
    /// The configuration that the demo writes for itself.
    #[error("the demo's own configuration is faulty: {0}")]
    Config(#[from] Faults),
    /// The registry.
    #[error(transparent)]
    Registry(#[from] Fault),
    /// A part did not start.
    #[error("{0}; choose another port with --port")]
    Start(#[from] StartFault),
    /// The system.
    #[error("{0}")]
    System(#[from] std::io::Error),
}

/// Serves the demo until Ctrl-C.
pub fn demo(options: &DemoOptions, out: &mut dyn std::io::Write) -> Result<(), DemoFault> {
    let log = log::init(&"warn".parse().unwrap_or_default(), false, false);
    let data = prepare_folder(&options.data)?;
    let certificates = certificates::prepare(&data)?;
    let notebook = Notebook::start()?;
    let text = print::config_text(options.port, notebook.address);
    let config = data.join("tollgate.toml");
    fs::write(&config, &text).map_err(|error| folder_fault(&data, &error))?;
    let mut settings = load_text(&text, "tollgate.toml", &data, &Environment::default())?;
    let workers = settings.listen.workers;
    let gateway = Gateway::start(&mut settings, workers, &log)?;
    let issued = issue(open(&settings.keys.registry)?.registry())?;
    // A port of 0 became a real one; the file says so, for whoever administers with it.
    let text = print::config_text(gateway.address.port(), notebook.address);
    fs::write(&config, text).map_err(|error| folder_fault(&data, &error))?;
    let page = print::Page {
        gateway: gateway.address,
        admin: gateway.admin,
        ca: certificates.ca,
        config,
        id: issued.record.key_id,
    };
    if options.json {
        page.json(issued.key, out)?;
    } else {
        page.text(issued.key, out)?;
    }
    signals::wait(None)?;
    gateway.stop();
    notebook.stop();
    Ok(())
}

fn prepare_folder(folder: &Path) -> Result<PathBuf, DemoFault> {
    use std::os::unix::fs::DirBuilderExt as _;
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    let whole = made.and_then(|()| folder.canonicalize()).map_err(|error| folder_fault(folder, &error))?;
    // Making the folder says nothing about writing into one that was there.
    let probe = whole.join(".writable");
    fs::write(&probe, b"")
        .and_then(|()| fs::remove_file(&probe))
        .map_err(|error| folder_fault(folder, &error))?;
    Ok(whole)
}

fn folder_fault(folder: &Path, error: &std::io::Error) -> DemoFault {
    let reason = match error.kind() {
        std::io::ErrorKind::PermissionDenied => "this user may not write there".into(),
        std::io::ErrorKind::NotADirectory | std::io::ErrorKind::AlreadyExists => "it is a file".into(),
        std::io::ErrorKind::ReadOnlyFilesystem => "the file system is read-only".into(),
        std::io::ErrorKind::StorageFull => "the disk is full".into(),
        _ => error.to_string(),
    };
    DemoFault::Folder { place: folder.display().to_string(), reason }
}

/// A key that may do everything but the dangerous tool.
fn issue(registry: &mut dyn Registry) -> Result<Issued, DemoFault> {
    let now = Clock::system().now();
    let wish = Wish {
        env: Env::Test,
        name: "demo".into(),
        owner: Some("demo".into()),
        scopes: vec!["notes:read".into(), "notes:write".into()],
        plan: None,
        limits: None,
        expires_at: Some(Timestamp(now.plus(KEY_LIFE))),
    };
    Ok(operations::issue(registry, &Hasher::new(&[]), wish, now)?)
}

/// The MCP server behind the demo, on its own thread.
struct Notebook {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Notebook {
    fn start() -> Result<Self, DemoFault> {
        let mut listeners = bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), 1)?;
        let listener =
            listeners.pop().ok_or_else(|| std::io::Error::other("no socket for the MCP server"))?;
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = std::thread::Builder::new().name("notebook".into()).spawn(move || {
            let outcome = runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener)?;
                server::serve(listener, async { drop(stopped.await) }).await
            });
            if let Err(error) = outcome {
                tracing::error!(%error, "the demo's MCP server ended");
            }
        })?;
        Ok(Self { address, stop, thread })
    }

    fn stop(self) {
        let _ = self.stop.send(());
        let _ = self.thread.join();
    }
}
