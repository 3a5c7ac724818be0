//! The listener: address, transport, hosts, and whom it believes about clients. Off loopback it is TLS or nothing.

use std::net::SocketAddr;

use super::Check;
use crate::base::Network;
use crate::base::bounds::PROXIES;
use crate::config::raw::Listen;
use crate::config::settings::{ListenSettings, Transport};
use crate::config::tls;
use crate::policy::AddressSource;

impl Check<'_> {
    pub(super) fn listen(&mut self, raw: &Listen) -> Option<ListenSettings> {
        let address = self.address("listen.address", &raw.address);
        let transport = self.transport(raw, address);
        let hosts = self.hosts(raw, address);
        let workers = match raw.workers {
            0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            count => count as usize,
        };
        let client_address = self.client_address(raw);
        let failed_keys = self.failed_keys(&raw.failed_keys)?;
        Some(ListenSettings { address, transport: transport?, hosts, workers, client_address, failed_keys })
    }

    fn client_address(&mut self, raw: &Listen) -> AddressSource {
        let proxies = self.proxies(&raw.proxies);
        let (none, told) = (raw.proxies.is_empty(), self.faults.touches("listen.proxies"));
        match raw.client_address.as_str() {
            "proxy_protocol" | "x-forwarded-for" if none && !told => {
                self.faults.add(
                    "listen.proxies",
                    format!("none, while client_address = {:?} believes proxies", raw.client_address),
                    "the addresses of the proxies, e.g. [\"10.0.0.7\"]; no client may be in them",
                );
                AddressSource::Connection
            }
            "proxy_protocol" => AddressSource::ProxyProtocol(proxies),
            "x-forwarded-for" => AddressSource::Forwarded(proxies),
            _ => {
                if !none && !self.faults.touches("listen.client_address") {
                    self.faults.add(
                        "listen.proxies",
                        "proxies, while client_address = \"connection\" believes none",
                        "no proxies, or client_address = \"proxy_protocol\" or \"x-forwarded-for\"",
                    );
                }
                AddressSource::Connection
            }
        }
    }

    fn proxies(&mut self, raw: &[String]) -> Box<[Network]> {
        if raw.len() > PROXIES {
            let found = format!("{} networks", raw.len());
            self.faults.add("listen.proxies", found, format!("at most {PROXIES}"));
        }
        let mut proxies = Vec::new();
        for (index, text) in raw.iter().enumerate() {
            match Network::parse(text) {
                Some(network) => proxies.push(network),
                None => self.faults.add(
                    format!("listen.proxies[{index}]"),
                    format!("the string {text:?}"),
                    "an IP address, or a network without bits behind its prefix and smaller than all addresses, e.g. 10.0.0.7, 10.0.0.0/8, 2001:db8::/32",
                ),
            }
        }
        proxies.into()
    }

    fn transport(&mut self, raw: &Listen, address: SocketAddr) -> Option<Transport> {
        match (&raw.tls, raw.plaintext.as_deref()) {
            (Some(files), None) => {
                let (certificate, key) = (self.file_of(&files.certificate), self.file_of(&files.private_key));
                tls::read_certificate(&certificate, &key, "listen.tls", &mut self.faults).map(Transport::Tls)
            }
            (None, Some("loopback")) if address.ip().is_loopback() => Some(Transport::Plaintext),
            (None, Some("loopback")) => {
                self.faults.add(
                    "listen.plaintext",
                    format!("plaintext on {address}, which other machines can reach"),
                    "listen.tls; plaintext is for loopback addresses only",
                );
                None
            }
            (None, Some(other)) => {
                self.faults.add(
                    "listen.plaintext",
                    format!("the string {other:?}"),
                    "\"loopback\", or listen.tls instead",
                );
                None
            }
            (Some(_), Some(_)) => {
                self.faults.add("listen.plaintext", "both tls and plaintext", "one of the two");
                None
            }
            (None, None) => {
                // When the table was there but faulty, its own fault says more.
                if !self.faults.touches("listen.tls") && !self.faults.touches("listen.plaintext") {
                    self.faults.add("listen.tls", "no certificate", "tls = { certificate = \"server.pem\", private_key = \"server.key\" }, or plaintext = \"loopback\" on a loopback address");
                }
                None
            }
        }
    }

    fn hosts(&mut self, raw: &Listen, address: SocketAddr) -> Vec<String> {
        let mut hosts: Vec<String> = Vec::new();
        for (index, host) in raw.hosts.iter().enumerate() {
            let plain = crate::wire::http::host_without_port(host) == Some(host) && !host.contains('/');
            if plain {
                hosts.push(host.to_lowercase());
            } else {
                self.faults.add(
                    format!("listen.hosts[{index}]"),
                    format!("the string {host:?}"),
                    "a host name or IP address without scheme, port or path",
                );
            }
        }
        let ip = address.ip();
        if ip.is_loopback() {
            hosts.extend(["localhost", "127.0.0.1", "[::1]"].map(String::from));
        } else if raw.hosts.is_empty() && !self.faults.touches("listen.hosts") {
            self.faults.add(
                "listen.hosts",
                format!("none, while {address} can be reached from other machines"),
                "the host names that clients use, e.g. [\"gateway.example.com\"]",
            );
        }
        if !ip.is_unspecified() {
            hosts.push(if ip.is_ipv6() { format!("[{ip}]") } else { ip.to_string() });
        }
        hosts.sort_unstable();
        hosts.dedup();
        hosts
    }
}
