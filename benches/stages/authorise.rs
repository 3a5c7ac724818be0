//! From a tool's name and a scope set to a decision: find the rule, test a bit.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group};
use tollgate::base::UnixSeconds;
use tollgate::base::digest::Hasher;
use tollgate::base::key::RawKey;
use tollgate::policy::{Keys, Wanted, authenticate, authorise};

use crate::world::{keys, naive, policy, scopes};

fn decide(c: &mut Criterion) {
    let policy = policy();
    let (changes, raw) = keys(8);
    let keys = Keys::empty(Arc::new(Hasher::new(&[])), 8).with(&changes, &policy);
    let key = RawKey::parse(raw.as_bytes()).unwrap();
    let now = UnixSeconds(1_900_000_000);
    let verified = authenticate(&keys, key.id(), &keys.hasher().digests(key.secret()), now).unwrap();
    let grants = keys.grants(verified.scopes).unwrap();
    let server = policy.server_at("/crm/mcp").unwrap();
    let naive = naive::gateway([]);
    let record = naive::Record { id: String::new(), scopes: scopes(7), expires: None };
    let mut group = c.benchmark_group("authorise");
    for (kind, tool, may) in [
        ("an exact name", "search", true),
        ("a missing scope", "tool_29", false),
        ("no rule", "unlisted", false),
    ] {
        assert_eq!(authorise(server, grants, Wanted::Tool(tool)).outcome.is_ok(), may);
        assert_eq!(naive.authorise(&record, tool), may);
        group.bench_function(kind, |b| b.iter(|| authorise(server, grants, Wanted::Tool(black_box(tool)))));
        group.bench_function(format!("{kind}, naive"), |b| {
            b.iter(|| naive.authorise(&record, black_box(tool)));
        });
    }
    group.finish();
}

criterion_group!(benches, decide);
