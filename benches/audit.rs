//! How many records a second the audit log's writer keeps up with, and what one costs it.
//!
//! Run by `cargo bench --bench audit` it holds the release build to 50,000 records a second over a million;
//! as a test it runs fewer on a slower build. Whoever notes them has a core of its own; what the writer's
//! costs is told apart, by the processor time of the whole process without theirs.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a bench fails by panicking and says what it found"
)]
#![allow(missing_docs, reason = "nothing here is used from elsewhere")]

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use tempfile::TempDir;
use tollgate::base::KeyId;
use tollgate::base::moment::Moment;
use tollgate::base::text::Text;
use tollgate::telemetry::Outcome;
use tollgate::telemetry::audit::{Audit, AuditParams, FileParams, Retention, Signer};
use tollgate::telemetry::books::{Books, BooksParams, open};
use tollgate::telemetry::event::Event;
use tollgate::telemetry::names::Names;
use tollgate::wire::mcp::{Era, Method, ProtocolVersion};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const LEAST: f64 = 50_000.0;
const WORKERS: usize = 16;

fn main() {
    let release = std::env::args().any(|argument| argument == "--bench");
    let records = if release { 1_000_000 } else { 20_000 };
    let (folder, names) = (TempDir::new().unwrap(), Arc::new(Names::default()));
    let books =
        BooksParams { waiting: 8_192, under_way: 16, refuse: true, refusals_told: u32::MAX, sync: false };
    // All but one have nothing to tell: the worst for who takes from each in turn.
    let (mut books, reader) = open(WORKERS, books);
    let audit = Audit::start(reader, params(&folder, &names)).unwrap();
    let books = books.remove(0);
    let (begun, thread, process) =
        (Instant::now(), cpu(ClockId::ThreadCPUTime), cpu(ClockId::ProcessCPUTime));
    for _ in 0..records {
        while !books.have_room() {
            std::thread::yield_now();
        }
        books.note(call(&books, &names));
    }
    let written = |audit: &Audit| audit.counters().records.load(Ordering::Relaxed);
    while written(&audit) < records {
        std::thread::park_timeout(Duration::from_micros(100));
    }
    let (took, counters) = (begun.elapsed().as_secs_f64(), Arc::clone(audit.counters()));
    let spent = |clock, before| cpu(clock).saturating_sub(before);
    let own = spent(ClockId::ProcessCPUTime, process).saturating_sub(spent(ClockId::ThreadCPUTime, thread));
    drop(books);
    assert_eq!(audit.stop(), 0);
    let (rate, bytes) = (records as f64 / took, counters.bytes.load(Ordering::Relaxed) as f64);
    println!(
        "{rate:.0} records a second, {:.0} bytes each, {:.1} MB/s",
        bytes / records as f64,
        bytes / took / 1e6
    );
    println!("{:.2} µs of a core each, compressing included", own.as_secs_f64() * 1e6 / records as f64);
    println!(
        "{} syncs, {} files",
        counters.syncs.load(Ordering::Relaxed),
        counters.files.load(Ordering::Relaxed)
    );
    assert!(!release || rate >= LEAST, "{rate:.0} records a second; promised: {LEAST}");
}

fn params(folder: &TempDir, names: &Arc<Names>) -> AuditParams {
    let files = FileParams {
        folder: folder.path().join("audit"),
        rotate_size: 64 << 20,
        rotate_age: Duration::from_secs(86_400),
        retention: Retention::default(),
    };
    AuditParams {
        replica: "bench".into(),
        names: Arc::clone(names),
        files: Some(files),
        signer: Some(Arc::new(Signer::read(Signer::generate().unwrap().as_bytes()).unwrap())),
        checkpoint: Duration::from_secs(60),
        fsync: Duration::from_millis(200),
        sinks: Vec::new(),
        observers: Vec::new(),
    }
}

/// A call as most are.
fn call(books: &Books, names: &Names) -> Box<Event> {
    let mut event = books.begin(Moment::now(), IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7))).unwrap();
    event.key = KeyId::parse(b"mcp_live_0123456789abcdef");
    event.owner = Text::of(b"agents of the sales team");
    event.server = names.number("crm");
    event.endpoint = names.number("http://127.0.0.1:9001/mcp");
    event.rule = names.number("crm.read_*");
    (event.method, event.target) = (Method::ToolsCall, Text::of(b"crm.read_customer"));
    (event.era, event.version) = (Some(Era::Modern), Some(ProtocolVersion::V2026_07_28));
    event.id = Text::of(b"\"4f1c2d3e-7\"");
    (event.outcome, event.status) = (Outcome::Answered, 200);
    (event.request_bytes, event.answer_bytes) = (321, 4_567);
    event.sent = Some(event.begun);
    event.trace.id = 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736;
    event
}

fn cpu(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    Duration::new(time.tv_sec.cast_unsigned(), u32::try_from(time.tv_nsec).unwrap())
}
