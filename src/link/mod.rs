//! How Redis is reached: one server, the primary that Sentinel names, or the node of a Cluster that
//! holds the registry's slot. Each is found anew with every connection, so that a failover is
//! followed by connecting again.
//!
//! Credentials and certificates are handed to the driver and stand in no message.

mod cluster;
mod pipeline;

use std::time::Duration;

use redis::{Client, Connection, ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _, RedisError};
use redis::{RedisConnectionInfo, RedisResult, TlsCertificates};

use crate::base::redis::{Node, RedisParams, Topology};

pub use cluster::Cluster;
pub use pipeline::{ANSWERS, BULK, answers, query};

/// Time for a connection with its handshakes.
const CONNECT: Duration = Duration::from_secs(2);
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

    /// A connection to the primary that holds `name`.
    pub fn connect(&self, name: &str, cluster: &mut Cluster) -> RedisResult<Connection> {
        match &self.topology {
            Topology::Standalone(node) => self.primary(node),
            Topology::Sentinel { master, nodes } => first(nodes, |sentinel| {
                let mut asked = self.open(sentinel, false)?;
                let named: Option<(String, u16)> =
                    redis::cmd("SENTINEL").arg("GET-MASTER-ADDR-BY-NAME").arg(master).query(&mut asked)?;
                let (host, port) = named.ok_or_else(|| {
                    RedisError::from((
                        redis::ErrorKind::InvalidClientConfig,
                        "the sentinel knows no primary of this name",
                        master.clone(),
                    ))
                })?;
                // One that was cut off names a primary that is none any more.
                self.primary(&Node { host, port })
            }),
            Topology::Cluster(_) => cluster.connect(self, name),
        }
    }

    /// A connection to a server that is a primary: after a failover the old address may be a
    /// replica's, which would show the registry as it was.
    fn primary(&self, node: &Node) -> RedisResult<Connection> {
        let mut connection = self.open(node, true)?;
        let role: redis::Value = redis::cmd("ROLE").query(&mut connection)?;
        let is_primary = matches!(&role, redis::Value::Array(parts) if parts.first().is_some_and(|role| {
            redis::from_redis_value_ref::<String>(role).is_ok_and(|role| role == "master")
        }));
        if is_primary {
            return Ok(connection);
        }
        let kind = redis::ErrorKind::Server(redis::ServerErrorKind::ReadOnly);
        Err((kind, "the server is a replica, not a primary", node.to_string()).into())
    }

    fn open(&self, node: &Node, with_credentials: bool) -> RedisResult<Connection> {
        let mut settings = RedisConnectionInfo::default().set_skip_set_lib_name();
        if with_credentials {
            settings = settings.set_db(self.database);
            if let Some(user) = &self.user {
                settings = settings.set_username(user);
            }
            if let Some(password) = &self.password {
                settings = settings.set_password(password.expose());
            }
        }
        let (host, port) = (node.host.clone(), node.port);
        let address = if self.tls {
            ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None }
        } else {
            ConnectionAddr::Tcp(host, port)
        };
        let info: ConnectionInfo = address.into_connection_info()?.set_redis_settings(settings);
        let client = if self.tls {
            Client::build_with_tls(info, TlsCertificates { client_tls: None, root_cert: self.ca.clone() })?
        } else {
            Client::open(info)?
        };
        let connection = client.get_connection_with_timeout(CONNECT)?;
        connection.set_read_timeout(Some(ANSWER))?;
        connection.set_write_timeout(Some(ANSWER))?;
        Ok(connection)
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

/// What the first node says that answers; else what the last one failed with.
fn first<T>(nodes: &[Node], mut ask: impl FnMut(&Node) -> RedisResult<T>) -> RedisResult<T> {
    let mut failed = RedisError::from((redis::ErrorKind::InvalidClientConfig, "no node is named"));
    for node in nodes {
        match ask(node) {
            Ok(told) => return Ok(told),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}
