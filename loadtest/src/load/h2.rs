//! HTTP/2 clients, on hyper: each calls on streams of a connection that several share.

use std::rc::Rc;

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{Method, Request};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::sync::Mutex;

use super::Target;
use super::h1::{Answer, connect_tls};
use crate::call::{BODY, HEADERS, PATH};
use crate::floor::OnThisThread;
use crate::tls::HOST;
use crate::{Done, spawn};

/// A connection that several clients share; it is made when the first of them calls.
pub(super) struct Connection {
    target: Target,
    /// Held while one of them connects.
    sender: Mutex<Option<SendRequest<Full<Bytes>>>>,
}

impl Connection {
    /// Not connected yet.
    pub(super) fn new(target: &Target) -> Rc<Self> {
        Rc::new(Self { target: target.clone(), sender: Mutex::new(None) })
    }

    async fn sender(&self) -> Done<SendRequest<Full<Bytes>>> {
        let mut sender = self.sender.lock().await;
        if let Some(sender) = sender.as_ref().filter(|sender| !sender.is_closed()) {
            return Ok(sender.clone());
        }
        let stream = connect_tls(&self.target).await?;
        let (made, connection) = Builder::new(OnThisThread)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| error.to_string())?;
        // Its error reaches the calls as theirs.
        spawn(async move { drop(connection.await) });
        *sender = Some(made.clone());
        Ok(made)
    }
}

/// A client, with its share of the connection once it has called.
pub(super) struct Client {
    connection: Rc<Connection>,
    sender: Option<SendRequest<Full<Bytes>>>,
    request: Request<Full<Bytes>>,
}

impl Client {
    /// With a key.
    pub(super) fn new(connection: Rc<Connection>, key: &str) -> Self {
        Self { connection, sender: None, request: request(key) }
    }

    /// Connects, where it is not connected.
    pub(super) async fn connect(&mut self) -> Done {
        if self.sender.is_none() {
            self.sender = Some(self.connection.sender().await?);
        }
        Ok(())
    }

    /// One call. After an error the connection is made anew, unless it stands.
    pub(super) async fn call(&mut self) -> Done {
        self.connect().await?;
        let outcome = match &mut self.sender {
            Some(sender) => exchange(sender, self.request.clone()).await,
            None => Err("no connection".to_owned()),
        };
        if outcome.is_err() {
            self.sender = None;
        }
        outcome
    }
}

async fn exchange(sender: &mut SendRequest<Full<Bytes>>, call: Request<Full<Bytes>>) -> Done {
    sender.ready().await.map_err(|error| format!("the connection was closed: {error}"))?;
    let answer = sender.send_request(call).await;
    let answer = answer.map_err(|error| format!("an answer broke off: {error}"))?;
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.map_err(|error| format!("an answer broke off: {error}"))?;
    Answer { status, body: &body.to_bytes(), closes: false }.expected()
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
