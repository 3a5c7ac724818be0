//! The header with which a proxy tells whose connection it passes on: the PROXY protocol, version 2
//! (<https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt>, §2.2).
//!
//! Strict: what the specification does not assign is a fault, and so is version 1. What a header tells
//! beside the addresses is skipped, a checksum too: TCP has its own, and who could change the one could
//! change the other. Pure: bytes in, and never one is asked for that belongs to what follows.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::base::bounds::PROXY_HEADER_BYTES;
use crate::base::network::unmapped;

/// What every header begins with; no HTTP and no TLS does.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// The signature, version and command, family and transport, the length of what follows.
const FIXED: usize = 16;
/// Bytes of a pair of addresses with their ports, by family; those of paths have no ports.
const IPV4: usize = 2 * (4 + 2);
const IPV6: usize = 2 * (16 + 2);
const UNIX: usize = 2 * 108;

/// What the bytes so far say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Announced {
    /// The header is not whole: at least so many bytes are missing, all of them its own.
    More(usize),
    /// The client's address.
    Client(IpAddr),
    /// The connection is the proxy's own, or the client has no IP address.
    Nobody,
}

/// This is no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no header of the PROXY protocol, version 2, of at most {PROXY_HEADER_BYTES} bytes")]
pub struct NoHeader;

/// Reads a header from its beginning. What is none is told by the first byte that shows it.
pub fn read(bytes: &[u8]) -> Result<Announced, NoHeader> {
    let begun = SIGNATURE.iter().zip(bytes).all(|(wanted, byte)| wanted == byte);
    let Some((fixed, rest)) = bytes.split_first_chunk::<FIXED>() else {
        return if begun { Ok(Announced::More(FIXED - bytes.len())) } else { Err(NoHeader) };
    };
    let [.., command, family, high, low] = *fixed;
    let length = usize::from(u16::from_be_bytes([high, low]));
    if !begun || FIXED + length > PROXY_HEADER_BYTES {
        return Err(NoHeader);
    }
    let least = match (command, family >> 4, family & 0xF) {
        // LOCAL: whatever else it says is to be ignored. Or PROXY, of an unspecified family.
        (0x20, ..) | (0x21, 0, 0..=2) => 0,
        // Over IPv4, IPv6, or from a path.
        (0x21, 1, 0..=2) => IPV4,
        (0x21, 2, 0..=2) => IPV6,
        (0x21, 3, 0..=2) => UNIX,
        _ => return Err(NoHeader),
    };
    if length < least {
        return Err(NoHeader);
    }
    match length.checked_sub(rest.len()) {
        None | Some(0) => Ok(announced(command, family, rest)),
        Some(missing) => Ok(Announced::More(missing)),
    }
}

/// The address of a whole header. That the client is reached by datagrams, as with HTTP/3, is its affair.
fn announced(command: u8, family: u8, rest: &[u8]) -> Announced {
    let client: Option<IpAddr> = match (command, family) {
        (0x21, 0x11 | 0x12) => rest.first_chunk::<4>().map(|octets| Ipv4Addr::from(*octets).into()),
        (0x21, 0x21 | 0x22) => rest.first_chunk::<16>().map(|octets| Ipv6Addr::from(*octets).into()),
        _ => None,
    };
    client.map_or(Announced::Nobody, |client| Announced::Client(unmapped(client)))
}

#[cfg(test)]
mod tests {
    use super::{Announced, FIXED, NoHeader, SIGNATURE, read};
    use crate::base::bounds::PROXY_HEADER_BYTES;
    use proptest::prelude::{Just, Strategy as _, any, prop_assert, prop_assert_eq, prop_oneof, proptest};
    use std::net::IpAddr;

    fn header(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [&SIGNATURE[..], &[command, family], &length, rest].concat()
    }

    fn client(text: &str) -> Announced {
        Announced::Client(text.parse().unwrap())
    }

    const IPV4: [u8; 12] = [192, 0, 2, 7, 10, 0, 0, 1, 0xC0, 0, 0x20, 0xFB];

    #[test]
    fn the_source_is_the_client() {
        let mut ipv6 = [0; 36];
        (ipv6[0], ipv6[1], ipv6[15], ipv6[31]) = (0x20, 1, 7, 9);
        let mapped = [&[0; 10][..], &[0xFF, 0xFF, 192, 0, 2, 7], &[0; 20]].concat();
        assert_eq!(read(&header(0x21, 0x11, &IPV4)), Ok(client("192.0.2.7")));
        assert_eq!(read(&header(0x21, 0x12, &IPV4)), Ok(client("192.0.2.7")));
        assert_eq!(read(&header(0x21, 0x21, &ipv6)), Ok(client("2001::7")));
        assert_eq!(read(&header(0x21, 0x21, &mapped)), Ok(client("192.0.2.7")));
        // Behind the addresses: a no-op, and what is no such thing at all.
        assert_eq!(read(&header(0x21, 0x11, &[&IPV4[..], &[4, 0, 1, 0]].concat())), Ok(client("192.0.2.7")));
        assert_eq!(read(&header(0x21, 0x11, &[&IPV4[..], &[9; 9]].concat())), Ok(client("192.0.2.7")));
    }

