//! Opening connections: to one server and saying who one is, to a primary, to the first of many nodes that leads
//! there, each under one deadline however many answers it takes.
//!
//! A server that hangs takes connections and answers nothing, and so may many at once. Credentials are handed to
//! the connection and stand in no message.

use std::io;
use std::time::{Duration, Instant};

use redis::{
    Client, Cmd, Connection, ConnectionAddr, ConnectionInfo, FromRedisValue, IntoConnectionInfo as _,
};
use redis::{
    ErrorKind, RedisConnectionInfo, RedisError, RedisResult, ServerErrorKind, TlsCertificates, Value,
};

use super::ANSWER;
use crate::base::redis::{Node, RedisParams};

/// Time for a connection with its handshakes, until it may be asked something.
const CONNECT: Duration = Duration::from_secs(2);
/// The same, and for its first answer.
pub(super) const FIRST: Duration = CONNECT.saturating_add(ANSWER);
/// Time to find the one server that is looked for, however many nodes are asked for the way to it.
const FIND: Duration = Duration::from_secs(10);
/// The least that one of many nodes has: one that is well needs a few milliseconds.
const SHARE: Duration = Duration::from_secs(1);
/// Nodes that are remembered for not having led anywhere.
const BEHIND: usize = 64;

/// When something must be done.
#[derive(Clone, Copy, Debug)]
pub(super) struct Until(Instant);

impl Until {
    /// So long from now.
    pub(super) fn within(time: Duration) -> Self {
        Self(Instant::now() + time)
    }

    /// So long from now, and no later than this.
    fn or_within(self, time: Duration) -> Self {
        Self(self.0.min(Instant::now() + time))
    }

    /// What is left, at most so much; an error where nothing is.
    fn left(self, most: Duration) -> RedisResult<Duration> {
        let left = self.0.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(io::Error::from(io::ErrorKind::TimedOut).into()) } else { Ok(left.min(most)) }
    }
}

/// What a server says to one command. After a failure the connection must be closed.
pub(super) fn ask<T: FromRedisValue>(
    connection: &mut Connection,
    command: &Cmd,
    until: Until,
) -> RedisResult<T> {
    connection.set_read_timeout(Some(until.left(ANSWER)?))?;
    let said = command.query(connection)?;
    connection.set_read_timeout(Some(ANSWER))?;
    Ok(said)
}

impl RedisParams {
    /// A connection to a server that is a primary: after a failover the old address may be a
    /// replica's, which would show the registry as it was.
    pub(super) fn primary(&self, node: &Node, until: Until) -> RedisResult<Connection> {
        let mut connection = self.open(node, true, until)?;
        let role: Value = ask(&mut connection, &redis::cmd("ROLE"), until)?;
        let is_primary = matches!(&role, Value::Array(parts) if parts.first().is_some_and(|role| {
            redis::from_redis_value_ref::<String>(role).is_ok_and(|role| role == "master")
        }));
        if is_primary {
            return Ok(connection);
        }
        let kind = ErrorKind::Server(ServerErrorKind::ReadOnly);
        Err((kind, "the server is a replica, not a primary", node.to_string()).into())
    }

    pub(super) fn open(&self, node: &Node, with_credentials: bool, until: Until) -> RedisResult<Connection> {
        let (host, port) = (node.host.clone(), node.port);
        let address = if self.tls {
            ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None }
        } else {
            ConnectionAddr::Tcp(host, port)
        };
        // The driver would wait for each answer of its own set-up as long as for the whole of it.
        let settings = RedisConnectionInfo::default().set_skip_set_lib_name();
        let info: ConnectionInfo = address.into_connection_info()?.set_redis_settings(settings);
        let client = if self.tls {
            Client::build_with_tls(info, TlsCertificates { client_tls: None, root_cert: self.ca.clone() })?
        } else {
            Client::open(info)?
        };
        let until = until.or_within(CONNECT);
        let mut connection = client.get_connection_with_timeout(until.left(CONNECT)?)?;
        connection.set_write_timeout(Some(until.left(CONNECT)?))?;
        if with_credentials {
            self.introduce(&mut connection, until)?;
        }
        connection.set_read_timeout(Some(ANSWER))?;
        connection.set_write_timeout(Some(ANSWER))?;
        Ok(connection)
    }

    /// Says who asks, and for which database.
    fn introduce(&self, connection: &mut Connection, until: Until) -> RedisResult<()> {
        if let Some(password) = &self.password {
            let mut auth = redis::cmd("AUTH");
            if let Some(user) = &self.user {
                auth.arg(user);
            }
            auth.arg(password.expose());
            ask::<Value>(connection, &auth, until).map_err(|error| not_let_in(error, password.expose()))?;
        }
        if self.database != 0 {
            ask::<Value>(connection, redis::cmd("SELECT").arg(self.database), until)?;
        }
        Ok(())
    }
}

