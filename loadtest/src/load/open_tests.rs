//! The open loop against servers that answer, stand still, and are not there.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::tests::listener;
use super::{Load, Measured, Schedule, Target, check_with, open, open_with};
use crate::floors::{bare_proxy, bare_server, relay, stub};
use crate::traffic::Traffic;
use crate::traffic::call::ANSWER;
use crate::transport::{Protocol, tls};
use crate::{runtime, spawn};

fn target(folder: &tempfile::TempDir, address: SocketAddr, protocol: Protocol) -> Target {
    let (certificate, key) = (folder.path().join("server.pem"), folder.path().join("server.key"));
    if !certificate.exists() {
        tls::write_certificate(&certificate, &key).unwrap();
    }
    let tls = tls::client(&certificate, protocol.alpn()).unwrap();
    Target { address, protocol, tls, keys: Rc::new(["key".to_owned()]) }
}

fn schedule(rate: f64, seconds: f64) -> Schedule {
    Schedule { rate, seconds, warm_up: 0.1, connections: 4, ..Schedule::default() }
}

/// Answers as the stub does, but none during `still`, counted from the first request.
async fn stands_still(listener: TcpListener, still: std::ops::Range<Duration>) {
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{ANSWER}", ANSWER.len()).into_bytes();
    let begun = Rc::new(std::cell::OnceCell::new());
    while let Ok((mut stream, _)) = listener.accept().await {
        let (answer, begun, still) = (answer.clone(), Rc::clone(&begun), still.clone());
        spawn(async move {
            let mut read = [0; 4096];
            // A request comes in one piece, and alone.
            while stream.read(&mut read).await.is_ok_and(|count| count > 0) {
                let begun: Instant = *begun.get_or_init(Instant::now);
                if still.contains(&begun.elapsed()) {
                    tokio::time::sleep_until((begun + still.end).into()).await;
                }
                stream.write_all(&answer).await.unwrap();
            }
        });
    }
}

#[test]
fn every_protocol_is_called_at_the_rate() {
    let folder = tempfile::tempdir().unwrap();
    runtime().unwrap().block_on(async {
        let (upstream, upstream_address) = listener().await;
        spawn(stub::accept(upstream));
        for (protocol, poisson) in [(Protocol::H1, false), (Protocol::H1Tls, true), (Protocol::H2Tls, false)]
        {
            let (listener, address) = listener().await;
            let target = target(&folder, address, protocol);
            let (certificate, key) = (folder.path().join("server.pem"), folder.path().join("server.key"));
            let acceptor = (protocol != Protocol::H1).then(|| tls::acceptor(&certificate, &key).unwrap());
            spawn(bare_proxy::accept(listener, acceptor, upstream_address));
            let measured = open(&target, &Schedule { poisson, ..schedule(500.0, 0.4) }).await.unwrap();
            assert_eq!((measured.errors, measured.first_error.as_deref()), (0, None), "{protocol:?}");
            assert_eq!((measured.not_sent, measured.unanswered), (0, 0), "{protocol:?}");
            assert_eq!(measured.sent, measured.answered);
            assert_eq!(measured.latency.len(), measured.answered);
            // 200, and seven standard deviations of a Poisson count.
            let bound = if poisson { 100 } else { 0 };
            assert!(measured.sent.abs_diff(200) <= bound, "{protocol:?}: {}", measured.sent);
            assert!(measured.generator_busy > 0.0 && measured.latency_us(0.5) > 1.0);
        }
    });
}

#[test]
fn a_pause_of_the_target_shows_in_every_request_that_was_due_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    runtime().unwrap().block_on(async {
        let (listener, address) = listener().await;
        let (from, to) = (Duration::from_millis(300), Duration::from_millis(500));
        spawn(stands_still(listener, from..to));
        // 800 requests, 200 of them due while the target stands still. Four connections: a
        // closed loop, or one that forgives, would see four slow ones.
        let measured = open(&target(&folder, address, Protocol::H1), &schedule(1000.0, 0.8)).await.unwrap();
        assert_eq!((measured.errors, measured.not_sent, measured.unanswered), (0, 0, 0));
        assert_eq!((measured.sent, measured.answered), (800, 800));
        let slower_than = |bound: u64| {
            measured
                .latency
                .iter_recorded()
                .filter(|step| step.value_iterated_to() > bound * 1_000_000)
                .map(|step| step.count_since_last_iteration())
                .sum::<u64>()
        };
        // Due at random within 200 ms of standing still: 150 of 200 wait longer than 50 ms.
        let (halfway, long) = (slower_than(50), slower_than(150));
        assert!(halfway >= 140, "{halfway} waited longer than 50 ms");
        assert!(long >= 40, "{long} waited longer than 150 ms");
        assert!(measured.latency_us(1.0) > 190_000.0);
    });
}

