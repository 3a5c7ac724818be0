//! `tollgate audit key`: makes the key that signs an audit log.
//!
//! A gateway never makes one by itself: a file that is missing would otherwise be a new key that nobody knows of.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use serde_json::json;

use super::super::output;
use crate::cli::{CommandFault, Session};
use crate::config::public_beside;
use crate::telemetry::audit::Signer;

pub(super) fn make(out: &Path, as_json: bool, session: &mut Session<'_>) -> Result<(), CommandFault> {
    let pem = Signer::generate().map_err(|error| CommandFault::said(error.to_string()))?;
    let public =
        Signer::read(pem.as_bytes()).map_err(|error| CommandFault::said(error.to_string()))?.public();
    let beside = public_beside(out);
    write(out, &pem, 0o600)?;
    write(&beside, &public.to_pem(), 0o644)?;
    if as_json {
        let told =
            json!({ "private_key_file": out, "public_key_file": beside, "public_key": public.to_string() });
        return Ok(output::json_line(session.out, &told)?);
    }
    writeln!(
        session.out,
        "{} signs the log: name it in audit.signing_key, and keep it from who reads the log",
        out.display()
    )?;
    writeln!(
        session.out,
        "{} verifies it: keep a copy where nobody who can write the log can write it",
        beside.display()
    )?;
    Ok(writeln!(session.out, "public key {public}")?)
}

fn write(path: &Path, text: &str, mode: u32) -> Result<(), CommandFault> {
    let written = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    let written = written.and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()));
    written.map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => CommandFault::said(format!(
            "{} is there already; a key is never replaced: name another file, or move this one away",
            path.display()
        )),
        _ => CommandFault::said(format!("{} cannot be written: {error}", path.display())),
    })
}
