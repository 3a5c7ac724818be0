//! The two-level table against a plain map: same answers through any history of changes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::{Strategy, any, prop_assert, proptest};

use super::sets::ScopeSets;
use super::{KeyEntry, Keys, Status};
use crate::base::digest::{Hasher, KeyHash};
use crate::base::{KeyId, Limit, UnixSeconds};
use crate::policy::compiled::Policy;
use crate::policy::limits::{Applied, KeyLimits};
use crate::policy::scope::{ScopePattern, ScopeSet};

fn id(number: u32) -> KeyId {
    format!("mcp_live_{number:016}").parse().unwrap()
}

fn entry(number: u32, mark: u8) -> KeyEntry {
    let hash = KeyHash { scheme: crate::base::digest::Scheme::Sha256, digest: [mark; 32] };
    KeyEntry {
        id: id(number),
        hash: hash.clone(),
        previous: mark.is_multiple_of(3).then_some((hash, UnixSeconds(u32::from(mark)))),
        scopes: ScopeSet::new(vec![ScopePattern::parse(&format!("s{}", mark % 5)).unwrap()]),
        plan: mark.is_multiple_of(4).then(|| format!("plan{}", mark % 3).into()),
        limits: mark.is_multiple_of(6).then(|| Box::new(limits(mark % 4))),
        status: if mark.is_multiple_of(7) { Status::Revoked } else { Status::Active },
        expires: UnixSeconds::NEVER,
        owner: mark.is_multiple_of(2).then(|| format!("owner{}", mark % 4).parse().unwrap()),
    }
}

fn limits(other: u8) -> KeyLimits {
    let applied =
        |what, burst| Applied::of_key(what, Limit::new(1, Duration::from_secs(1), burst).unwrap(), true);
    KeyLimits {
        calls: Some(applied("calls", 3)),
        other: (other > 0).then(|| applied("other", 4)),
        ..KeyLimits::default()
    }
}

fn empty() -> Keys {
    Keys::empty(Arc::new(Hasher::new(&[])), 0)
}

fn check(keys: &Keys, model: &BTreeMap<u32, u8>) {
    assert_eq!(keys.len(), model.len());
    for (number, mark) in model {
        let found = keys.find(id(*number));
        assert!(found.known);
        let want = entry(*number, *mark);
        assert_eq!(found.record.digest, want.hash.digest);
        assert_eq!(found.record.status, want.status);
        assert_eq!(found.owner(), want.owner);
        let terms = keys.terms(found.record.scopes).unwrap();
        assert_eq!((&terms.scopes, &terms.plan, &terms.limits), (&want.scopes, &want.plan, &want.limits));
        let until = want.previous.map_or(UnixSeconds::EPOCH, |(_, until)| until);
        assert_eq!(found.rotation.until, until);
    }
}

#[test]
fn loading_all_at_once_gives_the_same_and_the_last_word_counts() {
    let policy = Policy::default();
    let mut loading = super::Loading::new(Arc::new(Hasher::new(&[])));
    let mut model = BTreeMap::new();
    for number in 0..40_000_u32 {
        loading.put(&entry(number, (number % 250) as u8), &policy);
        model.insert(number, (number % 250) as u8);
    }
    for number in (0..40_000).step_by(3) {
        loading.put(&entry(number, 251), &policy);
        model.insert(number, 251);
    }
    for number in (0..40_000).step_by(1_000) {
        loading.deny(id(number));
        model.remove(&number);
    }
    let keys = loading.finish(&policy);
    check(&keys, &model);
    assert!(!keys.find(id(0)).known && !keys.find(id(40_000)).known);
    assert!(super::Loading::new(Arc::new(Hasher::new(&[]))).finish(&policy).is_empty());
}

#[test]
fn keys_with_equal_limits_share_one_set_and_keys_without_have_the_plans_alone() {
    let policy = Policy::default();
    let mut loading = super::Loading::new(Arc::new(Hasher::new(&[])));
    let own = |number: u32, burst: u32| {
        let calls = Limit::new(1, Duration::from_secs(1), burst).unwrap();
        let calls = Some(Applied::of_key("calls", calls, true));
        let limits = Some(Box::new(KeyLimits { calls, ..KeyLimits::default() }));
        KeyEntry { limits, plan: None, ..entry(number, 5) }
    };
    for number in 0..3_000 {
        loading.put(&own(number, 1 + number % 2), &policy);
    }
    for number in 3_000..6_000 {
        loading.put(&KeyEntry { limits: None, plan: None, ..entry(number, 5) }, &policy);
    }
    let keys = loading.finish(&policy);
    let sets: std::collections::BTreeSet<u32> =
        (0..6_000).map(|number| keys.find(id(number)).record.scopes.0).collect();
    assert_eq!(sets.len(), 3);
    let grants = |number: u32| keys.grants(keys.find(id(number)).record.scopes).unwrap().limits;
    assert_eq!([grants(0), grants(1)].map(|limits| limits.calls.unwrap().limit.burst()), [1, 2]);
    assert_eq!(grants(5_999), KeyLimits::default());
}

