//! What `tollgate doctor` finds of the books: the audit log's folder and its newest file, and the collector.
//!
//! It only looks: it makes no folder, writes no file, and sends the collector nothing.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::fs::{Access, access, statvfs};

use super::audit::seen;
use super::doctor::{Finding, well, wrong};
use crate::config::{AuditSettings, Settings};
use crate::telemetry::audit::verify::{Source, VerifyOptions, verify};
use crate::telemetry::audit::{FileParams, FolderFault, list};
use crate::telemetry::otlp::{OtlpParams, reach};
use crate::upstream::Trust;

/// Bytes of a file that are read while somebody waits: a second or so.
const READ: u64 = 128 * 1024 * 1024;

const MIB: u64 = 1024 * 1024;

/// What there is to say; nothing of what is not configured.
pub(super) fn findings(settings: &Settings) -> Vec<Finding> {
    let audit = settings.audit.files.as_ref().map(|files| {
        let what = format!("audit log in {}", files.folder.display());
        match audit(&settings.audit, files) {
            Ok(told) => well(what, told),
            Err(fault) => wrong(what, fault),
        }
    });
    let collector = settings.otlp.as_ref().map(|otlp| {
        let scheme = if otlp.endpoint.tls { "https" } else { "http" };
        let what = format!("collector at {scheme}://{}", otlp.endpoint.authority);
        match collector(otlp) {
            Ok(told) => well(what, told),
            Err(fault) => wrong(what, fault),
        }
    });
    audit.into_iter().chain(collector).collect()
}

fn audit(settings: &AuditSettings, files: &FileParams) -> Result<String, String> {
    let folder = files.folder.as_path();
    let Ok(metadata) = folder.metadata() else {
        return missing(folder);
    };
    if !metadata.is_dir() {
        return Err("found a file; accepted: a folder, or nothing, and the gateway makes one".into());
    }
    let mode = metadata.mode() & 0o777;
    if mode & 0o027 != 0 {
        return Err(FolderFault::Open(folder.to_owned(), mode).to_string());
    }
    if access(folder, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK).is_err() {
        return Err(format!(
            "found a folder of the user {} that this user may not write to; accepted: one of the gateway's own user (chown), who should run this as well",
            metadata.uid()
        ));
    }
    let room = room(folder, files)?;
    let newest = newest(settings, folder)?;
    let signed = match &settings.signer {
        Some(signer) => format!("checkpoints are signed by {}", signer.public()),
        None => "nothing is signed (audit.signing_key)".into(),
    };
    Ok(format!("{room}; {newest}; {signed}"))
}

/// The gateway makes a folder, and none above it.
fn missing(folder: &Path) -> Result<String, String> {
    let above = folder.parent().unwrap_or(folder);
    if access(above, Access::WRITE_OK | Access::EXEC_OK).is_ok() {
        return Ok("is not there yet; the gateway makes it at its start".into());
    }
    Err(format!(
        "found nothing, and this user cannot make it in {}; accepted: a folder of the gateway's own user, with mode 700",
        above.display()
    ))
}

/// Room for one more file: a finished one and its compressed form are there at a time.
fn room(folder: &Path, files: &FileParams) -> Result<String, String> {
    let disk = statvfs(folder).map_err(|error| format!("its disk does not say what is free: {error}"))?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize) / MIB;
    let needed = files.rotate_size.div_ceil(MIB);
    if free < needed {
        return Err(format!(
            "found {free} MiB free on its disk; accepted: room for a file, which is audit.rotate_size, {needed} MiB; make room, or let older files go (audit.retain_size, audit.retain_age)"
        ));
    }
    Ok(format!("{free} MiB free"))
}

/// Whether the newest file of this replica follows its own beginning and its checkpoints.
fn newest(settings: &AuditSettings, folder: &Path) -> Result<String, String> {
    let mut found = list(folder).map_err(|error| format!("cannot be read: {error}"))?;
    found.retain(|file| file.replica == settings.replica);
    let Some(file) = found.pop() else { return Ok("no file yet".into()) };
    let name = file.name();
    if file.path.metadata().is_ok_and(|metadata| metadata.len() > READ) {
        return Ok(format!("{name} is too large to be looked through here ('tollgate audit verify' does)"));
    }
    let report = verify(&Source::Files(vec![file.path]), &VerifyOptions::default())
        .map_err(|fault| fault.to_string())?;
    let mut records = 0;
    for chain in report.chains {
        if let Some(problem) = chain.problem {
            return Err(format!(
                "{}; 'tollgate audit verify' looks through all files: keep them as they are until it is known who changed them",
                seen(&problem.to_string())
            ));
        }
        records += chain.records;
    }
    Ok(format!("{records} records in {name}, which is sound"))
}

fn collector(otlp: &OtlpParams) -> Result<String, String> {
    let tls = if otlp.endpoint.tls {
        let ca = otlp.ca.as_ref().map(|file| file.display().to_string().into_boxed_str());
        let trust = Trust::default();
        trust.prepare([ca.clone()]).map_err(|fault| fault.to_string())?;
        trust.get(ca.as_deref())
    } else {
        None
    };
    let how = if otlp.endpoint.tls { "over TLS" } else { "without TLS" };
    match reach(otlp.clone(), tls) {
        Ok(()) => Ok(format!("takes connections {how}")),
        Err(error) => Err(format!(
            "{error}; accepted: a collector that takes OTLP over {} there; see otlp.endpoint, otlp.protocol and otlp.ca",
            otlp.protocol.spoken()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::room;
    use crate::telemetry::audit::{FileParams, Retention};
    use std::time::Duration;

    #[test]
    fn a_disk_without_room_for_a_file_is_told() {
        let folder = tempfile::TempDir::new().unwrap();
        let told = |rotate_size| {
            let (folder, retention) = (folder.path().to_owned(), Retention::default());
            let files =
                FileParams { folder: folder.clone(), rotate_size, rotate_age: Duration::MAX, retention };
            room(&folder, &files)
        };
        assert!(told(1).unwrap().ends_with("MiB free"));
        let fault = told(u64::MAX).unwrap_err();
        for part in ["MiB free", "accepted: room for a file", "audit.retain_size"] {
            assert!(fault.contains(part), "{part} is not in {fault}");
        }
    }
}
