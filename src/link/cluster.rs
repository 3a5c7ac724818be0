//! A Cluster as its nodes describe it: who holds which slots, every node that may be asked again,
//! and connections to those that hold other slots than the registry's.
//!
//! The address in the configuration is one node's, and that node may be the one that fails: what
//! was learnt from it is asked as well. Nothing learnt here outlives the process.

use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use redis::{Connection, ErrorKind, RedisResult, ServerErrorKind, Value};

use super::open::{FIRST, Turns, Until, ask};
use crate::base::redis::{Node, RedisParams};

/// Nodes that are remembered, and connections that are kept.
const NODES: usize = 64;
const CONNECTIONS: usize = 16;
/// After how long a node that failed is tried again for what may be lost.
const AGAIN: Duration = Duration::from_secs(5);

/// At most so often who holds what is asked where a node says that it has changed.
const SOON: Duration = Duration::from_secs(1);

/// Slots, and the nodes that have them, the primary first.
type Range = (RangeInclusive<u16>, Vec<Node>);

/// What is known of a Cluster.
#[derive(Default)]
pub struct Cluster {
    /// Slots and who has them.
    ranges: Vec<Range>,
    /// Every node that was named last.
    nodes: Vec<Node>,
    others: Vec<(Node, Connection)>,
    /// Whom to ask first for the way, here or of Sentinel.
    pub(super) turns: Turns,
    /// Nodes that failed, and when.
    failed: Vec<(Node, Instant)>,
    /// Whether who holds what has changed since it was asked, and when that was.
    is_stale: bool,
    asked: Option<Instant>,
}

impl Cluster {
    /// A connection to the node that holds a hash's slot now, as the first node says whose word leads to
    /// one that serves it: a node may be reached by its clients and by no other node.
    pub fn connect(&mut self, params: &RedisParams, hash: &str) -> RedisResult<Connection> {
        let candidates = self.candidates(params);
        let (connection, ranges) = self.turns.first(candidates, |node, until| {
            let (slot, ranges) = told(params, node, hash, until)?;
            let mut connection = params.primary(holder(&ranges, slot).ok_or_else(nobody)?, until)?;
            let _: Option<String> = ask(&mut connection, redis::cmd("HGET").arg(hash).arg("-"), until)?;
            Ok((connection, ranges))
        })?;
        self.keep(ranges);
        Ok(connection)
    }

    /// Does something where a slot is held, over a connection of its own. `name` is any name. A node that
    /// failed is left alone for a while, since each try may take as long as a node is waited for.
    pub fn ask<T>(
        &mut self,
        params: &RedisParams,
        name: &str,
        slot: u16,
        what: impl FnOnce(&mut Connection) -> RedisResult<T>,
    ) -> RedisResult<T> {
        self.learn(params, name)?;
        let holder = self.holder(slot).ok_or_else(nobody)?.clone();
        self.failed.retain(|(_, at)| at.elapsed() < AGAIN);
        if self.failed.iter().any(|(node, _)| *node == holder) {
            return Err(nobody());
        }
        let kept = self.others.iter().position(|(node, _)| *node == holder);
        let opened = match kept {
            Some(place) => Ok(self.others.swap_remove(place).1),
            None => params.primary(&holder, Until::within(FIRST)),
        };
        let done = opened.and_then(|mut connection| Ok((what(&mut connection)?, connection)));
        match done {
            Ok((done, connection)) => {
                self.others.truncate(CONNECTIONS - 1);
                self.others.push((holder, connection));
                Ok(done)
            }
            Err(error) => {
                // A slot that moved, or a node that is gone: who holds what is asked anew.
                self.failed.truncate(NODES - 1);
                self.failed.push((holder, Instant::now()));
                self.is_stale = true;
                Err(error)
            }
        }
    }

    /// Asks who holds what, where that is not known or no longer true, and not again and again.
    pub fn learn(&mut self, params: &RedisParams, name: &str) -> RedisResult<()> {
        let again = self.is_stale && self.asked.is_none_or(|asked| asked.elapsed() >= AGAIN);
        if !self.ranges.is_empty() && !again {
            return Ok(());
        }
        self.asked = Some(Instant::now());
        let candidates = self.candidates(params);
        let (_, ranges) = self.turns.first(candidates, |node, until| {
            let (slot, ranges) = told(params, node, name, until)?;
            // A node that was cut off, or taken out, knows of nobody.
            if holder(&ranges, slot).is_some() { Ok((slot, ranges)) } else { Err(nobody()) }
        })?;
        self.keep(ranges);
        Ok(())
    }