/// Why a server did not let somebody in. One that knows no AUTH, or something in its place, repeats what it was
/// sent: such an answer is not told.
fn not_let_in(error: RedisError, password: &str) -> RedisError {
    if !matches!(error.kind(), ErrorKind::Server(_) | ErrorKind::Extension) {
        return error;
    }
    let said = error.to_string();
    let lower = said.to_ascii_lowercase();
    let is_refused = matches!(error.code(), Some("WRONGPASS" | "NOAUTH")) || lower.contains("invalid");
    if is_refused || (!password.is_empty() && said.contains(password)) {
        return (ErrorKind::AuthenticationFailed, "the user and the password are not accepted").into();
    }
    if lower.contains("unknown command") || lower.contains("args") {
        return (ErrorKind::InvalidClientConfig, "the server does not know AUTH").into();
    }
    error
}

/// In which order nodes are asked: those that did not lead to where it was wanted, the last.
#[derive(Default)]
pub(super) struct Turns(Vec<Node>);

impl Turns {
    /// What the first node says that leads to where it is wanted; else what the last one failed with. Each has its
    /// share of the time, and those that there was no time for are asked first the next time.
    pub(super) fn first<T>(
        &mut self,
        mut nodes: Vec<Node>,
        mut ask: impl FnMut(&Node, Until) -> RedisResult<T>,
    ) -> RedisResult<T> {
        nodes
            .sort_by_key(|node| self.0.iter().position(|behind| behind == node).map_or(0, |place| place + 1));
        let until = Until::within(FIND);
        let mut failed = RedisError::from((ErrorKind::InvalidClientConfig, "no node is named"));
        for (number, node) in nodes.iter().enumerate() {
            let Ok(left) = until.left(FIND) else { break };
            let others = u32::try_from(nodes.len() - number).unwrap_or(u32::MAX);
            let share = (left / others).max(SHARE);
            self.0.retain(|behind| behind != node);
            match ask(node, until.or_within(share)) {
                Ok(told) => return Ok(told),
                Err(error) => failed = error,
            }
            self.0.push(node.clone());
            if self.0.len() > BEHIND {
                self.0.remove(0);
            }
        }
        Err(failed)
    }
}

#[cfg(test)]
mod tests {
    use super::{BEHIND, ErrorKind, Node, Turns, not_let_in};
    use redis::RedisError;
    use std::time::Duration;

    fn nodes(many: u16) -> Vec<Node> {
        (1..=many).map(|port| Node { host: "h".into(), port }).collect()
    }

    fn ask(turns: &mut Turns, many: u16, well: u16) -> Vec<u16> {
        let mut asked = Vec::new();
        let _ = turns.first(nodes(many), |node, _| {
            asked.push(node.port);
            if node.port == well { Ok(()) } else { Err((ErrorKind::Io, "away").into()) }
        });
        asked
    }

    #[test]
    fn nodes_that_led_nowhere_are_asked_last() {
        let mut turns = Turns::default();
        assert_eq!(ask(&mut turns, 5, 3), [1, 2, 3]);
        assert_eq!(ask(&mut turns, 5, 4), [3, 4]);
        assert_eq!(ask(&mut turns, 5, 2), [4, 5, 1, 2]);
        assert_eq!(ask(&mut turns, 5, 2), [2]);
        assert_eq!(ask(&mut turns, 200, 0).len(), 200);
        assert_eq!(turns.0.len(), BEHIND);
    }

    /// As the driver reads it.
    fn answered(line: &str) -> RedisError {
        let read = redis::parse_redis_value(format!("-{line}\r\n").as_bytes()).unwrap();
        not_let_in(read.extract_error().unwrap_err(), "hunter2-secret")
    }

    #[test]
    fn only_what_is_about_the_password_is_told_as_that() {
        for refused in [
            "WRONGPASS invalid username-password pair or user is disabled.",
            "ERR invalid password",
            "NOAUTH Authentication required.",
            "ERR what is hunter2-secret?",
        ] {
            assert_eq!(answered(refused).kind(), ErrorKind::AuthenticationFailed, "{refused}");
        }
        for other in ["ERR max number of clients reached", "LOADING Redis is loading the dataset in memory"] {
            let told = answered(other);
            assert_ne!(told.kind(), ErrorKind::AuthenticationFailed);
            assert!(told.to_string().contains(other.split_once(' ').unwrap().1), "{told}");
        }
        let unknown = answered("ERR unknown command 'AUTH', with args beginning with: 'hunter2-sec");
        assert!(!unknown.to_string().contains("hunter2"), "{unknown}");
    }

    #[test]
    fn each_has_its_share_of_the_time() {
        for (many, least, most) in [(1, 9_500, 10_000), (4, 2_000, 2_500), (64, 900, 1_000)] {
            let told = Turns::default().first(nodes(many), |_, until| until.left(Duration::MAX)).unwrap();
            let told = told.as_millis();
            assert!(told >= least && told <= most, "{many}: {told}");
        }
    }
}
