//! envoy as a plain reverse proxy: one worker, no access log, no header of its own, limits
//! that are never met.
//!
//! Its configuration is written as JSON, which envoy reads as it does YAML.

use std::path::Path;

use serde_json::{Value, json};

use super::{Place, write};
use crate::Done;

/// What differs from its defaults.
pub(super) const SETTINGS: &str = "one worker, no access log, no request id, no header of its own, limits that are never met, TLS 1.3 alone";
/// Beyond anything a run does: envoy's own limit of 1,024 connections and requests would count.
const NEVER_MET: u32 = 1_000_000;

/// Writes its configuration; gives its arguments.
pub(super) fn prepare(place: &Place<'_>) -> Done<Vec<String>> {
    let file = place.folder.join("envoy.json");
    write(&file, &config(place).to_string())?;
    let file = file.display().to_string();
    let arguments = ["-c", &file, "--concurrency", "1", "--disable-hot-restart", "-l", "error"];
    Ok(arguments.map(str::to_owned).to_vec())
}

fn config(place: &Place<'_>) -> Value {
    let filters = json!([{
        "name": "envoy.filters.network.http_connection_manager",
        "typed_config": manager(),
    }]);
    let chain = match place.tls {
        None => json!({ "filters": filters }),
        Some(files) => json!({ "filters": filters, "transport_socket": tls(files) }),
    };
    let limits = json!({ "max_connections": NEVER_MET, "max_pending_requests": NEVER_MET,
                         "max_requests": NEVER_MET });
    let upstream = json!({ "lb_endpoints": [
        { "endpoint": { "address": socket(place.upstream) } }
    ] });
    json!({ "static_resources": {
        "listeners": [{ "name": "listener", "address": socket(place.listen), "filter_chains": [chain] }],
        "clusters": [{
            "name": "target",
            "type": "STATIC",
            "connect_timeout": "5s",
            "circuit_breakers": { "thresholds": [limits] },
            "load_assignment": { "cluster_name": "target", "endpoints": [upstream] },
        }],
    } })
}

fn manager() -> Value {
    json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "listener",
        "codec_type": "AUTO",
        "generate_request_id": false,
        "server_header_transformation": "PASS_THROUGH",
        "common_http_protocol_options": { "idle_timeout": "600s" },
        "route_config": { "virtual_hosts": [{
            "name": "all",
            "domains": ["*"],
            "routes": [{ "match": { "prefix": "/" }, "route": { "cluster": "target", "timeout": "0s" } }],
        }] },
        "http_filters": [{
            "name": "envoy.filters.http.router",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
                "suppress_envoy_headers": true,
            },
        }],
    })
}

fn tls((certificate, key): (&Path, &Path)) -> Value {
    json!({
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
            "common_tls_context": {
                "alpn_protocols": ["h2", "http/1.1"],
                "tls_params": { "tls_minimum_protocol_version": "TLSv1_3",
                                "tls_maximum_protocol_version": "TLSv1_3" },
                "tls_certificates": [{ "certificate_chain": { "filename": certificate },
                                       "private_key": { "filename": key } }],
            },
        },
    })
}

fn socket(address: std::net::SocketAddr) -> Value {
    json!({ "socket_address": { "address": address.ip(), "port_value": address.port() } })
}
