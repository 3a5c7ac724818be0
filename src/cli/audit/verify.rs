//! `tollgate audit verify`: says whether a log is sound, and exactly what that means.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::super::output;
use super::args::VerifyArguments;
use super::place;
use super::show::seen;
use crate::cli::{CommandFault, Common, Session};
use crate::telemetry::audit::verify::{self, ChainReport, Checked, Report, Source, VerifyOptions};
use crate::telemetry::audit::{Hash, PublicKey};

pub(super) fn verify(
    what: &VerifyArguments,
    common: &Common,
    session: &mut Session<'_>,
) -> Result<(), CommandFault> {
    let (source, beside) = match what.files.as_slice() {
        [] => {
            let (folder, public_key) = place(common, session)?;
            (Source::Folder(folder), public_key.filter(|key| key.exists()))
        }
        [folder] if folder.is_dir() => (Source::Folder(folder.clone()), None),
        files => (Source::Files(files.to_vec()), None),
    };
    let beside: Vec<PathBuf> = beside.into_iter().collect();
    let files = if what.public_key.is_empty() { &beside } else { &what.public_key };
    let keys = files.iter().map(read_key).collect::<Result<Vec<_>, _>>()?;
    let heads = what.head.iter().map(|head| read_hash(head)).collect::<Result<Vec<_>, _>>()?;
    let options = VerifyOptions { keys, heads };
    let report = verify::verify(&source, &options).map_err(|fault| CommandFault::said(fault.to_string()))?;
    if common.json {
        output::json_line(session.out, &as_json(&report))?;
    } else {
        report.chains.iter().try_for_each(|chain| tell(session, chain))?;
    }
    let missing = report.missing_heads.iter().map(|head| {
        format!(
            "no record has the hash {head}: the log was cut off before it, or written anew, or its files were deleted"
        )
    });
    let problems = report.chains.iter().filter_map(|chain| chain.problem.as_ref());
    let problems: Vec<String> = missing.chain(problems.map(|p| seen(&p.to_string()))).collect();
    if problems.is_empty() { Ok(()) } else { Err(CommandFault::said(problems.join("\n"))) }
}

fn read_key(file: &PathBuf) -> Result<PublicKey, CommandFault> {
    let pem =
        std::fs::read(file).map_err(|error| CommandFault::said(format!("{}: {error}", file.display())))?;
    PublicKey::read(&pem).map_err(|fault| CommandFault::said(format!("{}: {fault}", file.display())))
}

fn read_hash(text: &str) -> Result<Hash, CommandFault> {
    Hash::parse(text.as_bytes()).ok_or_else(|| {
        CommandFault::said(format!("found the hash {text:?}; accepted: 64 hexadecimal digits in lower case"))
    })
}

