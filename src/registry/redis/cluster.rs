//! A Cluster as its nodes describe it: who holds which slots, every node that may be asked again,
//! and connections to those that hold other slots than the registry's.
//!
//! The address in the configuration is one node's, and that node may be the one that fails: what
//! was learnt from it is asked as well. Nothing learnt here outlives the process.

use std::ops::RangeInclusive;

use redis::{Connection, ErrorKind, RedisResult, ServerErrorKind, Value};

use super::link::first;
use crate::base::redis::{Node, RedisParams, Topology};

/// Nodes that are remembered, and connections that are kept.
const NODES: usize = 64;
const CONNECTIONS: usize = 16;

/// What is known of a Cluster.
#[derive(Default)]
pub(super) struct Cluster {
    /// Slots and the primary that holds them.
    holders: Vec<(RangeInclusive<u16>, Node)>,
    /// Every node that was ever named last.
    nodes: Vec<Node>,
    others: Vec<(Node, Connection)>,
}

impl Cluster {
    /// The node that holds a name's slot now, as the first node says that answers.
    pub(super) fn find(&mut self, params: &RedisParams, name: &str) -> RedisResult<Node> {
        let slot = self.learn(params, name)?;
        self.holder(slot).cloned()
    }

    /// Does something where a name lies, over a connection of its own.
    pub(super) fn ask<T>(
        &mut self,
        params: &RedisParams,
        name: &str,
        slot: u16,
        what: impl FnOnce(&mut Connection) -> RedisResult<T>,
    ) -> RedisResult<T> {
        if self.holders.is_empty() {
            self.learn(params, name)?;
        }
        let holder = self.holder(slot)?.clone();
        let mut connection = match self.others.iter().position(|(node, _)| *node == holder) {
            Some(place) => self.others.swap_remove(place).1,
            None => params.primary(&holder)?,
        };
        match what(&mut connection) {
            Ok(done) => {
                self.others.truncate(CONNECTIONS - 1);
                self.others.push((holder, connection));
                Ok(done)
            }
            Err(error) => {
                // A slot that moved, or a node that is gone: the next use looks again.
                self.holders.clear();
                self.others.clear();
                Err(error)
            }
        }
    }

    /// Asks who holds what; the slot of a name.
    fn learn(&mut self, params: &RedisParams, name: &str) -> RedisResult<u16> {
        let Topology::Cluster(own) = &params.topology else { return Err(nobody()) };
        let mut candidates = own.clone();
        candidates.extend(self.nodes.iter().filter(|node| !own.contains(node)).cloned());
        let (slot, ranges) = first(&candidates, |node| {
            let mut asked = params.open(node, true)?;
            let slot = slot(&mut asked, name)?;
            let ranges: Vec<Value> = redis::cmd("CLUSTER").arg("SLOTS").query(&mut asked)?;
            let ranges: Vec<_> = ranges.iter().filter_map(|told| range(told, node)).collect();
            // A node that was cut off may know of nobody.
            if ranges.iter().any(|(slots, _)| slots.contains(&slot)) {
                Ok((slot, ranges))
            } else {
                Err(nobody())
            }
        })?;
        let mut nodes: Vec<Node> = Vec::new();
        for node in ranges.iter().flat_map(|(_, nodes)| nodes) {
            if nodes.len() < NODES && !nodes.contains(node) {
                nodes.push(node.clone());
            }
        }
        self.nodes = nodes;
        let holders =
            ranges.into_iter().filter_map(|(slots, nodes)| Some((slots, nodes.into_iter().next()?)));
        self.holders = holders.collect();
        Ok(slot)
    }

    fn holder(&self, slot: u16) -> RedisResult<&Node> {
        let found = self.holders.iter().find(|(slots, _)| slots.contains(&slot));
        found.map(|(_, node)| node).ok_or_else(nobody)
    }
}

/// The slot of a name.
pub(super) fn slot(connection: &mut Connection, name: &str) -> RedisResult<u16> {
    redis::cmd("CLUSTER").arg("KEYSLOT").arg(name).query(connection)
}

fn nobody() -> redis::RedisError {
    let kind = ErrorKind::Server(ServerErrorKind::ClusterDown);
    (kind, "no node of the cluster holds the registry's slot").into()
}

/// Slots and their nodes, the primary first: `[first, last, [host, port, …], …]`. An empty host is
/// the node that was asked.
fn range(told: &Value, asked: &Node) -> Option<(RangeInclusive<u16>, Vec<Node>)> {
    let Value::Array(parts) = told else { return None };
    let number = |at: usize| parts.get(at).and_then(|part| redis::from_redis_value_ref::<u16>(part).ok());
    let slots = number(0)?..=number(1)?;
    let node = |part: &Value| {
        let Value::Array(part) = part else { return None };
        let host: String = redis::from_redis_value_ref(part.first()?).ok()?;
        let port = redis::from_redis_value_ref(part.get(1)?).ok()?;
        Some(Node { host: if host.is_empty() { asked.host.clone() } else { host }, port })
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
        assert!(range(&Value::Array(vec![Value::Int(0)]), &asked).is_none());
        assert!(range(&Value::Nil, &asked).is_none());
    }
}
