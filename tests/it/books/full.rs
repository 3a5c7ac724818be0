//! A log that cannot be written: what is configured happens, and is known.

use super::{call, folder, metric, of_kind, records, until, world};
use crate::admin;

/// As few records wait as may be configured.
const QUEUE: usize = 16;

#[test]
fn requests_are_refused_that_could_not_be_written_down() {
    let world = world(&format!("queue = {QUEUE}\n"), "");
    let (key, _) = world.issue(&["crm:read"]);
    let mut gateway = world.serve();
    let mut connection = gateway.connect();
    let mut calls = |count: usize| {
        let mut served = 0;
        for _ in 0..count {
            let answer = call(&mut connection, &key, "crm.read_x", "1", "{}");
            if answer.status == 200 {
                served += 1;
            } else {
                assert_eq!((answer.status, answer.reason()), (503, "audit_unavailable".into()));
                assert_eq!(answer.header("retry-after"), Some("1"));
            }
        }
        served
    };
    assert_eq!(calls(5), 5);
    let aside = world.folder.path().join("aside");
    std::fs::rename(folder(&world), &aside).unwrap();
    until("it cannot be written", || {
        calls(1);
        metric(&gateway, "tollgate_audit_failing") == 1
    });
    calls(2 * QUEUE);
    let forwarded = world.recorder.count();
    assert_eq!((calls(10), world.recorder.count()), (0, forwarded), "nothing is forwarded");
    let ready = admin::get(&gateway, "/readyz").text().to_owned();
    assert!(ready.contains("the audit log cannot be written"), "{ready}");
    std::fs::rename(&aside, folder(&world)).unwrap();
    until("it goes on", || calls(1) == 1);
    assert!(gateway.stop());
    let records = records(&world);
    assert_eq!(
        of_kind(&records, "call").len(),
        world.recorder.count(),
        "every call that was forwarded, once"
    );
    let lost: u64 = of_kind(&records, "lost").iter().map(|record| record["count"].as_u64().unwrap()).sum();
    assert!(lost >= 10, "what was refused is counted: {lost}");
}

#[test]
fn records_are_dropped_and_counted_where_that_is_chosen() {
    let world = world(&format!("queue = {QUEUE}\nwhen_full = \"drop\"\n"), "");
    let (key, _) = world.issue(&["crm:read"]);
    let mut gateway = world.serve();
    let mut connection = gateway.connect();
    let aside = world.folder.path().join("aside");
    std::fs::rename(folder(&world), &aside).unwrap();
    let mut served = 0;
    until("records are lost", || {
        for _ in 0..100 {
            assert_eq!(call(&mut connection, &key, "crm.read_x", "1", "{}").status, 200);
            served += 1;
        }
        metric(&gateway, "tollgate_audit_dropped_total") > 100
    });
    assert!(!admin::get(&gateway, "/readyz").text().to_owned().contains("audit"));
    std::fs::rename(&aside, folder(&world)).unwrap();
    until("it goes on", || metric(&gateway, "tollgate_audit_failing") == 0);
    let dropped = metric(&gateway, "tollgate_audit_dropped_total");
    assert!(gateway.stop());
    let records = records(&world);
    let lost: u64 = of_kind(&records, "lost").iter().map(|record| record["count"].as_u64().unwrap()).sum();
    assert_eq!(
        (of_kind(&records, "call").len() as u64 + lost, lost),
        (served, dropped),
        "each is told or counted"
    );
}