#[test]
fn sets_that_no_key_has_any_more_are_let_go() {
    let policy = Policy::default();
    let limited = |number: u32, burst: u32| {
        let calls = Limit::new(1, Duration::from_secs(1), burst).unwrap();
        let calls = Some(Applied::of_key("calls", calls, true));
        KeyEntry { limits: Some(Box::new(KeyLimits { calls, ..KeyLimits::default() })), ..entry(number, 5) }
    };
    let mut keys = empty();
    for burst in 1..=10_000 {
        let number = burst % 50;
        keys = keys.with(&[(id(number), Some(limited(number, burst)))], &policy);
        assert!(keys.sets() <= 2 * 50 + 1_024 + 1, "{}", keys.sets());
    }
    for number in 0..50 {
        let burst = if number == 0 { 10_000 } else { 9_950 + number };
        let record = keys.find(id(number)).record;
        let limits = keys.grants(record.scopes).unwrap().limits;
        assert_eq!(limits.calls.unwrap().limit.burst(), burst);
        assert_eq!(keys.scopes(record.scopes), Some(&entry(number, 5).scopes));
    }
    // The numbers are those of the sets: the next key that has one's limits shares its set.
    let again = keys.with(&[(id(99), Some(limited(99, 9_999)))], &policy);
    assert_eq!(again.find(id(99)).record.scopes, again.find(id(49)).record.scopes);
}

#[test]
fn a_new_set_copies_a_chunk_and_a_shard_and_shares_the_others() {
    let policy = Policy::default();
    let limited = |burst: u32| {
        let calls = Limit::new(1, Duration::from_secs(1), burst).unwrap();
        let calls = Some(Applied::of_key("calls", calls, true));
        KeyEntry { limits: Some(Box::new(KeyLimits { calls, ..KeyLimits::default() })), ..entry(burst, 5) }
    };
    let mut sets = Arc::<ScopeSets>::default();
    let numbers: Vec<_> = (1..=6_410).map(|burst| sets.intern(&limited(burst), &policy)).collect();
    let before = Arc::clone(&sets);
    assert_eq!(sets.intern(&limited(77), &policy), numbers[76]);
    assert!(Arc::ptr_eq(&before, &sets), "nothing is copied for what is there");
    let new = sets.intern(&limited(7_000), &policy);
    // A hundred chunks are full, and the new set falls into the last.
    assert_eq!(sets.shared_with(&before), (100, 255));
    let burst =
        |sets: &ScopeSets, id| sets.grants(id).map(|grants| grants.limits.calls.unwrap().limit.burst());
    for (number, id) in (1..).zip(&numbers) {
        assert_eq!((burst(&sets, *id), burst(&before, *id)), (Some(number), Some(number)));
        assert_eq!(sets.intern(&limited(number), &policy), *id);
    }
    assert_eq!((burst(&sets, new), burst(&before, new)), (Some(7_000), None));
    assert_eq!((sets.len(), before.len()), (6_411, 6_410));
}

#[test]
fn growing_to_fifty_thousand_keys_loses_none() {
    let policy = Policy::default();
    let mut keys = empty();
    let mut model = BTreeMap::new();
    for batch in 0..50_u32 {
        let changes: Vec<_> = (0..1_000)
            .map(|n| {
                let number = batch * 1_000 + n;
                model.insert(number, (number % 251) as u8);
                (id(number), Some(entry(number, (number % 251) as u8)))
            })
            .collect();
        keys = keys.with(&changes, &policy);
    }
    check(&keys, &model);
    assert!(!keys.find(id(50_000)).known);
}

proptest! {
    #[test]
    fn any_history_ends_like_a_map(history in proptest::collection::vec(
        proptest::collection::vec((0_u32..40, proptest::option::of(any::<u8>())), 1..20), 1..20)) {
        let policy = Policy::default();
        let mut keys = empty();
        let mut model = BTreeMap::new();
        let mut told = BTreeMap::new();
        for batch in history {
            let changes: Vec<_> = batch.iter().map(|(n, mark)| (id(*n), mark.map(|mark| entry(*n, mark)))).collect();
            for (number, mark) in batch {
                match mark {
                    Some(mark) => { model.insert(number, mark); }
                    None => { model.remove(&number); }
                }
            }
            let (before, model_before) = (keys.clone(), std::mem::replace(&mut told, model.clone()));
            keys = keys.with(&changes, &policy);
            check(&keys, &model);
            // The generation before is untouched: requests still hold it.
            check(&before, &model_before);
        }
        prop_assert!((0..40).all(|n| keys.find(id(n)).known == model.contains_key(&n)));
    }

    #[test]
    fn unknown_ids_find_the_dummy(number in (1_000_u32..9_999).prop_map(id)) {
        let found = empty().find(number).known;
        prop_assert!(!found);
    }
}
