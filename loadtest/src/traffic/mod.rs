//! What a load consists of: eras, methods, sizes, forms of answers, keys, connections.
//!
//! Without options it is the call of record, which the figures of record depend on. All bytes
//! are made before the load begins. It sends nothing, and must never know who does: load and stub
//! both take from here what is said.

pub(crate) mod call;
pub(crate) mod message;
mod random;
mod zipf;

use std::rc::Rc;
use std::str::FromStr;

use self::call::{ANSWER, BODY, PATH};
use self::message::{Era, Form, Kind, Method};
pub(crate) use self::random::Random;
use self::zipf::Zipf;
use crate::Done;

/// The largest body that is sent.
const LARGEST: u32 = 1 << 20;
/// The smallest; some calls cannot be as small, and are as small as they can be.
const SMALLEST: u32 = 200;

/// The options that describe the load.
#[derive(clap::Args, Clone)]
#[command(next_help_heading = "Traffic")]
pub(crate) struct Traffic {
    /// Protocol eras, separated by commas.
    #[arg(long, value_delimiter = ',', default_values = ["modern"])]
    pub(crate) eras: Vec<Era>,
    /// Methods with their weights: tools/call, tools/list, server/discover (modern), ping (legacy).
    #[arg(long, value_delimiter = ',', default_values = ["tools/call=1"])]
    pub(crate) methods: Vec<Weighted>,
    /// Sizes of request bodies in bytes, equally often.
    #[arg(long, value_delimiter = ',', default_values_t = [BODY.len() as u32],
          value_parser = clap::value_parser!(u32).range(i64::from(SMALLEST)..=i64::from(LARGEST)))]
    pub(crate) bodies: Vec<u32>,
    /// Forms of answers, equally often.
    #[arg(long, value_delimiter = ',', default_values = ["json"])]
    pub(crate) answers: Vec<Form>,
    /// Size of the answer's JSON document in bytes.
    #[arg(long, default_value_t = ANSWER.len() as u32,
          value_parser = clap::value_parser!(u32).range(1..=i64::from(LARGEST)))]
    pub(crate) answer_bytes: u32,
    /// Draw keys by Zipf's law with this exponent; without it connections take turns with them.
    #[arg(long, value_parser = exponent)]
    pub(crate) zipf: Option<f64>,
    /// A connection for each request, as some MCP clients do.
    #[arg(long)]
    pub(crate) connection_per_request: bool,
    /// Full TLS handshakes: no session is resumed.
    #[arg(long)]
    pub(crate) no_resumption: bool,
    /// Status that every answer is to have, in place of 200 and the body of the stub: the load is
    /// one of refused requests.
    #[arg(long, value_name = "STATUS", value_parser = clap::value_parser!(u16).range(400..=599))]
    pub(crate) refused: Option<u16>,
    /// What calls, keys and gaps are drawn with.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
}

impl Default for Traffic {
    fn default() -> Self {
        Self {
            eras: vec![Era::Modern],
            methods: vec![Weighted { method: Method::ToolsCall, weight: 1 }],
            bodies: vec![BODY.len() as u32],
            answers: vec![Form::Json],
            answer_bytes: ANSWER.len() as u32,
            zipf: None,
            connection_per_request: false,
            no_resumption: false,
            refused: None,
            seed: 1,
        }
    }
}

/// A method and how often it is called.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weighted {
    method: Method,
    weight: u32,
}

impl FromStr for Weighted {
    type Err = String;

    fn from_str(text: &str) -> Done<Self> {
        let (name, weight) = text.split_once('=').unwrap_or((text, "1"));
        let method =
            Method::named(name).ok_or("tools/call, tools/list, server/discover or ping is accepted")?;
        let weight = weight.parse().ok().filter(|weight| (1..=1000).contains(weight));
        Ok(Self { method, weight: weight.ok_or("a weight from 1 to 1000 is accepted")? })
    }
}

fn exponent(text: &str) -> Done<f64> {
    let exponent = text.parse().ok().filter(|exponent| (0.01..=5.0).contains(exponent));
    exponent.ok_or_else(|| "an exponent from 0.01 to 5 is accepted".to_owned())
}

impl Traffic {
    /// The mix that most of a busy server's load is like: both eras, all methods, small and
    /// larger bodies, both forms of answers.
    pub(crate) fn mixed() -> Self {
        let weighted = |(method, weight)| Weighted { method, weight };
        let methods =
            [(Method::ToolsCall, 20), (Method::ToolsList, 2), (Method::Discover, 1), (Method::Ping, 1)];
        Self {
            eras: vec![Era::Modern, Era::Legacy],
            methods: methods.map(weighted).into(),
            bodies: vec![BODY.len() as u32, 2048, 32_768],
            answers: vec![Form::Json, Form::Sse],
            answer_bytes: 2048,
            zipf: Some(1.0),
            ..Self::default()
        }
    }

