//! Whose address a request counts under: the connection's, or the one that a proxy tells, where that
//! proxy is believed.
//!
//! Pure. It must never take an address from who is not listed: what a client says of itself is worth
//! nothing here.

use std::net::{IpAddr, SocketAddr};

use super::limits::Applied;
use crate::base::Network;
use crate::base::bounds::FORWARDED_HOPS;
use crate::base::network::unmapped;

/// Clients as addresses: how each is found, and how often one may come without a right key.
#[derive(Clone, Debug, Default)]
pub struct Clients {
    /// How it is found.
    pub source: AddressSource,
    /// How many requests without a right key each may send; `None` for any number.
    pub failed_keys: Option<Applied>,
}

/// Where a client's address is found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AddressSource {
    /// It is the connection's.
    #[default]
    Connection,
    /// These proxies, and nobody else, connect, and begin with a header of the PROXY protocol.
    ProxyProtocol(Box<[Network]>),
    /// These proxies add it to `X-Forwarded-For`; others may connect as well.
    Forwarded(Box<[Network]>),
}

/// How a connection begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entrance {
    /// With its first request, or with TLS.
    Open,
    /// With a header of the PROXY protocol.
    Announced,
    /// Not at all.
    Closed,
}

impl AddressSource {
    /// How a connection from an address, as [`unmapped`] makes it, begins.
    pub fn entrance(&self, peer: IpAddr) -> Entrance {
        match self {
            Self::ProxyProtocol(proxies) if believes(proxies, peer) => Entrance::Announced,
            Self::ProxyProtocol(_) => Entrance::Closed,
            Self::Connection | Self::Forwarded(_) => Entrance::Open,
        }
    }

    /// The client's address, of a request that came over a connection of `connected`: with
    /// `X-Forwarded-For` from a proxy the rightmost address that is no proxy's, as what stands further left
    /// came from there. `lines` are that header's lines from the last to the first.
    pub fn client<'l>(&self, connected: IpAddr, lines: impl Iterator<Item = &'l [u8]>) -> IpAddr {
        let Self::Forwarded(proxies) = self else { return connected };
        let mut nearest = connected;
        let hops = lines.flat_map(|line| line.rsplit(|byte| *byte == b','));
        for hop in hops.take(FORWARDED_HOPS) {
            if !believes(proxies, nearest) {
                break;
            }
            // What cannot be read was not written by a proxy that could have known better.
            let Some(next) = address(hop) else { break };
            nearest = next;
        }
        nearest
    }
}

fn believes(proxies: &[Network], address: IpAddr) -> bool {
    proxies.iter().any(|network| network.contains(address))
}

/// An address as proxies write it: bare, in brackets, or with a port.
fn address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text.trim_ascii()).ok()?;
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let address = match bare {
        Some(bare) => bare.parse().ok().filter(IpAddr::is_ipv6),
        None => text.parse().ok().or_else(|| text.parse().ok().map(|with_port: SocketAddr| with_port.ip())),
    };
    address.map(unmapped)
}

#[cfg(test)]
mod tests {
    use super::{AddressSource, Entrance};
    use crate::base::Network;
    use crate::base::bounds::FORWARDED_HOPS;
    use proptest::prelude::{any, prop_assert_eq, proptest};
    use std::net::{IpAddr, Ipv4Addr};

    fn proxies() -> Box<[Network]> {
        ["10.0.0.0/8", "2001:db8::/32"].iter().map(|text| Network::parse(text).unwrap()).collect()
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn client(source: &AddressSource, connected: &str, lines: &[&str]) -> IpAddr {
        source.client(ip(connected), lines.iter().rev().map(|line| line.as_bytes()))
    }

    #[test]
    fn who_is_not_listed_is_not_let_in_or_not_believed() {
        let (announced, forwarded) =
            (AddressSource::ProxyProtocol(proxies()), AddressSource::Forwarded(proxies()));
        assert_eq!(announced.entrance(ip("10.1.2.3")), Entrance::Announced);
        assert_eq!(announced.entrance(ip("192.0.2.1")), Entrance::Closed);
        assert_eq!(forwarded.entrance(ip("192.0.2.1")), Entrance::Open);
        assert_eq!(AddressSource::Connection.entrance(ip("10.1.2.3")), Entrance::Open);
        assert_eq!(client(&forwarded, "192.0.2.1", &["198.51.100.1"]), ip("192.0.2.1"));
        for other in [announced, AddressSource::Connection] {
            assert_eq!(client(&other, "10.1.2.3", &["198.51.100.1"]), ip("10.1.2.3"));
        }
    }

    #[test]
    fn the_rightmost_that_is_no_proxys_counts() {
        let source = AddressSource::Forwarded(proxies());
        for (lines, counts) in [
            (&["198.51.100.1"][..], "198.51.100.1"),
            (&["203.0.113.9, 198.51.100.1"], "198.51.100.1"),
            (&["198.51.100.1, 10.0.0.7,10.0.0.8"], "198.51.100.1"),
            (&["203.0.113.9", "198.51.100.1", "10.0.0.7, 2001:db8::7"], "198.51.100.1"),
            // All of them proxies: the farthest.
            (&["10.9.9.9, 10.0.0.7"], "10.9.9.9"),
            (&["198.51.100.1:4711"], "198.51.100.1"),
            (&["[2001:db9::1]:4711"], "2001:db9::1"),
            (&["[2001:db9::1]"], "2001:db9::1"),
            (&["2001:db9::1"], "2001:db9::1"),
            (&["::ffff:198.51.100.1"], "198.51.100.1"),
            // What cannot be read stops the walk at the last that can.
            (&["198.51.100.1, unknown, 10.0.0.7"], "10.0.0.7"),
            (&["198.51.100.1, , 10.0.0.7"], "10.0.0.7"),
            (&["198.51.100.1,"], "10.1.2.3"),
            (&["198.51.100.1", ""], "10.1.2.3"),
            (&["[198.51.100.1]"], "10.1.2.3"),
            (&["\"198.51.100.1\""], "10.1.2.3"),
            (&["fe80::1%eth0"], "10.1.2.3"),
            (&[], "10.1.2.3"),
        ] {
            assert_eq!(client(&source, "10.1.2.3", lines), ip(counts), "{lines:?}");
        }
        let long = vec!["10.0.0.7"; 2 * FORWARDED_HOPS].join(",");
        assert_eq!(client(&source, "10.1.2.3", &["198.51.100.1", &long]), ip("10.0.0.7"));
    }

    proptest! {
        /// Whatever a client writes, what its proxy adds behind it counts; and no bytes are too odd.
        #[test]
        fn what_a_client_writes_changes_nothing(written in proptest::collection::vec(any::<u8>(), 0..80), own: u32, joined: bool) {
            let source = AddressSource::Forwarded(proxies());
            let own = IpAddr::from(Ipv4Addr::from(own | 0x8000_0000));
            let added = own.to_string();
            let counts = if joined {
                let line = [&written[..], b", ", added.as_bytes()].concat();
                source.client(ip("10.0.0.1"), std::iter::once(&line[..]))
            } else {
                source.client(ip("10.0.0.1"), [added.as_bytes(), &written].into_iter())
            };
            prop_assert_eq!(counts, own);
        }
    }
}
