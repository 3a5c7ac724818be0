//! `tollgate check` and `tollgate schema`.

use serde_json::json;

use super::{CommandFault, Common, Session, config_file, output};
use crate::config::{json_schema, load, toml_document};

/// Shows every fault of the configuration, or that there is none.
pub(super) fn check(common: &Common, session: &mut Session<'_>) -> Result<(), CommandFault> {
    let file = config_file(common.config.as_deref());
    match load(&file, &session.environment) {
        Ok(settings) if common.json => Ok(output::json_line(
            session.out,
            &json!({ "ok": true, "servers": settings.servers.len(), "faults": [] }),
        )?),
        Ok(settings) => {
            Ok(writeln!(session.out, "{} is sound; servers: {}", file.display(), settings.servers.len())?)
        }
        Err(faults) => {
            if common.json {
                let told = |fault: &crate::config::Fault| json!({ "path": fault.path, "found": fault.found, "accepted": fault.accepted });
                let list: Vec<_> = faults.0.iter().map(told).collect();
                output::json_line(session.out, &json!({ "ok": false, "faults": list }))?;
            }
            Err(faults.into())
        }
    }
}

/// Prints the JSON Schema, or a file with every setting.
pub(super) fn schema(toml: bool, session: &mut Session<'_>) -> Result<(), CommandFault> {
    if toml {
        return Ok(session.out.write_all(toml_document().as_bytes())?);
    }
    let text = serde_json::to_string_pretty(&json_schema()).unwrap_or_default();
    Ok(writeln!(session.out, "{text}")?)
}