    /// A node said that it does not hold a slot any more: who holds what is asked anew, soon.
    pub fn outdated(&mut self) {
        self.is_stale = true;
        if self.asked.is_some_and(|asked| asked.elapsed() >= SOON) {
            self.asked = None;
        }
    }

    /// Who holds a slot, as far as that is known: one node is asked once for all of its own.
    pub fn holder(&self, slot: u16) -> Option<&Node> {
        holder(&self.ranges, slot)
    }

    /// The configured nodes, and all that were learnt of.
    fn candidates(&self, params: &RedisParams) -> Vec<Node> {
        let own = params.topology.nodes();
        own.iter().chain(self.nodes.iter().filter(|node| !own.contains(node))).cloned().collect()
    }

    fn keep(&mut self, ranges: Vec<Range>) {
        let mut nodes: Vec<Node> = Vec::new();
        for node in ranges.iter().flat_map(|(_, nodes)| nodes) {
            if nodes.len() < NODES && !nodes.contains(node) {
                nodes.push(node.clone());
            }
        }
        (self.nodes, self.ranges, self.is_stale) = (nodes, ranges, false);
    }
}

/// What a node says of a name's slot, and of who holds what.
fn told(params: &RedisParams, node: &Node, name: &str, until: Until) -> RedisResult<(u16, Vec<Range>)> {
    let mut asked = params.open(node, true, until)?;
    let slot = ask(&mut asked, redis::cmd("CLUSTER").arg("KEYSLOT").arg(name), until)?;
    let ranges: Vec<Value> = ask(&mut asked, redis::cmd("CLUSTER").arg("SLOTS"), until)?;
    Ok((slot, ranges.iter().filter_map(|told| range(told, node)).collect()))
}

fn holder(ranges: &[Range], slot: u16) -> Option<&Node> {
    ranges.iter().find(|(slots, _)| slots.contains(&slot)).and_then(|(_, nodes)| nodes.first())
}

fn nobody() -> redis::RedisError {
    let kind = ErrorKind::Server(ServerErrorKind::ClusterDown);
    (kind, "no node of the cluster holds the slot").into()
}

/// Slots and their nodes, the primary first: `[first, last, [host, port, …], …]`. An empty host is
/// the node that was asked.
fn range(told: &Value, asked: &Node) -> Option<Range> {
    let Value::Array(parts) = told else { return None };
    let number = |at: usize| parts.get(at).and_then(|part| redis::from_redis_value_ref::<u16>(part).ok());
    let slots = number(0)?..=number(1)?;
    let node = |part: &Value| {
        let Value::Array(part) = part else { return None };
        // Nil where the node does not know by what name it is reached.
        let host: Option<String> = redis::from_redis_value_ref(part.first()?).ok()?;
        let port = redis::from_redis_value_ref(part.get(1)?).ok()?;
        let host = host.filter(|host| !host.is_empty()).unwrap_or_else(|| asked.host.clone());
        Some(Node { host, port })
    };
    Some((slots, parts.get(2..)?.iter().filter_map(node).collect()))
}

#[cfg(test)]
mod tests {
    use super::{Node, Value, range};

    #[test]
    fn a_range_names_its_primary_first_and_an_empty_host_is_who_was_asked() {
        let text = |text: &str| Value::BulkString(text.into());
        let node = |host: &str, port: i64| Value::Array(vec![text(host), Value::Int(port), text("id")]);
        let told =
            Value::Array(vec![Value::Int(0), Value::Int(5_460), node("", 7_000), node("10.0.0.2", 7_001)]);
        let asked = Node { host: "10.0.0.1".into(), port: 7_005 };
        let (slots, nodes) = range(&told, &asked).unwrap();
        assert!(slots.contains(&5_460) && !slots.contains(&5_461));
        let shown: Vec<String> = nodes.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["10.0.0.1:7000", "10.0.0.2:7001"]);
        let unnamed = Value::Array(vec![Value::Nil, Value::Int(7_000)]);
        let told = Value::Array(vec![Value::Int(0), Value::Int(1), unnamed, node("10.0.0.2", 7_001)]);
        assert_eq!(range(&told, &asked).unwrap().1[0].to_string(), "10.0.0.1:7000");
        assert!(range(&Value::Array(vec![Value::Int(0)]), &asked).is_none());
        assert!(range(&Value::Nil, &asked).is_none());
    }
}
