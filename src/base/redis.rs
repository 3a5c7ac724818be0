//! Where Redis is and how it is spoken to, as the configuration says and the registry uses.
//!
//! Plain data. It holds a password: its `Debug` shows none.

use super::secret::Secret;

/// One Redis server's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
}

impl std::fmt::Display for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// How the server with the registry is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Topology {
    /// One server.
    Standalone(Node),
    /// The primary of this name, as these sentinels say.
    Sentinel {
        /// What Sentinel calls it.
        master: String,
        /// The sentinels.
        nodes: Vec<Node>,
    },
    /// The node of a Cluster with the registry's slot; any of its nodes tells.
    Cluster(Vec<Node>),
}

impl Topology {
    /// The nodes that are asked first.
    pub fn nodes(&self) -> &[Node] {
        match self {
            Self::Standalone(node) => std::slice::from_ref(node),
            Self::Sentinel { nodes, .. } | Self::Cluster(nodes) => nodes,
        }
    }
}

/// How to reach Redis.
#[derive(Clone, Debug)]
pub struct RedisParams {
    /// Where it is.
    pub topology: Topology,
    /// Whether it speaks TLS.
    pub tls: bool,
    /// PEM of the certificate authority; `None` for the system's.
    pub ca: Option<Vec<u8>>,
    /// The ACL user; `None` for the default one.
    pub user: Option<String>,
    /// Its password.
    pub password: Option<Secret>,
    /// Number of the database; 0 in a Cluster.
    pub database: i64,
    /// What all names begin with.
    pub prefix: String,
    /// What sealing keys are encrypted under.
    pub sealing: Option<Secret>,
}
