//! Whether time tells an unknown id from a wrong secret, or a record with a pepper from one
//! without: medians of interleaved trials over a hot table of 1,000 keys.
//!
//! Run by `cargo bench --bench timing` it holds the release build to 50 ns over 100,000 trials
//! of each kind; as a test it runs a tenth of them on a slower build. Beside the kinds that
//! must be alike stands one that may not be (a malformed key, refused before any hash), so that
//! the measurement is seen to tell a difference.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a bench fails by panicking and says what it found"
)]
#![allow(missing_docs, reason = "nothing here is used from elsewhere")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use tollgate::base::UnixSeconds;
use tollgate::base::digest::Hasher;
use tollgate::base::key::{Env, NewKey, RawKey};
use tollgate::base::secret::Secret;
use tollgate::policy::keys::{Change, Status};
use tollgate::policy::{KeyEntry, Keys, Policy, ScopeSet, authenticate};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const KEYS: usize = 1_000;
/// Nanoseconds that the medians of kinds that must be alike may differ by.
const MOST_RELEASE: u64 = 50;
/// The same for the build of the tests, where each trial takes many times as long.
const MOST_TEST: u64 = 300;

/// One kind of refused key: its name, and the keys that are presented in turn.
struct Kind {
    name: &'static str,
    presented: Vec<String>,
    times: Vec<u64>,
}

impl Kind {
    fn new(name: &'static str, presented: Vec<String>) -> Self {
        Self { name, presented, times: Vec::new() }
    }

    fn median(&mut self) -> u64 {
        self.times.sort_unstable();
        self.times.get(self.times.len() / 2).copied().unwrap_or_default()
    }
}

fn main() {
    let release = std::env::args().any(|argument| argument == "--bench");
    let (trials, most) = if release { (100_000, MOST_RELEASE) } else { (10_000, MOST_TEST) };
    let plain = Hasher::new(&[]);
    let peppered = Hasher::new(&[("p1".into(), Secret::new("a pepper that nobody guesses, 32 bytes"))]);
    let (with, without) = (keys(&peppered), keys(&plain));
    let changes: Vec<Change> = with.iter().chain(&without).cloned().collect();
    // The gateway's hasher knows the pepper: it computes both digests, whatever a record holds.
    let table = Keys::empty(Arc::new(peppered), KEYS).with(&changes, &Policy::default());
    let wrong =
        |keys: &[Change]| keys.iter().map(|(id, _)| NewKey::generate_for(*id).unwrap().reveal()).collect();
    let unknown: Vec<String> = (0..KEYS / 2).map(|_| NewKey::generate(Env::Live).unwrap().reveal()).collect();
    let malformed = unknown.iter().map(|raw| raw.replace('.', "-")).collect();
    let mut kinds = [
        Kind::new("unknown id", unknown),
        Kind::new("wrong secret", wrong(&without)),
        Kind::new("wrong secret, record with a pepper", wrong(&with)),
        Kind::new("malformed", malformed),
    ];
    for trial in 0..trials + KEYS {
        for place in 0..kinds.len() {
            // Which kind comes first goes round: none always runs in another's wake.
            let Some(kind) = kinds.get_mut((place + trial) % 4) else { continue };
            let raw = &kind.presented[trial % kind.presented.len()];
            let begun = Instant::now();
            let refused = refused(&table, black_box(raw));
            let took = begun.elapsed().as_nanos() as u64;
            assert!(refused, "{}", kind.name);
            if trial >= KEYS {
                kind.times.push(took);
            }
        }
    }
    let medians = kinds.each_mut().map(Kind::median);
    for (kind, median) in kinds.iter().zip(medians) {
        println!("{:<36} median {median} ns of {trials} trials", kind.name);
    }
    let [alike @ .., malformed] = medians;
    let spread = alike.iter().max().unwrap() - alike.iter().min().unwrap();
    println!("kinds that must be alike differ by {spread} ns, at most {most} may be");
    assert!(spread < most, "time tells them apart");
    assert!(malformed + most < alike[0], "the measurement tells nothing");
}

fn keys(hasher: &Hasher) -> Vec<Change> {
    let entry = |key: &NewKey| KeyEntry {
        id: key.id(),
        hash: hasher.hash_new(key.secret()),
        previous: None,
        scopes: ScopeSet::new(Vec::new()),
        plan: None,
        limits: None,
        status: Status::Active,
        expires: UnixSeconds::NEVER,
        owner: None,
    };
    let one = |_| NewKey::generate(Env::Live).map(|key| (key.id(), Some(entry(&key)))).unwrap();
    (0..KEYS / 2).map(one).collect()
}

/// What a request's key goes through, up to the refusal.
#[inline(never)]
fn refused(keys: &Keys, raw: &str) -> bool {
    let Some(key) = RawKey::parse(raw.as_bytes()) else { return true };
    let digests = keys.hasher().digests(key.secret());
    authenticate(keys, key.id(), &digests, UnixSeconds(1_900_000_000)).is_err()
}
