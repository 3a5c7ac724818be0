//! The audit log, written by its real writer into real folders, and read by whoever checks it.

mod commands;
mod failing;
mod forged;
mod mutations;
mod python;
mod rate;
mod recovery;
mod rotation;
mod settings;
mod waiting;

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tollgate::base::moment::Moment;
use tollgate::base::text::Text;
use tollgate::base::{Denial, KeyId};
use tollgate::telemetry::Outcome;
use tollgate::telemetry::audit::verify::{Report, Source, VerifyOptions, verify};
use tollgate::telemetry::audit::{Audit, AuditFault, AuditParams, FileParams, Hash, Retention, Signer, list};
use tollgate::telemetry::books::{Books, BooksParams, open};
use tollgate::telemetry::event::Event;
use tollgate::telemetry::names::Names;
use tollgate::wire::mcp::{Era, Method, ProtocolVersion};

pub const KEY: &str = "mcp_live_0123456789abcdef";

/// A folder for a log, the key that signs it, and how it is kept.
pub struct Place {
    pub folder: TempDir,
    pub signer: Arc<Signer>,
    pub rotate_size: u64,
    pub retention: Retention,
    pub fsync: Duration,
    pub checkpoint: Duration,
    pub queue: usize,
    pub workers: usize,
}

/// A log that is being written, with one worker.
pub struct Running {
    pub books: Books,
    pub audit: Audit,
    pub names: Arc<Names>,
}

impl Place {
    pub fn new() -> Self {
        Self {
            folder: TempDir::new().unwrap(),
            signer: Arc::new(Signer::read(Signer::generate().unwrap().as_bytes()).unwrap()),
            rotate_size: 64 << 20,
            retention: Retention::default(),
            fsync: Duration::from_millis(20),
            checkpoint: Duration::from_secs(60),
            queue: 10_000,
            workers: 1,
        }
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("audit")
    }

    pub fn params(&self, names: &Arc<Names>) -> AuditParams {
        AuditParams {
            replica: "gw-1".into(),
            names: Arc::clone(names),
            files: Some(FileParams {
                folder: self.path(),
                rotate_size: self.rotate_size,
                rotate_age: Duration::from_secs(86_400),
                retention: self.retention,
            }),
            signer: Some(Arc::clone(&self.signer)),
            checkpoint: self.checkpoint,
            fsync: self.fsync,
            sinks: Vec::new(),
            observers: Vec::new(),
        }
    }

    pub fn try_start(&self) -> Result<Running, AuditFault> {
        let names = Arc::new(Names::default());
        self.start_with(self.params(&names), &names)
    }

    pub fn start_with(&self, params: AuditParams, names: &Arc<Names>) -> Result<Running, AuditFault> {
        let books = BooksParams {
            waiting: self.queue,
            under_way: 16,
            refuse: true,
            refusals_told: 1_000_000,
            sync: false,
        };
        let (mut books, reader) = open(self.workers, books);
        let audit = Audit::start(reader, params)?;
        let books = books.remove(0);
        books.wakes(audit.thread());
        Ok(Running { books, audit, names: Arc::clone(names) })
    }

    pub fn start(&self) -> Running {
        self.try_start().unwrap_or_else(|fault| panic!("{fault}"))
    }

    /// Writes a log of so many calls, from start to stop.
    pub fn write(&self, calls: u64) {
        let running = self.start();
        running.note(calls);
        assert_eq!(running.stop(), 0);
    }

    /// Leaves a log as a kill does: with no end, and with the beginning of a record behind it.
    pub fn write_killed(&self, calls: u64, torn: &[u8]) {
        self.write(calls);
        let last = list(&self.path()).unwrap().pop().unwrap();
        let text = text_of(&last.path);
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        let (open, end) = lines.split_at(lines.len() - 2);
        assert!(end[0].contains("\"kind\":\"closed\"") && end[1].contains("\"kind\":\"checkpoint\""));
        std::fs::write(&last.path, [open.concat().as_bytes(), torn].concat()).unwrap();
    }

