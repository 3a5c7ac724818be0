//! Bodies made from the corpus by accident: members put in, doubled and crossed, salted with what matters.
//!
//! Nobody says of them what has to become of them; only that nothing reaches the upstream which
//! some reader takes for a forbidden call, and that what does reach it is what was sent.

use super::reached;
use super::readers::{RULES, read_all, smuggled};
use super::sending::{Headers, send_all, session};
use crate::corpus::{Body, Expected, bodies};
use crate::world::{World, strength};

/// Members that are put in where one may begin.
const MEMBERS: [&str; 16] = [
    r#""method":"tools/call","#,
    r#""method":"tools/list","#,
    r#""params":{"name":"crm.write_activity"},"#,
    r#""name":"crm.write_activity","#,
    r#""name":"crm.read_note","#,
    r#""uri":"crm://secret/a","#,
    r#""result":{},"#,
    r#""error":null,"#,
    r#""id":null,"#,
    r#""jsonrpc":"2.0","#,
    r#""_meta":{},"#,
    r#""ref":{"type":"ref/prompt","name":"secret.plan"},"#,
    r#""type":"ref/resource","#,
    r#""__proto__":{"method":"tools/call","name":"crm.write_activity"},"#,
    r#""x":[{"method":"tools/call"}],"#,
    r#""":1e999,"#,
];

/// What is put in before or behind a quote.
const SALT: [&str; 22] = [
    "\\u0000", "\\u006d", "\\ud800", "\\u200b", "\\ufeff", "\\\\", "\\t", " ", "\t", "\n", "\0", "\u{feff}",
    "\u{a0}", "\u{17f}", "\u{212a}", "\u{131}", "m", "e", "/*", "*/", ",", "\"",
];

/// A generator of the xorshift kind: the same numbers on every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % (end as u64).max(1)).unwrap()
    }
}

/// A place in a body behind or before one of these bytes.
fn place(numbers: &mut Numbers, bytes: &[u8], behind: bool, marks: &[u8]) -> usize {
    let places: Vec<usize> = (0..bytes.len()).filter(|at| marks.contains(&bytes[*at])).collect();
    places.get(numbers.below(places.len())).map_or(0, |at| at + usize::from(behind))
}

/// One body, changed in one to three places.
fn mutant(numbers: &mut Numbers, bodies: &[Body], number: usize) -> Body {
    // The legal ones stand first, and are taken more often: most changes spoil a body.
    let legal = bodies.partition_point(|body| body.expected == Expected::Passes);
    let among = if numbers.below(4) > 0 { legal } else { bodies.len() };
    let mut body = bodies[numbers.below(among)].clone();
    for _ in 0..=numbers.below(3) {
        let kind = numbers.below(8);
        let bytes = &body.bytes;
        let (range, new) = match kind {
            0..=2 => {
                let at = place(numbers, bytes, true, b"{,");
                (at..at, MEMBERS[numbers.below(MEMBERS.len())].as_bytes().to_vec())
            }
            3 | 4 => {
                let at = place(numbers, bytes, kind == 3, b"\"");
                (at..at, SALT[numbers.below(SALT.len())].as_bytes().to_vec())
            }
            5 => {
                let at = numbers.below(bytes.len());
                (at..at + 1, bytes[at..=at].to_ascii_uppercase())
            }
            6 => {
                // A member or an element, doubled.
                let at = place(numbers, bytes, true, b"{,");
                let end = at + bytes[at..].iter().position(|byte| *byte == b',').map_or(0, |to| to + 1);
                (at..at, bytes[at..end].to_vec())
            }
            _ => {
                let other = &bodies[numbers.below(bodies.len())].bytes;
                let from = place(numbers, other, true, b"{,");
                let at = place(numbers, bytes, true, b"{,");
                let end = from + other[from..].iter().position(|byte| *byte == b',').map_or(0, |to| to + 1);
                (at..at, other[from..end].to_vec())
            }
        };
        body.bytes.splice(range, new);
    }
    body.name = format!("mutant {number} of {}", body.name);
    body.expected = Expected::Refused(0);
    body
}

#[test]
fn what_accident_makes_of_the_corpus_does_not_get_through_either() {
    let mut bodies = bodies();
    bodies.retain(|body| {
        (1..2_000).contains(&body.bytes.len())
            && !body.misshapen
            && body.expected != Expected::Refused(-32700)
    });
    bodies.sort_by_key(|body| body.expected != Expected::Passes);
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let mutants: Vec<Body> =
        (0..strength(2_000, 50_000)).map(|number| mutant(&mut numbers, &bodies, number)).collect();
    let seen = read_all(&mutants);
    let world = World::new("", RULES);
    let (key, _) = world.issue(&["crm:read"]);
    let gateway = world.serve();
    let session = session(&gateway, &key);
    send_all(&gateway, &key, &session, &mutants, &seen);
    let reached = reached(&world.recorder);
    let arrived = |index: usize| reached.get(&Headers::Own.mark(index));
    let wrong = smuggled(&mutants, &seen, |index| arrived(index).is_some());
    let told = |index: &usize| String::from_utf8_lossy(&mutants[*index].bytes).into_owned();
    let texts: Vec<String> = (0..mutants.len())
        .filter(|index| wrong.iter().any(|line| line.starts_with(&format!("{}:", mutants[*index].name))))
        .map(|index| told(&index))
        .collect();
    assert!(wrong.is_empty(), "{}\n{}", wrong.join("\n"), texts.join("\n"));
    let mut passed = 0;
    for (index, mutant) in mutants.iter().enumerate() {
        let Some(arrived) = arrived(index) else { continue };
        assert!(matches!(&arrived[..], [one] if one.as_bytes() == mutant.bytes), "{}", told(&index));
        passed += 1;
    }
    println!("{passed} of {} mutants passed", mutants.len());
    assert!(passed >= mutants.len() / 20, "nearly none of them is a message: {passed}");
}
