//! Pipelines under one deadline: what waits for many answers waits no longer than for one that does not come.
//!
//! The driver's own pipelines go on to wait for each of the answers after the first that did not come in time,
//! so that a Redis that hangs would hold the thread for minutes. After a failure here answers may still be on
//! their way: the connection must be closed, and never asked again.

use std::io;
use std::time::{Duration, Instant};

use redis::{Connection, ConnectionLike, ErrorKind, FromRedisValue, Pipeline};
use redis::{RedisError, RedisResult, ServerErrorKind, Value};

use super::ANSWER;

/// Time for all answers of a pipeline that sends little.
pub const ANSWERS: Duration = ANSWER.saturating_mul(2);
/// The same for one that sends as much as there is: a transaction's 5 MB over a line of 1 Mbit/s, or the last
/// uses of a million keys. While nothing comes at all, [`ANSWER`] ends it.
pub const BULK: Duration = Duration::from_secs(60);

/// What the commands of a pipeline say, as the driver's own `query` has it, within so much time and that of one
/// answer. An error of Redis' leaves a connection that can be used, and one of the connection does not.
pub fn query<T: FromRedisValue>(
    connection: &mut Connection,
    pipeline: &Pipeline,
    time: Duration,
) -> RedisResult<T> {
    pipeline.query(&mut Timed { connection, time })
}

/// So many answers to what is sent, one by one, errors of Redis' among them.
pub fn answers(
    connection: &mut Connection,
    packed: &[u8],
    count: usize,
    time: Duration,
) -> RedisResult<Vec<Value>> {
    let until = Instant::now() + time;
    connection.send_packed_command(packed)?;
    let mut said = Vec::with_capacity(count);
    while said.len() < count {
        if Instant::now() >= until {
            return Err(io::Error::from(io::ErrorKind::TimedOut).into());
        }
        said.push(connection.recv_response()?);
    }
    Ok(said)
}

/// A connection for one pipeline.
struct Timed<'c> {
    connection: &'c mut Connection,
    time: Duration,
}

impl ConnectionLike for Timed<'_> {
    fn req_packed_command(&mut self, command: &[u8]) -> RedisResult<Value> {
        self.connection.req_packed_command(command)
    }

    /// `offset` answers are those of a transaction's MULTI and commands, which say only whether there is one.
    fn req_packed_commands(
        &mut self,
        commands: &[u8],
        offset: usize,
        count: usize,
    ) -> RedisResult<Vec<Value>> {
        let mut said = answers(self.connection, commands, offset + count, self.time)?;
        let told = said.split_off(offset);
        match said.into_iter().find_map(|queued| queued.extract_error().err()) {
            Some(error) => Err(aborted(&error)),
            None => Ok(told),
        }
    }

    fn get_db(&self) -> i64 {
        self.connection.get_db()
    }

    fn check_connection(&mut self) -> bool {
        self.connection.check_connection()
    }

    fn is_open(&self) -> bool {
        self.connection.is_open()
    }
}

/// A transaction that Redis did not carry out, because it would not have one of its commands.
fn aborted(error: &RedisError) -> RedisError {
    let kind = ErrorKind::Server(ServerErrorKind::ExecAbort);
    (kind, "the transaction was not carried out", error.to_string()).into()
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use std::time::{Duration, Instant};

    use redis::{ErrorKind, RedisResult, ServerErrorKind};

    use super::{Pipeline, query};

    /// What is made of answers that come one by one, with a pause before each.
    fn told(
        pipeline: &Pipeline,
        answers: &'static [&'static str],
        pause: Duration,
        time: Duration,
    ) -> RedisResult<Vec<String>> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let mut client = listener.accept().unwrap().0;
            assert!(client.read(&mut [0; 4_096]).unwrap() > 0);
            for answer in answers {
                std::thread::park_timeout(pause);
                // It may have gone: that is what this is about.
                let _ = client.write_all(answer.as_bytes());
            }
        });
        let settings = redis::RedisConnectionInfo::default().set_skip_set_lib_name();
        let info = redis::IntoConnectionInfo::into_connection_info(format!("redis://{address}")).unwrap();
        let client = redis::Client::open(info.set_redis_settings(settings)).unwrap();
        let mut connection = client.get_connection().unwrap();
        connection.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
        query(&mut connection, pipeline, time)
    }

    #[test]
    fn answers_that_come_in_time_one_by_one_are_late_together() {
        let mut pipeline = redis::pipe();
        for _ in 0..20 {
            pipeline.cmd("PING");
        }
        let pause = Duration::from_millis(100);
        let begun = Instant::now();
        let late = told(&pipeline, &["+PONG\r\n"; 20], pause, Duration::from_millis(300)).unwrap_err();
        assert!(late.is_timeout() && begun.elapsed() < Duration::from_millis(1_500), "{:?}", begun.elapsed());
        let said = told(&pipeline, &["+PONG\r\n"; 20], Duration::ZERO, Duration::from_secs(10)).unwrap();
        assert_eq!(said, ["PONG"; 20]);
    }

    #[test]
    fn a_transaction_says_what_its_commands_say_or_why_there_is_none() {
        let mut pipeline = redis::pipe();
        pipeline.atomic().cmd("GET").arg("a").cmd("GET").arg("b");
        let ask = |answers| told(&pipeline, answers, Duration::ZERO, Duration::from_secs(10));
        let done = ask(&["+OK\r\n", "+QUEUED\r\n", "+QUEUED\r\n", "*2\r\n+x\r\n+y\r\n"]).unwrap();
        assert_eq!(done, ["x", "y"]);
        let refused =
            ask(&["+OK\r\n", "-NOPERM no right\r\n", "+QUEUED\r\n", "-EXECABORT discarded\r\n"]).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Server(ServerErrorKind::ExecAbort));
        assert!(refused.to_string().contains("no right"), "{refused}");
    }
}