    pub fn options(&self) -> VerifyOptions {
        VerifyOptions { keys: vec![self.signer.public()], heads: Vec::new() }
    }

    pub fn verify(&self) -> Report {
        self.verify_with(&self.options())
    }

    pub fn verify_with(&self, options: &VerifyOptions) -> Report {
        verify(&Source::Folder(self.path()), options).unwrap_or_else(|fault| panic!("{fault}"))
    }

    /// The log's one chain, which has to be sound.
    pub fn sound(&self) -> (u64, Hash) {
        let report = self.verify();
        assert!(report.is_sound(), "{report:#?}");
        (report.chains[0].last.seq, report.chains[0].last.hash)
    }

    /// All lines of the log.
    pub fn lines(&self) -> Vec<serde_json::Value> {
        let files = list(&self.path()).unwrap();
        let text: String = files.iter().map(|file| text_of(&file.path)).collect();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// The tools of all calls in the log, which say in which order they were made.
    pub fn calls(&self) -> Vec<u64> {
        let number =
            |line: &serde_json::Value| line["tool"].as_str()?.strip_prefix("crm.call_")?.parse().ok();
        self.lines().iter().filter_map(number).collect()
    }
}

impl Running {
    /// Notes calls, numbered from those that were noted before.
    pub fn note(&self, calls: u64) {
        for _ in 0..calls {
            let begun = Instant::now();
            while !self.books.have_room() {
                assert!(begun.elapsed() < Duration::from_secs(60), "the writer takes nothing");
                std::thread::sleep(Duration::from_millis(1));
            }
            self.books.note(self.event());
        }
    }

    /// A call; its tool tells its number.
    pub fn event(&self) -> Box<Event> {
        let mut event = self.books.begin(Moment::now(), IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7))).unwrap();
        let number = event.request.count;
        event.key = KeyId::parse(KEY.as_bytes());
        event.owner = Text::of("Zoë".as_bytes());
        event.server = self.names.number("crm");
        event.endpoint = self.names.number("http://127.0.0.1:9001/mcp");
        event.rule = self.names.number("crm.call_*");
        (event.method, event.target) = (Method::ToolsCall, Text::of(format!("crm.call_{number}").as_bytes()));
        (event.era, event.version) = (Some(Era::Modern), Some(ProtocolVersion::V2026_07_28));
        event.id = Text::of(number.to_string().as_bytes());
        (event.outcome, event.status) = (Outcome::Answered, 200);
        event.sent = Some(event.begun);
        if number % 5 == 4 {
            (event.outcome, event.denial, event.status) = (Outcome::Denied, Some(Denial::ScopeMissing), 403);
            event.sent = None;
        }
        (event.request_bytes, event.answer_bytes, event.trace.id) = (321, 4_567, u128::from(number) + 1);
        event
    }

    /// Waits until so many records are safe, the log's own included.
    pub fn await_records(&self, records: u64) {
        let begun = Instant::now();
        while self.audit.counters().records.load(Ordering::Relaxed) < records {
            assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", self.audit.counters());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    pub fn is_failing(&self) -> bool {
        self.audit.standing().is_failing.load(Ordering::Relaxed)
    }

    pub fn await_failing(&self, failing: bool) {
        let begun = Instant::now();
        while self.is_failing() != failing {
            assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", self.audit.counters());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    pub fn stop(self) -> u64 {
        drop(self.books);
        self.audit.stop()
    }
}

/// What a file holds, compressed or not.
pub fn text_of(path: &Path) -> String {
    // It may have been compressed since it was listed.
    let compressed = path.with_extension("jsonl.zst");
    let path = if path.exists() { path } else { &compressed };
    let bytes = std::fs::read(path).unwrap();
    let bytes = if path.extension().is_some_and(|e| e == "zst") {
        zstd::decode_all(&bytes[..]).unwrap()
    } else {
        bytes
    };
    String::from_utf8(bytes).unwrap()
}