    /// Makes every variety ready to be sent.
    pub(crate) fn plan(&self, keys: Rc<[String]>) -> Done<Rc<Plan>> {
        let (mut calls, mut turns) = (Vec::new(), Vec::new());
        for era in &self.eras {
            for Weighted { method, weight } in self.methods.iter().filter(|own| own.method.exists_in(*era)) {
                for body in &self.bodies {
                    for form in &self.answers {
                        let (body, answer) = (*body as usize, self.answer_bytes as usize);
                        let kind = Kind { era: *era, method: *method, body, form: *form, answer };
                        turns.extend(std::iter::repeat_n(calls.len(), *weight as usize));
                        calls.push(Prepared::new(&kind, self.refused));
                    }
                }
            }
        }
        if calls.is_empty() {
            return Err("none of the methods exists in any of the eras".to_owned());
        }
        let count = u32::try_from(keys.len()).map_err(|_| "too many keys".to_owned())?;
        let zipf = self.zipf.map(|exponent| Zipf::new(count, exponent));
        Ok(Rc::new(Plan { calls, turns, keys, zipf, seed: self.seed }))
    }
}

/// All calls of a load.
pub(crate) struct Plan {
    calls: Vec<Prepared>,
    /// Indices of calls, each as often as its weight.
    turns: Vec<usize>,
    keys: Rc<[String]>,
    zipf: Option<Zipf>,
    seed: u64,
}

/// A call, ready but for the key.
pub(crate) struct Prepared {
    pub(crate) headers: Vec<(&'static str, &'static str)>,
    pub(crate) body: bytes::Bytes,
    pub(crate) expected: Expected,
}

/// What a call is to be answered with.
#[derive(Clone)]
pub(crate) enum Expected {
    /// Status 200 and this body.
    Answer(Rc<[u8]>),
    /// This status, whatever is said with it.
    Status(u16),
}

impl Prepared {
    /// The call of record, whole, as HTTP/1.1.
    pub(crate) fn of_record(host: &str, key: &str) -> Vec<u8> {
        let mut request = Vec::new();
        Self::new(&Kind::of_record(), None).write_http1(host, key, false, &mut request);
        request
    }

    /// One kind.
    pub(crate) fn new(kind: &Kind, refused: Option<u16>) -> Self {
        let expected = refused.map_or_else(|| Expected::Answer(kind.answered().into()), Expected::Status);
        Self { headers: kind.headers(), body: kind.request().into(), expected }
    }

    /// The whole HTTP/1.1 request, in place of what was there.
    pub(crate) fn write_http1(&self, host: &str, key: &str, close: bool, into: &mut Vec<u8>) {
        into.clear();
        let mut head = format!("POST {PATH} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {key}\r\n");
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if close {
            head.push_str("connection: close\r\n");
        }
        head.push_str(&format!("content-length: {}\r\n\r\n", self.body.len()));
        into.extend_from_slice(head.as_bytes());
        into.extend_from_slice(&self.body);
    }
}

/// What one client calls, one after the other.
pub(crate) struct Chooser {
    plan: Rc<Plan>,
    random: Random,
    number: usize,
}

/// Which call, and with which key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Choice {
    call: usize,
    key: usize,
}

impl Chooser {
    /// For the client of a number.
    pub(crate) fn new(plan: &Rc<Plan>, number: usize) -> Self {
        // Seeds of neighbours are far apart once they are mixed.
        let random = Random::seeded(plan.seed ^ (number as u64) << 32);
        Self { plan: Rc::clone(plan), random, number }
    }

    /// The next; nothing is drawn where there is no choice.
    pub(crate) fn next(&mut self) -> Choice {
        let turns = &self.plan.turns;
        let turn = if turns.len() > 1 { (self.random.bits() % turns.len() as u64) as usize } else { 0 };
        let key = match &self.plan.zipf {
            Some(zipf) => zipf.draw(&mut self.random) as usize,
            None => self.number % self.plan.keys.len().max(1),
        };
        Choice { call: turns.get(turn).copied().unwrap_or(0), key }
    }

    /// A choice's call.
    pub(crate) fn call(&self, choice: Choice) -> Done<&Prepared> {
        self.plan.calls.get(choice.call).ok_or_else(|| "no such call".to_owned())
    }

    /// A choice's key; empty where there are none.
    pub(crate) fn key(&self, choice: Choice) -> &str {
        self.plan.keys.get(choice.key).map_or("", String::as_str)
    }
}
