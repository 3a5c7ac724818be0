//! Networks of IP addresses as people write them, and which addresses lie in them.
//!
//! An IPv4 address that came mapped into IPv6, as sockets for both tell it, is an IPv4 address here: one
//! client must not be two. Pure.

use std::net::{IpAddr, Ipv6Addr};

/// A network: all addresses of one family that begin with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    first: IpAddr,
    /// Bits that are the same, 0 to 32 or 128.
    prefix: u8,
}

impl Network {
    /// Reads an address, which is a network of one, or an address, a slash and a number of bits. `None`
    /// for anything else, for a network of all addresses, and where bits behind the prefix are set, as
    /// only a typing error sets them.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let first: IpAddr = address.parse().ok()?;
        let whole = width(first);
        let prefix = match prefix {
            // `parse` would take a sign and leading zeros.
            Some(digits) if digits.starts_with(['+', '0']) => return None,
            Some(digits) => digits.parse().ok().filter(|prefix| *prefix <= whole)?,
            None => whole,
        };
        // What is written as a part of the mapped addresses is meant as one of IPv4's.
        let (first, prefix) = match first.to_canonical() {
            address if width(address) == whole => (first, prefix),
            address => (address, prefix.checked_sub(96).filter(|prefix| *prefix > 0)?),
        };
        let tidy = bits(first).checked_shl(u32::from(128 - width(first) + prefix)).unwrap_or(0) == 0;
        tidy.then_some(Self { first, prefix })
    }

    /// Whether an address lies in it; of the same family and not mapped, as [`unmapped`] makes it.
    #[inline]
    pub fn contains(self, address: IpAddr) -> bool {
        let differing = bits(self.first) ^ bits(address);
        let behind = u32::from(width(self.first) - self.prefix);
        width(self.first) == width(address) && differing.checked_shr(behind).unwrap_or(0) == 0
    }
}

/// The address that is meant: IPv4 where it came mapped into IPv6.
#[inline]
pub fn unmapped(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

/// Whose address it is taken to be: a customer of IPv6 has at least 64 bits of addresses to choose from,
/// so all of them count as one. An IPv4 address is itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Holder(u64, u64);

impl From<IpAddr> for Holder {
    #[inline]
    fn from(address: IpAddr) -> Self {
        match unmapped(address) {
            // Beside all of IPv6's, of which the lower half is zero.
            IpAddr::V4(address) => Self(0, 1 << 32 | u64::from(address.to_bits())),
            IpAddr::V6(address) => Self((address.to_bits() >> 64) as u64, 0),
        }
    }
}

/// Bits of an address of this family.
fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { Ipv6Addr::BITS as u8 }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Holder, Network, unmapped};
    use proptest::prelude::{any, prop_assert_eq, proptest};
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn networks_are_addresses_with_bits() {
        for (network, within, without) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.0"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.6"),
            ("192.0.2.128/25", "192.0.2.255", "192.0.2.127"),
            ("128.0.0.0/1", "255.255.255.255", "127.255.255.255"),
            ("::1/128", "::1", "::2"),
            ("2001:db8::/33", "2001:db8:7fff::1", "2001:db8:8000::"),
            ("8000::/1", "ffff::", "7fff::"),
            ("::ffff:10.0.0.0/104", "10.1.1.1", "::a01:101"),
            ("::/96", "::1", "0.0.0.1"),
        ] {
            let parsed = Network::parse(network).unwrap_or_else(|| panic!("{network}"));
            assert!(parsed.contains(ip(within)) && !parsed.contains(ip(without)), "{network}");
        }
        for bad in [
            "",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0.1/8",
            "10.0.0.0/+8",
            "10.0.0.0/08",
            "10.0.0.0/-1",
            "10/8",
            "0.0.0.0/0",
            "::/0",
            "::/129",
            "2001:db8::1/64",
            "::ffff:0.0.0.0/96",
            "::ffff:0.0.0.0/90",
            "fe80::1%eth0",
            "[::1]",
            " ::1",
            "proxy.example",
            "10.0.0.0/8/8",
            "10.0.0.0/255.0.0.0",
        ] {
            assert_eq!(Network::parse(bad), None, "{bad}");
        }
    }

    proptest! {
        /// What lies in a network has its first bits, however they are compared.
        #[test]
        fn a_network_is_what_begins_with_its_bits(first: u32, prefix in 1_u8..=32, other: u32, near in any::<bool>()) {
            let kept = u32::MAX << (32 - prefix);
            let other = if near { first & kept | other & !kept } else { other };
            let network = Network::parse(&format!("{}/{prefix}", Ipv4Addr::from(first & kept))).unwrap();
            let begins = |address: u32| format!("{address:032b}").chars().take(prefix.into()).collect::<String>();
            let same = begins(first) == begins(other);
            prop_assert_eq!(network.contains(Ipv4Addr::from(other).into()), same);
        }
    }

    #[test]
    fn a_holder_is_an_address_of_ipv4_and_a_64_of_ipv6() {
        let holder = |text: &str| Holder::from(ip(text));
        assert_eq!(holder("192.0.2.7"), holder("::ffff:192.0.2.7"));
        assert_ne!(holder("192.0.2.7"), holder("192.0.2.8"));
        assert_eq!(holder("2001:db8::1"), holder("2001:db8::ffff:0:0:1"));
        assert_ne!(holder("2001:db8::1"), holder("2001:db8:0:1::1"));
        assert_ne!(holder("0.0.0.0"), holder("::"));
        assert_eq!(unmapped(Ipv4Addr::LOCALHOST.to_ipv6_mapped().into()), ip("127.0.0.1"));
        assert_eq!(unmapped(Ipv6Addr::LOCALHOST.into()), ip("::1"));
    }
}
