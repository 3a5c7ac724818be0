//! Every peer that is installed answers one checked call in each protocol, under the
//! configuration that it is given; one that is not installed is named on the screen.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use tempfile::TempDir;
use tokio::net::TcpListener;

use super::{Known, Peer, Place, agentgateway};
use crate::floors::stub;
use crate::load::{Target, check};
use crate::machine::{self, Cores};
use crate::targets::server;
use crate::transport::{Protocol, tls};
use crate::{Done, runtime, spawn};

const PROTOCOLS: [Protocol; 3] = [Protocol::H1, Protocol::H1Tls, Protocol::H2Tls];

/// One call through a peer to the stub; without a key of its own it gets `a-key`.
fn call_through(peer: &Peer, protocol: Protocol, cores: Cores) -> Done {
    let folder = TempDir::new().unwrap();
    let (certificate, key) = (folder.path().join("server.pem"), folder.path().join("server.key"));
    tls::write_certificate(&certificate, &key).unwrap();
    let keys = [peer.key().unwrap_or("a-key").to_owned()];
    runtime()?.block_on(async {
        let upstream = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let place = Place {
            listen: server::free_address()?,
            upstream: upstream.local_addr().unwrap(),
            tls: (protocol != Protocol::H1).then_some((certificate.as_path(), key.as_path())),
            connections: 32,
            folder: folder.path(),
            keys: &keys,
        };
        spawn(stub::accept(upstream));
        let _server = peer.start(&place, cores)?;
        let tls = tls::client(&certificate, protocol.alpn())?;
        let target = Target { address: place.listen, protocol, tls, keys: Rc::from(keys.clone()) };
        check(&target).await
    })
}

#[test]
fn every_peer_that_is_installed_answers_in_every_protocol() {
    let cores = machine::cores().unwrap();
    for known in Known::ALL {
        let Some(path) = known.find(None).unwrap() else {
            println!("{} is not installed: not tried", known.name());
            continue;
        };
        for peer in known.peers(&path) {
            for protocol in PROTOCOLS {
                let outcome = call_through(&peer, protocol, cores);
                assert_eq!(outcome, Ok(()), "{} with {}", peer.name, protocol.name());
            }
        }
    }
}

#[test]
fn the_example_of_a_described_target_parses_and_speaks_everything() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("targets/example.toml");
    let peer = Peer::described(&example).unwrap();
    assert!(PROTOCOLS.iter().all(|protocol| peer.speaks(*protocol)));
    assert_eq!((peer.name.as_str(), peer.key()), ("example", Some("a-key-of-the-example")));
}

/// Everything that is written for agentgateway, by the names of its schema.
#[test]
fn agentgateway_is_configured_with_members_of_its_schema() {
    let folder = TempDir::new().unwrap();
    let (certificate, key) = (folder.path().join("server.pem"), folder.path().join("server.key"));
    let place = Place {
        listen: "127.0.0.1:8443".parse().unwrap(),
        upstream: "127.0.0.1:9000".parse().unwrap(),
        tls: Some((&certificate, &key)),
        connections: 32,
        folder: folder.path(),
        keys: &["a-key".to_owned()],
    };
    for prepare in [agentgateway::prepare_http, agentgateway::prepare_mcp] {
        let arguments = prepare(&place).unwrap();
        let text = std::fs::read_to_string(&arguments[1]).unwrap();
        let mut members = Vec::new();
        paths(&serde_json::from_str(&text).unwrap(), "", &mut members);
        let unknown: Vec<_> =
            members.iter().filter(|member| !agentgateway::MEMBERS.contains(&member.as_str())).collect();
        assert!(unknown.is_empty() && members.len() > 10, "{unknown:?}");
    }
}

/// The paths of all values that are no object or array.
fn paths(value: &serde_json::Value, path: &str, found: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(members) => {
            for (name, value) in members {
                paths(value, &format!("{path}{}{name}", if path.is_empty() { "" } else { "." }), found);
            }
        }
        serde_json::Value::Array(values) => {
            for value in values {
                paths(value, &format!("{path}[]"), found);
            }
        }
        _ => found.push(path.to_owned()),
    }
}

#[test]
fn a_program_that_is_named_has_to_be_there() {
    let said = Known::Nginx.find(Some(&PathBuf::from("/no/such/nginx"))).unwrap_err();
    assert!(said.contains("/no/such/nginx"), "{said}");
}
