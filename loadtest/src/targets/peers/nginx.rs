//! nginx as a plain reverse proxy: one worker, kept connections on both sides, no access log.

use super::{Place, write};
use crate::Done;

/// What differs from its defaults.
pub(super) const SETTINGS: &str = "one worker, no access log, kept connections on both sides, TLS 1.3 alone";
/// More requests on a connection than any run makes: nginx closes one after 1,000.
const REQUESTS: u32 = 2_000_000_000;
/// Connections beyond those of clients and upstream: listeners, and a few to spare.
const SPARE: u32 = 512;
/// Idle upstream connections: more than there are calls in flight at a time.
const KEPT: u16 = 1024;

/// Writes its configuration; gives its arguments.
pub(super) fn prepare(place: &Place<'_>) -> Done<Vec<String>> {
    let folder = place.folder.display();
    write(&place.folder.join("nginx.conf"), &config(place))?;
    let arguments = ["-p", &folder.to_string(), "-c", &format!("{folder}/nginx.conf"), "-e", "stderr"];
    Ok(arguments.map(str::to_owned).to_vec())
}

fn config(place: &Place<'_>) -> String {
    let (listen, upstream) = (place.listen, place.upstream);
    // Its table of connections costs memory, and a proxied request takes two.
    let connections = 2 * place.connections + SPARE;
    let (transport, tls) = match place.tls {
        None => ("", String::new()),
        Some((certificate, key)) => (
            " ssl http2",
            format!(
                "ssl_certificate {}; ssl_certificate_key {}; ssl_protocols TLSv1.3;",
                certificate.display(),
                key.display()
            ),
        ),
    };
    // A root's worker would otherwise be `nobody`, who may not enter the folder.
    format!(
        r"daemon off;
user root;
worker_processes 1;
worker_rlimit_nofile {connections};
pid nginx.pid;
error_log stderr error;
events {{ worker_connections {connections}; }}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    client_max_body_size 4m;
    keepalive_timeout 600s;
    keepalive_requests {REQUESTS};
    upstream target {{
        server {upstream};
        keepalive {KEPT};
        keepalive_requests {REQUESTS};
        keepalive_timeout 600s;
    }}
    server {{
        listen {listen}{transport} backlog=4096;
        {tls}
        location / {{
            proxy_pass http://target;
            proxy_http_version 1.1;
            proxy_set_header Connection '';
            proxy_set_header Host $host;
        }}
    }}
}}
"
    )
}
