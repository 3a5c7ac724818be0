//! Upstreams that misbehave: whoever called gets an error or an answer that visibly broke off,
//! soon; whoever calls next gets the answer to that call.

use std::time::{Duration, Instant};

use super::Ground;
use super::h2::{Client, Outcome};
use super::http2::borrowed;
use crate::world::{ANSWER, Connection, call};

/// What the client of the misbehaving upstream gets.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Want {
    /// The answer to its call, whole: the fault came behind it.
    Own,
    /// 204, and nothing of what followed.
    Nothing,
    /// 502 in the gateway's words.
    Error,
    /// The beginning of an answer, and no end.
    Cut,
}
use Want::{Cut, Error, Nothing, Own};

const CASES: [(&str, Want); 44] = [
    ("surplus", Own),
    ("early", Own),
    ("until_close", Own),
    ("interim", Own),
    ("body_on_204", Nothing),
    ("late_204", Nothing),
    ("close", Error),
    ("two_lengths", Error),
    ("both_framings", Error),
    ("plus_length", Error),
    ("coded_twice", Error),
    ("old_chunks", Error),
    ("spaced", Error),
    ("switching", Error),
    ("many_interim", Error),
    ("interim_body", Error),
    ("endless_interim", Error),
    ("endless_head", Error),
    ("endless_line", Error),
    ("huge_head", Error),
    ("bare_lf", Error),
    ("mixed_lf", Error),
    ("folded", Error),
    ("nul", Error),
    ("injected", Error),
    ("no_status", Error),
    ("no_code", Error),
    ("version_2", Error),
    ("not_http", Error),
    ("cut_head", Error),
    ("cut_json", Error),
    ("cut_long", Cut),
    ("cut", Cut),
    ("cut_event", Cut),
    ("reset", Cut),
    ("bad_chunk", Cut),
    ("late_chunk_fault", Cut),
    ("chunk_lf", Cut),
    ("chunk_longer", Cut),
    ("chunk_overflow", Cut),
    ("endless_extensions", Cut),
    ("endless_trailers", Cut),
    ("unauthorized", Error),
    ("odd_headers", Own),
];

#[test]
fn nobody_gets_a_whole_answer_of_a_broken_upstream_nor_anybody_elses() {
    let ground = Ground::new("");
    let mut another = ground.gateway.connect();
    for (script, want) in CASES {
        let before = ground.seen();
        let mut connection = ground.gateway.connect();
        let begun = Instant::now();
        connection.send_call(&ground.key, &format!("crm.read_{script}"));
        let got = receive(&mut connection, script);
        let took = begun.elapsed();
        assert_eq!(got, want, "{script}");
        assert!(took < Duration::from_secs(1), "{script}: {took:?}");
        settle(script);
        ground.innocent(&mut another, script);
        if matches!(want, Cut) {
            assert!(connection.closed(), "{script}");
        } else {
            ground.innocent(&mut connection, script);
        }
        ground.innocent(&mut another, script);
        let calls = if matches!(want, Cut) { 3 } else { 4 };
        assert_eq!(ground.arrived(before, script), calls, "{script}: nothing is asked twice");
    }
    println!("measured: misbehaving upstreams, {} cases, over each protocol", CASES.len());
}

/// A second answer that comes after the next request was sent looks like the answer to that:
/// no recipient can tell. One that came before is noticed, and this waits for it to have come.
fn settle(script: &str) {
    if script == "early" {
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn receive(connection: &mut Connection, script: &str) -> Want {
    let mut answer = connection.head();
    if let Some(length) = answer.header("content-length") {
        let length: usize = length.parse().unwrap();
        answer.body = connection.up_to(length);
        if answer.body.len() < length {
            return Cut;
        }
    } else if answer.header("transfer-encoding") == Some("chunked") {
        let (mut whole, mut read) = (false, 0);
        while let Some(chunk) = connection.piece() {
            whole = chunk.is_empty();
            read += chunk.len();
            answer.body.extend(chunk);
            if whole {
                break;
            }
            assert!(read < 1 << 20, "{script}: no end");
        }
        if !whole {
            return Cut;
        }
    }
    match answer.status {
        200 => {
            assert_eq!(answer.text(), ANSWER, "{script}");
            Own
        }
        204 => Nothing,
        502 => {
            assert!(answer.reason().starts_with("upstream_"), "{script}: {answer:?}");
            Error
        }
        other => panic!("{script}: status {other}"),
    }
}

#[test]
fn the_same_holds_over_http2() {
    let ground = Ground::tls("");
    let mut another = Client::open(ground.gateway.address);
    for (script, want) in CASES {
        let mut client = Client::open(ground.gateway.address);
        let begun = Instant::now();
        let tool = format!("crm.read_{script}");
        let outcome = client.request(&borrowed(&ground.fields(&tool)), &call(&tool));
        let took = begun.elapsed();
        let got = match &outcome {
            Outcome::Answered(200, body) if body == ANSWER => Own,
            Outcome::Answered(204, body) if body.is_empty() => Nothing,
            Outcome::Answered(502, _) => Error,
            Outcome::Reset(_) => Cut,
            _ => panic!("{script}: {outcome:?}"),
        };
        assert_eq!(got, want, "{script}");
        assert!(took < Duration::from_secs(1), "{script}: {took:?}");
        settle(script);
        // A broken stream breaks no other of its connection.
        ground.innocent_h2(&mut client, script);
        ground.innocent_h2(&mut another, script);
    }
}
