//! The registry in Redis: where it is, how it is spoken to, and this replica's own name and file.
//!
//! A password in a URL would be shown wherever the URL is: it is refused, and not repeated.

use std::net::IpAddr;

use super::Check;
use super::registry::PEPPER_BYTES;
use crate::base::redis::{Node, RedisParams, Topology};
use crate::base::secret::Secret;
use crate::config::fault::unreadable;
use crate::config::raw::Registry;
use crate::config::settings::RedisSettings;

const URL: &str = "rediss://host:port/database, or redis:// on a loopback address; user and password have settings of their own";
/// The port of Redis, and that of a sentinel.
const PORTS: (u16, u16) = (6_379, 26_379);
/// Most addresses of sentinels, or of nodes.
const NODES: usize = 32;

/// Where a URL leads.
struct Place {
    tls: bool,
    node: Node,
    database: i64,
}

impl Check<'_> {
    pub(super) fn redis(&mut self, raw: &Registry, pepper: Option<&Secret>) -> RedisSettings {
        let place = self.place(raw);
        let topology = self.topology(raw, place.node);
        self.plaintext(raw, place.tls, &topology);
        if raw.cluster && place.database != 0 {
            let found = format!("database {}", place.database);
            self.faults.add("registry.url", found, "no database other than 0, as Redis Cluster has no other");
        }
        if raw.prefix.is_empty()
            || !raw.prefix.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        {
            let found = format!("{:?}", raw.prefix);
            self.faults.add("registry.prefix", found, "letters, digits, '-', '_' and '.'");
        }
        if raw.replica.path.is_empty() {
            self.faults.add("registry.replica.path", "an empty path", "a file name, e.g. tollgate.replica");
        }
        let password = raw.password_file.as_ref();
        let sealing = raw.sealing_file.as_ref();
        let params = RedisParams {
            topology,
            tls: place.tls,
            ca: raw.ca.as_ref().and_then(|file| self.authority(file)),
            user: raw.user.clone(),
            password: password.and_then(|file| self.guarded("registry.password_file", file, 1)),
            database: place.database,
            prefix: raw.prefix.clone(),
            sealing: match sealing {
                Some(file) => self.guarded("registry.sealing_file", file, PEPPER_BYTES),
                None => pepper.cloned(),
            },
        };
        RedisSettings {
            params,
            replica: if raw.replica.name.is_empty() { machine() } else { raw.replica.name.clone() },
            path: self.path_of(&raw.replica.path),
        }
    }

    fn place(&mut self, raw: &Registry) -> Place {
        let url = raw.url.as_deref().unwrap_or_default();
        place(url).unwrap_or_else(|| {
            let found = if url.is_empty() {
                "nothing".into()
            } else if url.contains('@') {
                "a URL with user information".into()
            } else {
                format!("the string {:?}", url.chars().take(100).collect::<String>())
            };
            self.faults.add("registry.url", found, URL);
            Place { tls: true, node: Node { host: String::new(), port: 0 }, database: 0 }
        })
    }

    fn topology(&mut self, raw: &Registry, own: Node) -> Topology {
        if !raw.nodes.is_empty() && !raw.cluster {
            self.faults.add(
                "registry.nodes",
                "addresses without cluster = true",
                "cluster = true, or no nodes: sentinels stand in registry.sentinel.nodes",
            );
        }
        let Some(sentinel) = &raw.sentinel else {
            if !raw.cluster {
                return Topology::Standalone(own);
            }
            let mut nodes = vec![own];
            nodes.extend(self.nodes("registry.nodes", &raw.nodes, PORTS.0));
            return Topology::Cluster(nodes);
        };
        if raw.cluster {
            self.faults.add(
                "registry.sentinel",
                "it and cluster = true",
                "one of them: a Cluster has no sentinels",
            );
        }
        if sentinel.master.is_empty() {
            self.faults.add("registry.sentinel.master", "nothing", "what the sentinels call the primary");
        }
        if sentinel.nodes.is_empty() {
            self.faults.add(
                "registry.sentinel.nodes",
                "no addresses",
                "1 to 32 addresses, e.g. [\"sentinel-1:26379\"]",
            );
        }
        let nodes = self.nodes("registry.sentinel.nodes", &sentinel.nodes, PORTS.1);
        Topology::Sentinel { master: sentinel.master.clone(), nodes }
    }

    fn nodes(&mut self, path: &str, texts: &[String], port: u16) -> Vec<Node> {
        if texts.len() > NODES {
            self.faults.add(path, format!("{} addresses", texts.len()), "at most 32 addresses");
        }
        let mut nodes = Vec::new();
        for (index, text) in texts.iter().enumerate() {
            if let Some(node) = address(text, port) {
                nodes.push(node);
            } else {
                let path = format!("{path}[{index}]");
                self.faults.add(
                    path,
                    format!("the string {text:?}"),
                    format!("host:port, e.g. redis-1:{port}"),
                );
            }
        }
        nodes
    }

    /// Without TLS whoever is on the way reads every hash, and can write keys.
    fn plaintext(&mut self, raw: &Registry, tls: bool, topology: &Topology) {
        let trusted = match raw.plaintext.as_deref() {
            None => false,
            Some("trusted") => true,
            Some(other) => {
                self.faults.add("registry.plaintext", format!("{other:?}"), "\"trusted\", or nothing");
                true
            }
        };
        if !tls && !trusted && !topology.nodes().iter().all(|node| is_loopback(&node.host)) {
            self.faults.add(
                "registry.url",
                "redis:// to another machine, which anybody on the way can read and change",
                "rediss://, or plaintext = \"trusted\" to do without TLS on purpose",
            );
        }
        if tls && raw.plaintext.is_some() {
            self.faults.add("registry.plaintext", "it and a rediss:// URL", "one of them");
        }
    }

    fn authority(&mut self, file: &str) -> Option<Vec<u8>> {
        let file = self.path_of(file);
        match std::fs::read(&file) {
            Ok(pem) => Some(pem),
            Err(error) => {
                let found = format!("{} ({})", unreadable(&error), file.display());
                self.faults.add("registry.ca", found, "a PEM file with certificates");
                None
            }
        }
    }
}