#[test]
fn what_cannot_be_sent_spoils_the_run() {
    let folder = tempfile::tempdir().unwrap();
    runtime().unwrap().block_on(async {
        let (listener, address) = listener().await;
        spawn(stands_still(listener, Duration::ZERO..Duration::from_millis(250)));
        let target = target(&folder, address, Protocol::H1);
        let measured = open(&target, &Schedule { most_waiting: 10, warm_up: 0.0, ..schedule(1000.0, 0.2) })
            .await
            .unwrap();
        // Four in flight and ten waiting.
        assert_eq!((measured.sent, measured.not_sent), (14, 186));
        assert!(measured.valid.unwrap_err().contains("not sent"));
    });
}

#[test]
fn a_target_that_is_not_there_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    runtime().unwrap().block_on(async {
        let (listener, address) = listener().await;
        drop(listener);
        let outcome = open(&target(&folder, address, Protocol::H1), &schedule(100.0, 0.1)).await;
        assert!(outcome.err().unwrap().contains("cannot connect"));
    });
}

fn nothing_went_wrong(measured: &Measured) {
    assert_eq!((measured.errors, measured.first_error.as_deref()), (0, None));
    assert_eq!((measured.not_sent, measured.unanswered), (0, 0));
    assert!(measured.answered > 0 && measured.sent == measured.answered);
}

#[test]
fn mixed_traffic_comes_back_as_it_was_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let traffic = Traffic { bodies: vec![200, 249, 65_536, 1 << 20], ..Traffic::mixed() };
    runtime().unwrap().block_on(async {
        let (upstream, upstream_address) = listener().await;
        spawn(stub::accept(upstream));
        for protocol in [Protocol::H1, Protocol::H2Tls] {
            let (listener, address) = listener().await;
            let keys: Rc<[String]> = (0..20).map(|number| format!("key-{number}")).collect();
            let target = Target { keys, ..target(&folder, address, protocol) };
            if protocol == Protocol::H1 {
                spawn(relay::accept(listener, upstream_address));
            } else {
                let (certificate, key) = (folder.path().join("server.pem"), folder.path().join("server.key"));
                let acceptor = tls::acceptor(&certificate, &key).unwrap();
                spawn(bare_proxy::accept(listener, Some(acceptor), upstream_address));
            }
            check_with(&target, &traffic).await.unwrap();
            let load = Load::start_with(&target, &traffic, 8).unwrap();
            tokio::time::sleep(Duration::from_millis(300)).await;
            let counted = load.counted();
            load.stop().await.unwrap();
            assert_eq!((counted.errors, counted.first_error), (0, None), "{protocol:?}");
            assert!(counted.requests > 8, "{protocol:?}: {}", counted.requests);
        }
    });
}

#[test]
fn a_connection_per_request_makes_the_handshakes_that_are_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    runtime().unwrap().block_on(async {
        let (listener, address) = listener().await;
        let target = target(&folder, address, Protocol::H1Tls);
        let (certificate, key) = (folder.path().join("server.pem"), folder.path().join("server.key"));
        spawn(bare_server::accept(listener, tls::acceptor(&certificate, &key).unwrap()));
        let schedule = Schedule { warm_up: 0.0, ..schedule(100.0, 0.3) };
        for no_resumption in [true, false] {
            let traffic = Traffic { connection_per_request: true, no_resumption, ..Traffic::default() };
            let measured = open_with(&target, &traffic, &schedule).await.unwrap();
            nothing_went_wrong(&measured);
            let handshakes = measured.handshakes;
            assert_eq!(handshakes.full + handshakes.resumed, 30, "{handshakes:?}");
            // The first ones find no ticket yet.
            let expected = if no_resumption { handshakes.resumed == 0 } else { handshakes.resumed > 15 };
            assert!(expected, "{handshakes:?}");
        }
        let measured = open(&target, &schedule).await.unwrap();
        nothing_went_wrong(&measured);
        assert_eq!(measured.handshakes.full + measured.handshakes.resumed, 4);
    });
}