/// Says of one chain what is known of it.
fn tell(session: &mut Session<'_>, chain: &ChainReport) -> Result<(), CommandFault> {
    let out = &mut *session.out;
    let ChainReport { replica, first, last, .. } = chain;
    let files = counted(chain.files as u64, "file");
    let records = match chain.records {
        0 => "no record is right".into(),
        1 => format!("record {first} is right"),
        _ => format!("records {first} to {} follow each other", last.seq),
    };
    writeln!(out, "{}: {files}, {records}", seen(replica))?;
    writeln!(out, "  {}", seen(&vouched(chain)))?;
    let is_noted = chain.noted.iter().any(|noted| noted.hash == last.hash);
    // Where nothing is signed, that was said of all of it.
    let signed = chain.checked.as_ref().filter(|checked| checked.by.is_some());
    let behind = signed.map_or(0, |checked| last.seq.saturating_sub(checked.head.seq));
    if behind > 0 && !is_noted {
        let them = if behind == 1 { "it" } else { "them" };
        writeln!(
            out,
            "  behind that, {}, chained and not signed: who can write the files could have written {them} anew, or cut {them} off",
            counted(behind, "record")
        )?;
    }
    for noted in &chain.noted {
        writeln!(
            out,
            "  record {} has the hash {} that was noted: all up to it is there",
            noted.seq, noted.hash
        )?;
    }
    for (file, bytes) in &chain.left_out {
        writeln!(
            out,
            "  {} was not closed: its writer was killed, or could not go on; {} at its end {} not count",
            seen(file),
            counted(*bytes, "byte"),
            if *bytes == 1 { "does" } else { "do" }
        )?;
    }
    for (first, last) in &chain.stood_unsigned {
        writeln!(
            out,
            "  records {first} to {last} stood unsigned when their writer was killed: who could write the files then could have written them anew, or cut them off"
        )?;
    }
    if chain.unfinished > 0 {
        writeln!(
            out,
            "  {} at the end {} no whole record: one that is being written, or that a kill left",
            counted(chain.unfinished, "byte"),
            if chain.unfinished == 1 { "is" } else { "are" }
        )?;
    }
    if chain.problem.is_none() && !is_noted {
        let end = if chain.is_closed { "the log was closed" } else { "the log is open" };
        writeln!(
            out,
            "  {end}; that nothing behind record {} was cut off is told by a hash that was noted elsewhere (--head)",
            last.seq
        )?;
    }
    Ok(writeln!(out, "  head {}", last.hash)?)
}

/// So many of something.
fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn vouched(chain: &ChainReport) -> String {
    match &chain.checked {
        None => {
            "no checkpoint: nothing is signed, and who can write the files could have written all of it anew"
                .into()
        }
        Some(Checked { head, time, by: Some(key), is_trusted: true }) => {
            let but =
                if chain.stood_unsigned.is_empty() { "" } else { ", but for what stood unsigned (below)" };
            format!("signed up to record {} ({time}) by {key}: as the gateway wrote them{but}", head.seq)
        }
        Some(Checked { head, time, by: Some(key), .. }) => format!(
            "signed up to record {} ({time}) by {key}, by the log's own word: --public-key tells whether that is the gateway's",
            head.seq
        ),
        Some(Checked { .. }) => {
            "nothing is signed: who can write the files could have written all of it anew (audit.signing_key)"
                .into()
        }
    }
}

fn as_json(report: &Report) -> Value {
    let chains = report.chains.iter().map(|chain| {
        let checked = chain.checked.as_ref().filter(|checked| checked.by.is_some());
        let signed = checked.map(|checked| {
            json!({
                "seq": checked.head.seq,
                "hash": checked.head.hash.to_string(),
                "time": checked.time,
                "public_key": checked.by.map(|key| key.to_string()),
                "trusted": checked.is_trusted,
            })
        });
        let problem = chain.problem.as_ref().map(|problem| {
            json!({ "file": problem.file, "line": problem.line, "seq": problem.seq, "what": problem.what.to_string() })
        });
        let left_out = chain.left_out.iter().map(|(file, bytes)| json!({ "file": file, "bytes": bytes }));
        let unsigned =
            chain.stood_unsigned.iter().map(|(first, last)| json!({ "first": first, "last": last }));
        json!({
            "replica": chain.replica,
            "chain": chain.chain,
            "files": chain.files,
            "records": chain.records,
            "first": chain.first,
            "last": chain.last.seq,
            "head": chain.last.hash.to_string(),
            "signed": signed,
            "noted": chain.noted.iter().map(|noted| noted.hash.to_string()).collect::<Vec<_>>(),
            "closed": chain.is_closed,
            "unfinished_bytes": chain.unfinished,
            "left_out": left_out.collect::<Vec<_>>(),
            "stood_unsigned": unsigned.collect::<Vec<_>>(),
            "problem": problem,
        })
    });
    let chains: Vec<Value> = chains.collect();
    json!({
        "sound": report.is_sound(),
        "missing_heads": report.missing_heads.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "chains": chains,
    })
}