    #[test]
    fn a_connection_of_nobodys_is_the_proxys_own() {
        for (command, family, rest) in [
            (0x20, 0x00, &[][..]),
            (0x20, 0x11, &IPV4),
            // Ignored, whatever it is.
            (0x20, 0xFF, &[1]),
            (0x21, 0x00, &[]),
            (0x21, 0x00, &IPV4),
            (0x21, 0x10, &IPV4),
            (0x21, 0x31, &[b'/'; 216]),
        ] {
            assert_eq!(read(&header(command, family, rest)), Ok(Announced::Nobody), "{command:x} {family:x}");
        }
    }

    #[test]
    fn what_is_not_assigned_is_no_header() {
        let long = vec![0; PROXY_HEADER_BYTES - FIXED + 1];
        for (command, family, rest) in [
            (0x11, 0x11, &IPV4[..]),
            (0x31, 0x11, &IPV4),
            (0x22, 0x11, &IPV4),
            (0x2F, 0x11, &IPV4),
            (0x21, 0x13, &IPV4),
            (0x21, 0x41, &[0; 216]),
            (0x21, 0x11, &IPV4[..11]),
            (0x21, 0x21, &[0; 35]),
            (0x21, 0x31, &[0; 215]),
            (0x21, 0x11, &long),
            (0x20, 0x00, &long),
        ] {
            assert_eq!(read(&header(command, family, rest)), Err(NoHeader), "{command:x} {family:x}");
        }
        assert_eq!(read(&header(0x21, 0x11, &vec![0; PROXY_HEADER_BYTES - FIXED])), Ok(client("0.0.0.0")));
        for other in [
            &b"PROXY TCP4 192.0.2.7 10.0.0.1 1 2\r\n"[..],
            b"P",
            b"\r\n\r\n\0\r\nQUIT\r",
            b"GET / HTTP/1.1\r\n",
            b"\x16\x03\x01",
        ] {
            assert_eq!(read(other), Err(NoHeader), "{}", other.escape_ascii());
        }
    }

    /// Bytes that are often a header, or nearly.
    fn bytes() -> impl proptest::strategy::Strategy<Value = Vec<u8>> {
        let command = prop_oneof![Just(0x20), Just(0x21), any::<u8>()];
        let family = prop_oneof![Just(0x11), Just(0x21), Just(0x31), Just(0), any::<u8>()];
        let rest = proptest::collection::vec(any::<u8>(), 0..300);
        let made = (command, family, rest).prop_map(|(command, family, rest)| header(command, family, &rest));
        prop_oneof![4 => made, 1 => proptest::collection::vec(any::<u8>(), 0..300)]
    }

    proptest! {
        /// Whatever comes, in whatever pieces: what is read of the whole is read of the pieces, by asking
        /// for no byte behind the header.
        #[test]
        fn any_bytes_are_read_alike_however_they_are_split(bytes in bytes(), behind: [u8; 8], piece in 1_usize..40) {
            let whole = read(&bytes);
            let stream = [&bytes[..], &behind].concat();
            let mut taken = 0;
            let read_in_pieces = loop {
                match read(&stream[..taken]) {
                    Ok(Announced::More(missing)) if taken < bytes.len() => {
                        prop_assert!(missing > 0);
                        taken += missing.min(piece).min(bytes.len() - taken);
                    }
                    other => break other,
                }
            };
            match whole {
                // The beginning of a longer one.
                Ok(Announced::More(_)) => prop_assert_eq!(read_in_pieces, whole),
                Ok(_) => {
                    prop_assert_eq!(read_in_pieces, whole);
                    let length = FIXED + usize::from(u16::from_be_bytes([bytes[14], bytes[15]]));
                    prop_assert_eq!(taken, length, "not a byte more");
                }
                Err(NoHeader) => prop_assert_eq!(read_in_pieces, Err(NoHeader)),
            }
        }

        #[test]
        fn every_client_is_told_at_every_split(octets: [u8; 4], six: [u8; 16], extra in proptest::collection::vec(any::<u8>(), 0..64)) {
            let v4 = header(0x21, 0x11, &[&octets[..], &[0; 8], &extra].concat());
            let v6 = header(0x21, 0x21, &[&six[..], &[0; 20], &extra].concat());
            for (bytes, address) in [(v4, IpAddr::from(octets)), (v6, IpAddr::from(six))] {
                for split in 0..bytes.len() {
                    let more = matches!(read(&bytes[..split]), Ok(Announced::More(missing)) if missing <= bytes.len() - split);
                    prop_assert!(more, "{split}");
                }
                prop_assert_eq!(read(&bytes), Ok(Announced::Client(address.to_canonical())));
            }
        }
    }
}
