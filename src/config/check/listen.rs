//! The listener: address, transport, hosts. Off loopback it is TLS or nothing.

use std::net::SocketAddr;

use super::Check;
use crate::config::raw::Listen;
use crate::config::settings::{ListenSettings, Transport};
use crate::config::tls;

impl Check<'_> {
    pub(super) fn listen(&mut self, raw: &Listen) -> Option<ListenSettings> {
        let address = self.address("listen.address", &raw.address);
        let transport = self.transport(raw, address);
        let hosts = self.hosts(raw, address);
        let workers = match raw.workers {
            0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            count => count as usize,
        };
        Some(ListenSettings { address, transport: transport?, hosts, workers })
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
