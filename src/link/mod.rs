//! How Redis is reached: one server, the primary that Sentinel names, or the node of a Cluster that
//! holds the registry's slot. Each is found anew with every connection, so that a failover is
//! followed by connecting again.
//!
//! Credentials and certificates are handed to the driver and stand in no message.

mod cluster;
mod open;
mod pipeline;

use std::time::Duration;

use redis::{Connection, RedisError, RedisResult};

use crate::base::redis::{Node, RedisParams, Topology};

pub use cluster::Cluster;
use open::{FIRST, Until, ask};
pub use pipeline::{ANSWERS, BULK, answers, query};

/// Time that a command may take beyond the time that it was told to wait.
pub const ANSWER: Duration = Duration::from_secs(3);

impl RedisParams {
    /// Where Redis is, for people.
    pub fn place(&self) -> String {
        let list = |nodes: &[Node]| nodes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        match &self.topology {
            Topology::Standalone(node) => format!("redis at {node}"),
            Topology::Sentinel { master, nodes } => {
                format!("redis {master:?} of the sentinels {}", list(nodes))
            }
            Topology::Cluster(nodes) => format!("redis cluster at {}", list(nodes)),
        }
    }

    /// A connection to the primary that holds `name`, within some ten seconds however many nodes are asked.
    pub fn connect(&self, name: &str, cluster: &mut Cluster) -> RedisResult<Connection> {
        match &self.topology {
            Topology::Standalone(node) => self.primary(node, Until::within(FIRST)),
            Topology::Sentinel { master, nodes } => cluster.turns.first(nodes.clone(), |sentinel, until| {
                let mut asked = self.open(sentinel, false, until)?;
                let question = redis::cmd("SENTINEL").arg("GET-MASTER-ADDR-BY-NAME").arg(master).clone();
                let named: Option<(String, u16)> = ask(&mut asked, &question, until)?;
                let (host, port) = named.ok_or_else(|| {
                    RedisError::from((
                        redis::ErrorKind::InvalidClientConfig,
                        "the sentinel knows no primary of this name",
                        master.clone(),
                    ))
                })?;
                // One that was cut off names a primary that is none any more.
                self.primary(&Node { host, port }, until)
            }),
            Topology::Cluster(_) => cluster.connect(self, name),
        }
    }
}

/// What Redis or the driver says, in words for the operator; never a credential.
pub fn reason(error: &RedisError) -> String {
    use redis::{ErrorKind, ServerErrorKind};
    match error.kind() {
        ErrorKind::AuthenticationFailed => "it does not accept the user and the password".into(),
        ErrorKind::Server(ServerErrorKind::NoPerm) => {
            format!("the user lacks a right ({error}); docs/OPERATIONS.md has the lines for ACL SETUSER")
        }
        ErrorKind::Server(ServerErrorKind::BusyLoading) => "it is still loading its data".into(),
        _ if error.is_timeout() => "it does not answer in time".into(),
        _ if error.is_connection_refusal() => "nothing listens there".into(),
        _ => error.to_string(),
    }
}
