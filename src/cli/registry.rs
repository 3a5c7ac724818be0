//! `tollgate registry …`: what the replicas of a registry in Redis know, and what is done where it
//! went back in time.

use serde_json::{Value, json};

use super::args::RegistryCommand;
use super::{CommandFault, Common, Session, config_file, output};
use crate::config::load_keys;
use crate::control::{open, place};
use crate::registry::redis::{Peer, Redis};

/// Runs a subcommand.
pub(super) fn run(
    command: &RegistryCommand,
    common: &Common,
    session: &mut Session<'_>,
) -> Result<(), CommandFault> {
    let settings = load_keys(&config_file(common.config.as_deref()), &session.environment)?;
    let mut opened = open(&settings.registry)?;
    let Some(redis) = opened.redis() else {
        return Err(CommandFault::said(format!(
            "the registry {} is a file of one gateway and has no replicas; this is for registry.kind = \"redis\"",
            place(&settings.registry)
        )));
    };
    match command {
        RegistryCommand::Status => status(redis, common.json, session),
        RegistryCommand::Restore => {
            let written = redis.restore()?;
            said(
                session,
                common.json,
                &json!({ "restored": written }),
                &format!("{written} keys written back"),
            )
        }
        RegistryCommand::Accept => {
            let confirmed = redis.accept()?;
            let text = format!("accepted; {confirmed} waiting replicas are confirmed");
            said(session, common.json, &json!({ "confirmed": confirmed }), &text)
        }
    }
}

fn said(session: &mut Session<'_>, as_json: bool, value: &Value, text: &str) -> Result<(), CommandFault> {
    if as_json {
        return Ok(output::json_line(session.out, value)?);
    }
    Ok(writeln!(session.out, "{text}")?)
}

fn status(redis: &mut Redis, as_json: bool, session: &mut Session<'_>) -> Result<(), CommandFault> {
    let (end, peers, claims) = (redis.end()?, redis.peers()?, redis.claims()?);
    let behind = |peer: &Peer| {
        let theirs = peer.applied.position;
        theirs.epoch != end.epoch || theirs.entry < end.entry
    };
    if as_json {
        let replicas = peers.iter().map(|peer| {
            json!({
                "name": peer.name,
                "live": peer.is_live(),
                "seen_ms_ago": peer.seen.as_millis() as u64,
                "applied_all": !behind(peer),
                "lost": peer.applied.lost,
                "waits_for_confirmation": peer.applied.waiting.is_some(),
            })
        });
        let replicas: Vec<Value> = replicas.collect();
        let claims: Vec<String> = claims.iter().map(|claim| claim.key_id.to_string()).collect();
        let value = json!({ "place": redis.place(), "replicas": replicas, "claims": claims });
        return Ok(output::json_line(session.out, &value)?);
    }
    let rows: Vec<Vec<String>> = peers
        .iter()
        .map(|peer| {
            let state = match (peer.is_live(), peer.applied.waiting, behind(peer)) {
                (false, ..) => "not seen",
                (_, Some(_), _) => "waits for 'registry accept'",
                (_, _, true) => "behind",
                _ => "has all",
            };
            vec![
                peer.name.clone(),
                state.into(),
                format!("{} s ago", peer.seen.as_secs()),
                peer.applied.lost.to_string(),
            ]
        })
        .collect();
    output::table(session.out, &["REPLICA", "STATE", "SEEN", "KEYS LOST"], &rows)?;
    if !claims.is_empty() {
        writeln!(
            session.out,
            "\nthe registry has lost {} keys that replicas know: 'tollgate registry restore' writes them back, 'tollgate registry accept' gives them up",
            claims.len()
        )?;
        for claim in &claims {
            writeln!(session.out, "  {} {}", claim.key_id, output::plain(&json!(claim.name)))?;
        }
    }
    Ok(())
}
