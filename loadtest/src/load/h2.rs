//! HTTP/2 clients, on hyper: several streams on one connection, each calling in a loop.

use std::time::Instant;

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{Method, Request};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::TokioIo;

use super::h1::{Answer, connect_tls};
use super::{Tally, Target};
use crate::call::{BODY, HEADERS, PATH};
use crate::floor::OnThisThread;
use crate::tls::HOST;
use crate::{Done, spawn};

/// Calls on `streams` streams until the tally says stop; at least one on each.
pub(super) async fn connection(target: &Target, first: usize, streams: usize, tally: &Tally) -> Done {
    let stream = connect_tls(target).await?;
    let (sender, connection) = Builder::new(OnThisThread)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| error.to_string())?;
    // Its error reaches the calls as theirs.
    spawn(async move { drop(connection.await) });
    let calls =
        (first..first + streams).map(|number| repeat(sender.clone(), request(target.key(number)), tally));
    for outcome in join_all(calls).await {
        outcome?;
    }
    Ok(())
}

/// Runs all to their end.
async fn join_all<T>(futures: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut running: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|cx| {
        let mut pending = false;
        for (future, outcome) in &mut running {
            if outcome.is_none() {
                match future.as_mut().poll(cx) {
                    std::task::Poll::Ready(value) => *outcome = Some(value),
                    std::task::Poll::Pending => pending = true,
                }
            }
        }
        if pending { std::task::Poll::Pending } else { std::task::Poll::Ready(()) }
    })
    .await;
    running.into_iter().filter_map(|(_, outcome)| outcome).collect()
}

fn request(key: &str) -> Request<Full<Bytes>> {
    let mut request = Request::builder().method(Method::POST).uri(format!("https://{HOST}{PATH}"));
    request = request.header(AUTHORIZATION, format!("Bearer {key}"));
    for (name, value) in HEADERS {
        request = request.header(name, value);
    }
    // All parts are constants but the key, and that is ASCII: an empty request is refused.
    request.body(Full::from(BODY)).unwrap_or_default()
}

async fn repeat(mut sender: SendRequest<Full<Bytes>>, call: Request<Full<Bytes>>, tally: &Tally) -> Done {
    loop {
        let begun = Instant::now();
        sender.ready().await.map_err(|error| format!("the connection was closed: {error}"))?;
        let answer = sender.send_request(call.clone()).await;
        let answer = answer.map_err(|error| format!("an answer broke off: {error}"))?;
        let status = answer.status().as_u16();
        let body =
            answer.into_body().collect().await.map_err(|error| format!("an answer broke off: {error}"))?;
        Answer { status, body: &body.to_bytes() }.expected()?;
        tally.answered(begun.elapsed());
        if tally.stopped() {
            return Ok(());
        }
    }
}
