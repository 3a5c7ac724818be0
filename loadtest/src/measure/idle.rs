//! Memory of a target: just started, and with many idle TLS connections.
//!
//! Every connection makes one call and then keeps still, as a client with keep-alive does.

use std::time::{Duration, Instant};

use rustix::process::{Resource, getrlimit, setrlimit};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::lineup::Contender;
use crate::Done;
use crate::report::{MemoryCurve, MemoryPoint};
use crate::traffic::Prepared;
use crate::traffic::call::ANSWER;
use crate::transport::tls::HOST;

/// Points of a curve beside its first.
const POINTS: u32 = 10;
/// Time for a connection and its call.
const CALL: Duration = Duration::from_secs(10);
/// After the last connection, so that what a target puts off is done.
const SETTLE: Duration = Duration::from_millis(500);
/// Files of this process beside the connections, and of a target for each of its own.
const OTHER_FILES: u64 = 256;
/// A first guess, for the estimate alone: connections that are opened in a second.
pub(crate) const PER_SECOND: u32 = 1000;

/// Lets this process, and the servers that it starts from now on, have enough files open.
pub(crate) fn allow(connections: u32) -> Done {
    let mut limits = getrlimit(Resource::Nofile);
    let needed = u64::from(connections) + OTHER_FILES;
    if limits.maximum.is_some_and(|most| most < needed) {
        let most = limits.maximum.unwrap_or(0);
        return Err(format!(
            "{connections} connections need {needed} open files, and {most} are allowed; raise the hard limit (ulimit -Hn), or ask for fewer"
        ));
    }
    limits.current = limits.maximum;
    setrlimit(Resource::Nofile, limits).map_err(|error| format!("the limit of open files stays: {error}"))
}

/// Opens `connections` one after the other, and tells the memory on the way.
pub(crate) async fn grow(contender: &Contender, connections: u32) -> Done<MemoryCurve> {
    let (server, begun) = (contender.server()?, Instant::now());
    let point = |open: u32| MemoryPoint {
        seconds: begun.elapsed().as_secs_f64(),
        rss_bytes: server.resident(),
        connections: Some(u64::from(open)),
    };
    let mut points = vec![MemoryPoint { rss_bytes: server.idle_rss, ..point(0) }];
    let mut held = Vec::with_capacity(connections as usize);
    for open in 1..=connections {
        let opened = timeout(CALL, connection(contender)).await;
        let opened = opened.unwrap_or_else(|_| Err(format!("no answer within {} s", CALL.as_secs())));
        held.push(opened.map_err(|said| format!("{}, connection {open}: {said}", contender.name))?);
        if open % (connections / POINTS).max(1) == 0 && open < connections {
            points.push(point(open));
        }
    }
    sleep(SETTLE).await;
    points.push(point(connections));
    Ok(MemoryCurve {
        target: contender.name.clone(),
        load: "idle TLS connections, one call each".to_owned(),
        points,
    })
}

/// What a connection takes, in bytes: from the first to the last of a curve, the idle server
/// left out, whose first call costs more than a connection.
fn per_connection(curve: &MemoryCurve) -> Option<f64> {
    let (first, last) = (curve.points.get(1)?, curve.points.last()?);
    let more = last.connections?.checked_sub(first.connections?).filter(|more| *more > 0)?;
    let bytes = last.rss_bytes.saturating_sub(first.rss_bytes);
    // Both far below 2^52.
    #[expect(clippy::cast_precision_loss, reason = "bytes of memory and counts of connections")]
    Some(bytes as f64 / more as f64)
}

/// A curve in one sentence.
pub(crate) fn told(curve: &MemoryCurve) -> String {
    let connections = curve.points.last().and_then(|point| point.connections).unwrap_or(0);
    let mebibytes = |point: Option<&MemoryPoint>| point.map_or(0, |point| point.rss_bytes >> 20);
    let each = per_connection(curve).map_or_else(|| "–".to_owned(), |bytes| format!("{:.1}", bytes / 1024.0));
    format!(
        "{}: {} MiB just started, {} MiB with {connections} idle TLS connections, {each} KiB each",
        curve.target,
        mebibytes(curve.points.first()),
        mebibytes(curve.points.last()),
    )
}

async fn connection(contender: &Contender) -> Done<TlsStream<TcpStream>> {
    let target = &contender.target;
    let told = |error: std::io::Error| format!("{}: {error}", target.address);
    let name = ServerName::try_from(HOST).map_err(|error| error.to_string())?;
    let stream = TcpStream::connect(target.address).await.map_err(told)?;
    stream.set_nodelay(true).map_err(told)?;
    let connector = TlsConnector::from(std::sync::Arc::clone(&target.tls));
    let mut stream = connector.connect(name, stream).await.map_err(told)?;
    let key = target.keys.first().map_or("", String::as_str);
    stream.write_all(&Prepared::of_record(HOST, key)).await.map_err(told)?;
    let mut read = Vec::with_capacity(1024);
    while !read.ends_with(ANSWER.as_bytes()) {
        if stream.read_buf(&mut read).await.map_err(told)? == 0 {
            return Err(format!("closed after: {}", String::from_utf8_lossy(&read)));
        }
    }
    Ok(stream)
}
