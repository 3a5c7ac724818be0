//! The load against the floor and the stub, over real sockets, in every protocol.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use tokio::net::TcpListener;

use super::{Load, Target, check};
use crate::floors::{bare_proxy, stub};
use crate::transport::{Protocol, tls};
use crate::{runtime, spawn};

pub(super) async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

#[test]
fn every_protocol_reaches_the_stub_through_the_floor() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = (folder.path().join("server.pem"), folder.path().join("server.key"));
    tls::write_certificate(&certificate, &key).unwrap();
    runtime().unwrap().block_on(async {
        let (upstream, upstream_address) = listener().await;
        spawn(stub::accept(upstream));
        for protocol in [Protocol::H1, Protocol::H1Tls, Protocol::H2Tls] {
            let (listener, address) = listener().await;
            let acceptor = (protocol != Protocol::H1).then(|| tls::acceptor(&certificate, &key).unwrap());
            spawn(bare_proxy::accept(listener, acceptor, upstream_address));
            let tls = tls::client(&certificate, protocol.alpn()).unwrap();
            let target = Target { address, protocol, tls, keys: Rc::new(["key".to_owned()]) };
            check(&target).await.unwrap();
            let load = Load::start(&target, 8).unwrap();
            tokio::time::sleep(Duration::from_millis(200)).await;
            let counted = load.counted();
            load.stop().await.unwrap();
            assert_eq!((counted.errors, counted.first_error), (0, None));
            assert!(counted.requests > 8, "{protocol:?}: {}", counted.requests);
            assert!(counted.p50_us > 1.0);
        }
    });
}

#[test]
fn a_target_that_is_not_there_is_an_error_and_no_result() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = (folder.path().join("server.pem"), folder.path().join("server.key"));
    tls::write_certificate(&certificate, &key).unwrap();
    runtime().unwrap().block_on(async {
        let (listener, address) = listener().await;
        drop(listener);
        let tls = tls::client(&certificate, b"http/1.1").unwrap();
        let target = Target { address, protocol: Protocol::H1, tls, keys: Rc::new([]) };
        assert!(check(&target).await.unwrap_err().contains("cannot connect"));
        let load = Load::start(&target, 2).unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(load.counted().errors, 2);
        load.stop().await.unwrap();
    });
}
