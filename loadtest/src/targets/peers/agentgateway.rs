//! agentgateway with its API-key policy: as a plain HTTP route, and as an MCP route.
//!
//! Written for the schema that agentgateway keeps as `schema/config.md`, commit
//! e5645fbdcc91c619439e113dc7c26840e3f85a44. The file is JSON, which is YAML too. It listens on
//! every address of the machine: the schema has a port and no address.

use serde_json::{Value, json};

use super::{Place, write};
use crate::Done;
use crate::traffic::call::PATH;

/// What differs from its defaults.
pub(super) const SETTINGS: &str = "one worker, no access log, API keys checked strictly, TLS 1.3 alone";
/// The members of the schema that are used here, as it writes them but for the marks of choices.
#[cfg(test)]
pub(super) const MEMBERS: [&str; 18] = [
    "config.workerThreads",
    "config.adminAddr",
    "config.statsAddr",
    "config.readinessAddr",
    "config.logging.filter",
    "config.logging.level",
    "binds[].port",
    "binds[].listeners[].protocol",
    "binds[].listeners[].tls.cert",
    "binds[].listeners[].tls.key",
    "binds[].listeners[].tls.minTLSVersion",
    "binds[].listeners[].tls.maxTLSVersion",
    "binds[].listeners[].routes[].policies.apiKey.mode",
    "binds[].listeners[].routes[].policies.apiKey.keys[].key",
    "binds[].listeners[].routes[].backends[].host",
    "binds[].listeners[].routes[].backends[].mcp.statefulMode",
    "binds[].listeners[].routes[].backends[].mcp.targets[].name",
    "binds[].listeners[].routes[].backends[].mcp.targets[].mcp.host",
];

/// Writes the configuration of the HTTP route; gives its arguments.
pub(super) fn prepare_http(place: &Place<'_>) -> Done<Vec<String>> {
    prepare(place, &json!({ "host": place.upstream.to_string() }))
}

/// Writes the configuration of the MCP route; gives its arguments.
pub(super) fn prepare_mcp(place: &Place<'_>) -> Done<Vec<String>> {
    let url = format!("http://{}{PATH}", place.upstream);
    // Every call stands alone, as in the revision that is called; there is no session to keep.
    let target = json!({ "name": "bench", "mcp": { "host": url } });
    prepare(place, &json!({ "mcp": { "statefulMode": "stateless", "targets": [target] } }))
}

fn prepare(place: &Place<'_>, backend: &Value) -> Done<Vec<String>> {
    let file = place.folder.join("config.yaml");
    write(&file, &config(place, backend).to_string())?;
    Ok(vec!["-f".to_owned(), file.display().to_string()])
}

fn config(place: &Place<'_>, backend: &Value) -> Value {
    let keys: Vec<Value> = place.keys.iter().map(|key| json!({ "key": key })).collect();
    let routes = json!([{
        "policies": { "apiKey": { "mode": "strict", "keys": keys } },
        "backends": [backend],
    }]);
    let listener = match place.tls {
        None => json!({ "protocol": "HTTP", "routes": routes }),
        Some((certificate, key)) => json!({
            "protocol": "HTTPS",
            "tls": { "cert": certificate, "key": key,
                     "minTLSVersion": "TLS_V1_3", "maxTLSVersion": "TLS_V1_3" },
            "routes": routes,
        }),
    };
    json!({
        "config": {
            "workerThreads": "1",
            "adminAddr": "127.0.0.1:0",
            "statsAddr": "127.0.0.1:0",
            "readinessAddr": "127.0.0.1:0",
            // An expression: which requests the access log has.
            "logging": { "filter": "false", "level": "error" },
        },
        "binds": [{ "port": place.listen.port(), "listeners": [listener] }],
    })
}