fn place(url: &str) -> Option<Place> {
    let (scheme, rest) = url.split_once("://")?;
    let tls = match scheme {
        "rediss" => true,
        "redis" => false,
        _ => return None,
    };
    let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
    let node = address(authority, PORTS.0)?;
    let database =
        if database.is_empty() { 0 } else { database.parse().ok().filter(|number| *number >= 0)? };
    Some(Place { tls, node, database })
}

/// A host with a port, or without one; an IPv6 address in brackets.
fn address(text: &str, port: u16) -> Option<Node> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, number)) if !number.ends_with(']') => (host, number.parse().ok()?),
        _ => (text, port),
    };
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let legal =
        !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte));
    legal.then(|| Node { host: host.to_owned(), port })
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// What the machine calls itself.
pub(super) fn machine() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::place;

    #[test]
    fn urls_lead_where_they_say() {
        for (url, want) in [
            ("rediss://redis.internal", Some((true, "redis.internal", 6_379, 0))),
            ("redis://127.0.0.1:7000/3", Some((false, "127.0.0.1", 7_000, 3))),
            ("redis://[::1]:7000", Some((false, "::1", 7_000, 0))),
            ("redis://[::1]/", Some((false, "::1", 6_379, 0))),
            ("redis://user:secret@host", None),
            ("http://host", None),
            ("redis://", None),
            ("redis://host:port", None),
            ("redis://host/-1", None),
            ("redis://host/one", None),
        ] {
            let found = place(url).map(|place| (place.tls, place.node.host, place.node.port, place.database));
            assert_eq!(found, want.map(|(tls, host, port, db)| (tls, host.to_owned(), port, db)), "{url}");
        }
    }
}
