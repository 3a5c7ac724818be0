//! A short soak of the floor, whose upstream goes away, and of one that leaks.

use std::rc::Rc;
use std::time::Duration;

use tokio::net::TcpListener;

use super::faults::Place;
use super::run::{Margin, Soak};
use crate::floors::{bare_proxy, stub};
use crate::load::Target;
use crate::traffic::Traffic;
use crate::transport::{Protocol, tls};
use crate::{runtime, spawn};

#[test]
fn a_soak_of_the_floor_counts_what_happened() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = (folder.path().join("server.pem"), folder.path().join("server.key"));
    tls::write_certificate(&certificate, &key).unwrap();
    let traffic = Traffic::mixed();
    runtime().unwrap().block_on(async {
        let upstream = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let upstream_address = upstream.local_addr().unwrap();
        let mut serving = Some(tokio::task::spawn_local(stub::accept(upstream)));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        spawn(bare_proxy::accept(
            listener,
            Some(tls::acceptor(&certificate, &key).unwrap()),
            upstream_address,
        ));
        let tls = tls::client(&certificate, b"http/1.1").unwrap();
        let keys = Rc::new(["one".to_owned(), "other".to_owned()]);
        let target = Target { address, protocol: Protocol::H1Tls, tls: std::sync::Arc::clone(&tls), keys };
        let soak = Soak {
            place: Place { target, tls, refuses: false },
            traffic: &traffic,
            clients: 4,
            pid: std::process::id(),
            length: Duration::from_millis(1500),
            restart_every: Duration::from_millis(400),
            margin: Margin { bytes: 64 << 20, descriptors: 100_000 },
        };
        // It listens no more for a while; connections that are there live on.
        let restart = async |away| {
            serving.take().unwrap().abort();
            tokio::time::sleep(away).await;
            let upstream = TcpListener::bind(upstream_address).await.unwrap();
            serving = Some(tokio::task::spawn_local(stub::accept(upstream)));
            Ok(())
        };
        let soaked = soak.run(restart).await.unwrap();
        soaked.valid.unwrap();
        assert!(soaked.answered > 20, "{}", soaked.answered);
        assert!(soaked.restarts >= 1 && soaked.points.len() > 5);
        assert!(soaked.visits.iter().all(|(_, count)| *count > 0), "{:?}", soaked.visits);
    });
}

#[test]
fn a_target_that_lets_a_wrong_key_in_fails_the_soak() {
    let traffic = Traffic::default();
    runtime().unwrap().block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        spawn(stub::accept(listener));
        let tls = tls::trusting_nobody().unwrap();
        let target = Target {
            address,
            protocol: Protocol::H1,
            tls: std::sync::Arc::clone(&tls),
            keys: Rc::new(["one".to_owned()]),
        };
        let soak = Soak {
            place: Place { target, tls, refuses: true },
            traffic: &traffic,
            clients: 1,
            pid: std::process::id(),
            length: Duration::from_millis(200),
            restart_every: Duration::from_secs(9),
            margin: Margin { bytes: 64 << 20, descriptors: 100_000 },
        };
        let soaked = soak.run(async |_| Ok(())).await.unwrap();
        assert!(soaked.valid.unwrap_err().contains("a wrong key was answered: HTTP/1.1 200"));
    });
}
