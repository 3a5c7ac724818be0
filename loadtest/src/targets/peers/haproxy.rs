//! haproxy as a plain reverse proxy: one thread, kept and shared upstream connections, no log.

use super::{Place, write};
use crate::Done;
use crate::transport::tls;

/// What differs from its defaults.
pub(super) const SETTINGS: &str = "one thread, no log, http-reuse always, TLS 1.3 alone";
/// Connections beyond those that are meant, so that a check finds a place.
const SPARE: u32 = 512;

/// Writes its configuration; gives its arguments.
pub(super) fn prepare(place: &Place<'_>) -> Done<Vec<String>> {
    let file = place.folder.join("haproxy.cfg");
    let mut transport = String::new();
    if let Some((certificate, key)) = place.tls {
        let both = place.folder.join("both.pem");
        tls::write_both(certificate, key, &both)?;
        transport = format!(" ssl crt {} alpn h2,http/1.1 ssl-min-ver TLSv1.3", both.display());
    }
    write(&file, &config(place, &transport))?;
    // In the foreground, and silent but for faults.
    Ok(vec!["-db".to_owned(), "-q".to_owned(), "-f".to_owned(), file.display().to_string()])
}

fn config(place: &Place<'_>, transport: &str) -> String {
    let (listen, upstream) = (place.listen, place.upstream);
    let connections = place.connections + SPARE;
    // It would want twice as many files as connections, and end where it may not have them.
    // Without a `log` line there is no log.
    format!(
        "global
    nbthread 1
    maxconn {connections}
    no strict-limits
defaults
    mode http
    option http-keep-alive
    http-reuse always
    timeout connect 5s
    timeout client 600s
    timeout server 600s
    timeout http-keep-alive 600s
frontend listener
    bind {listen}{transport} backlog 4096
    default_backend target
backend target
    server upstream {upstream}
"
    )
}
