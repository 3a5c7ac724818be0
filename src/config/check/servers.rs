//! The servers behind the gateway: names, upstreams, credentials, headers.

use std::collections::BTreeSet;

use http::{HeaderName, HeaderValue, Uri};

use super::{Check, NAME, is_name};
use crate::base::bounds;
use crate::config::fault::unreadable;
use crate::config::raw::{Credential, Server};
use crate::config::settings::{ServerSettings, UpstreamUrl};
use crate::config::tls::{others_can_read, read_authorities};
use crate::policy::{Concurrent, Scope};
use crate::wire::http::{belongs_to_http, never_forwarded};
use crate::wire::known::Known;

const URL: &str = "one URL such as http://127.0.0.1:9001/mcp or https://crm.example.com/mcp, without user information or fragment";

impl Check<'_> {
    pub(super) fn servers(
        &mut self,
        raw: &[Server],
        scopes: Option<&BTreeSet<Scope>>,
    ) -> Vec<ServerSettings> {
        if raw.len() > bounds::SERVERS {
            self.faults.add(
                "servers",
                format!("{} servers", raw.len()),
                format!("at most {}", bounds::SERVERS),
            );
        }
        if raw.is_empty() && !self.faults.touches("servers") {
            self.faults.add("servers", "none, so there is nothing to serve", "at least one [[servers]]");
        }
        let mut names = BTreeSet::new();
        let mut servers = Vec::with_capacity(raw.len());
        for (index, server) in raw.iter().enumerate() {
            let path = format!("servers[{index}]");
            if !is_name(&server.name) && !self.faults.touches(&format!("{path}.name")) {
                self.faults.add(format!("{path}.name"), format!("the name {:?}", server.name), NAME);
            } else if !names.insert(server.name.as_str()) {
                self.faults.add(
                    format!("{path}.name"),
                    format!("the name {:?}, which another server has", server.name),
                    "a name of its own for each server",
                );
            }
            servers.extend(self.server(&path, server, scopes));
        }
        servers
    }

    fn server(
        &mut self,
        path: &str,
        raw: &Server,
        scopes: Option<&BTreeSet<Scope>>,
    ) -> Option<ServerSettings> {
        let upstream = self.upstream(&format!("{path}.upstreams"), &raw.upstreams);
        let ca = raw.ca.as_ref().map(|file| self.file_of(file));
        if let Some(file) = &ca {
            read_authorities(file, &format!("{path}.ca"), &mut self.faults);
        }
        let identity = raw.identity.as_ref();
        let identity_header = |check: &mut Self, name: &str, value: Option<&String>| {
            value.and_then(|value| check.header(&format!("{path}.identity.{name}"), value))
        };
        let key_id = identity_header(self, "key_id", identity.and_then(|i| i.key_id.as_ref()));
        let owner = identity_header(self, "owner", identity.and_then(|i| i.owner.as_ref()));
        if key_id.is_some() && key_id == owner {
            self.faults.add(
                format!("{path}.identity.owner"),
                "the header that 'key_id' has",
                "a header of its own: an upstream would get two values",
            );
        }
        let credential =
            raw.credential.as_ref().and_then(|c| self.credential(&format!("{path}.credential"), c));
        let forward_headers =
            self.forward_headers(&format!("{path}.forward_headers"), &raw.forward_headers, [&key_id, &owner]);
        Some(ServerSettings {
            name: raw.name.clone(),
            origins: self.origins(&format!("{path}.origins"), &raw.origins),
            tools: self.name_rules(&format!("{path}.tools"), &raw.tools, scopes),
            prompts: self.name_rules(&format!("{path}.prompts"), &raw.prompts, scopes),
            resources: self.uri_rules(&format!("{path}.resources"), &raw.resources, scopes),
            deny_with_ok: raw.denied_calls == "jsonrpc",
            concurrent: Concurrent {
                calls: raw.concurrent,
                streams: raw.streams,
                warn_only: raw.concurrent_warn_only,
            },
            limit_headers: raw.limit_headers,
            identity_key_id: key_id,
            identity_owner: owner,
            upstream: upstream?,
            ca,
            credential,
            forward_headers,
        })
    }

    fn upstream(&mut self, path: &str, urls: &[String]) -> Option<UpstreamUrl> {
        let [url] = urls else {
            if !self.faults.touches(path) {
                self.faults.add(path, format!("{} URLs", urls.len()), URL);
            }
            return None;
        };
        let parsed = parse_url(url);
        if parsed.is_none() {
            // Before an '@' there may be a password, which is not shown.
            let found = if url.contains('@') {
                "a URL with user information".into()
            } else {
                format!("the string {:?}", url.chars().take(100).collect::<String>())
            };
            self.faults.add(format!("{path}[0]"), found, URL);
        }
        parsed
    }

    fn origins(&mut self, path: &str, origins: &[String]) -> Vec<String> {
        for (index, origin) in origins.iter().enumerate() {
            let uri = origin.parse::<Uri>().ok();
            let scheme_and_host = uri.as_ref().is_some_and(|uri| {
                uri.scheme().is_some()
                    && uri.authority().is_some()
                    && uri.path() == "/"
                    && !origin.ends_with('/')
                    && uri.query().is_none()
            });
            if !scheme_and_host {
                self.faults.add(
                    format!("{path}[{index}]"),
                    format!("the string {origin:?}"),
                    "scheme, host and port if any, as browsers send it, e.g. https://agent.example.com",
                );
            }
        }
        origins.iter().map(|origin| origin.to_lowercase()).collect()
    }

    pub(super) fn credential(&mut self, path: &str, raw: &Credential) -> Option<(HeaderName, HeaderValue)> {
        let name = raw.header.parse::<HeaderName>().ok();
        if name.is_none() {
            self.faults.add(
                format!("{path}.header"),
                // Not shown: name and value may have been mixed up.
                "a string that names no header",
                "the name of a header, e.g. Authorization",
            );
        }
        if let Some(name) = name.as_ref().filter(|name| belongs_to_http(name)) {
            self.faults.add(
                format!("{path}.header"),
                format!("the header {name}, which HTTP, MCP or the gateway itself needs"),
                "a header that an upstream takes credentials from, e.g. Authorization",
            );
        }
        let text = match (&raw.value, &raw.file) {
            (Some(value), None) => value.clone(),
            (None, Some(file)) => self.credential_file(&format!("{path}.file"), file)?,
            _ => {
                if !self.faults.touches(path) {
                    self.faults.add(path, "neither or both of value and file", "one of value and file");
                }
                return None;
            }
        };
        let Ok(mut value) = HeaderValue::from_str(&text) else {
            self.faults.add(path, "a value that no header can carry", "visible ASCII without line breaks");
            return None;
        };
        value.set_sensitive(true);
        Some((name?, value))
    }

    fn credential_file(&mut self, path: &str, file: &str) -> Option<String> {
        let file = self.file_of(file);
        match std::fs::read_to_string(&file) {
            Ok(_) if others_can_read(&file) => {
                self.faults.add(
                    path,
                    format!("{}, which every user of this machine can read", file.display()),
                    "a file that others cannot read (chmod o-rwx)",
                );
                None
            }
            Ok(text) => Some(text.trim_end_matches(['\r', '\n']).to_owned()),
            Err(error) => {
                self.faults.add(
                    path,
                    format!("{} ({})", unreadable(&error), file.display()),
                    "a file with the header's value",
                );
                None
            }
        }
    }

    fn header(&mut self, path: &str, text: &str) -> Option<HeaderName> {
        match text.parse::<HeaderName>() {
            Ok(name) if !never_forwarded(&name) && !Known::of(name.as_str().as_bytes()).passes_upstream() => {
                Some(name)
            }
            Ok(name) => {
                self.faults.add(
                    path,
                    format!("the header {name}"),
                    "a header that carries no credential and that neither HTTP nor MCP uses",
                );
                None
            }
            Err(_) => {
                self.faults.add(path, format!("the string {text:?}"), "the name of a header");
                None
            }
        }
    }

    /// Identity headers may not be among those that pass from the client.
    fn forward_headers(
        &mut self,
        path: &str,
        raw: &[String],
        identity: [&Option<HeaderName>; 2],
    ) -> Vec<HeaderName> {
        let mut names = Vec::new();
        for (index, text) in raw.iter().enumerate() {
            let at = format!("{path}[{index}]");
            let Some(name) = self.header(&at, text) else { continue };
            if identity.into_iter().flatten().any(|own| *own == name) {
                self.faults.add(
                    at,
                    format!("the header {name}, by which 'identity' tells who calls"),
                    "a header that the gateway does not set itself",
                );
            } else {
                names.push(name);
            }
        }
        names
    }
}

pub(super) fn parse_url(text: &str) -> Option<UpstreamUrl> {
    let uri: Uri = text.parse().ok()?;
    let tls = match uri.scheme_str()? {
        "http" => false,
        "https" => true,
        _ => return None,
    };
    let authority = uri.authority()?;
    if authority.as_str().contains('@') || text.contains('#') || authority.host().is_empty() {
        return None;
    }
    // `authority.port()` is none also for a port that is no number.
    let port = match authority.port_u16() {
        Some(port) => port,
        None if authority.port().is_some() || authority.as_str().ends_with(':') => return None,
        None if tls => 443,
        None => 80,
    };
    let path = uri.path_and_query().cloned().unwrap_or_else(|| http::uri::PathAndQuery::from_static("/"));
    Some(UpstreamUrl { tls, host: authority.host().into(), port, path, authority: authority.as_str().into() })
}
