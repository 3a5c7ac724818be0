//! HTTP/2 clients, on hyper: each calls on streams of a connection that several share.

use std::rc::Rc;

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{Method, Request};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::sync::Mutex;

use super::answer::Answer;
use super::dial::Dial;
use crate::traffic::call::PATH;
use crate::traffic::{Choice, Chooser, Expected, Prepared};
use crate::transport::OnThisThread;
use crate::transport::tls::HOST;
use crate::{Done, spawn};

/// A connection that several clients share; it is made when the first of them calls.
pub(super) struct Connection {
    dial: Rc<Dial>,
    /// Held while one of them connects.
    sender: Mutex<Option<SendRequest<Full<Bytes>>>>,
}

impl Connection {
    /// Not connected yet.
    pub(super) fn new(dial: Rc<Dial>) -> Rc<Self> {
        Rc::new(Self { dial, sender: Mutex::new(None) })
    }

    async fn sender(&self) -> Done<SendRequest<Full<Bytes>>> {
        let mut sender = self.sender.lock().await;
        if let Some(sender) = sender.as_ref().filter(|sender| !sender.is_closed()) {
            return Ok(sender.clone());
        }
        let stream = self.dial.tls().await?;
        let (made, connection) = Builder::new(OnThisThread)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| error.to_string())?;
        // Its error reaches the calls as theirs.
        spawn(async move { drop(connection.await) });
        if !self.dial.once {
            *sender = Some(made.clone());
        }
        Ok(made)
    }
}

/// A client, with its share of the connection once it has called.
pub(super) struct Client {
    connection: Rc<Connection>,
    chooser: Chooser,
    /// What `request` is made of; made anew only where the choice is another.
    chosen: Option<Choice>,
    request: Request<Full<Bytes>>,
    sender: Option<SendRequest<Full<Bytes>>>,
}

impl Client {
    /// Not connected yet.
    pub(super) fn new(connection: Rc<Connection>, chooser: Chooser) -> Self {
        Self { connection, chooser, chosen: None, request: Request::default(), sender: None }
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
        let choice = self.chooser.next();
        let call = self.chooser.call(choice)?;
        if self.chosen != Some(choice) {
            self.request = request(call, self.chooser.key(choice));
            self.chosen = Some(choice);
        }
        // Not held over the wait: it borrows the client.
        let expected = call.expected.clone();
        self.connect().await?;
        let outcome = match &mut self.sender {
            Some(sender) => exchange(sender, self.request.clone(), &expected).await,
            None => Err("no connection".to_owned()),
        };
        if self.connection.dial.once || outcome.is_err() {
            self.sender = None;
        }
        outcome
    }
}

async fn exchange(
    sender: &mut SendRequest<Full<Bytes>>,
    call: Request<Full<Bytes>>,
    expected: &Expected,
) -> Done {
    sender.ready().await.map_err(|error| format!("the connection was closed: {error}"))?;
    let answer = sender.send_request(call).await;
    let answer = answer.map_err(|error| format!("an answer broke off: {error:?}"))?;
    let status = answer.status().as_u16();
    let body =
        answer.into_body().collect().await.map_err(|error| format!("an answer broke off: {error:?}"))?;
    Answer { status, body: body.to_bytes().as_ref().into(), closes: false }.expect(expected)
}

fn request(call: &Prepared, key: &str) -> Request<Full<Bytes>> {
    let mut request = Request::builder().method(Method::POST).uri(format!("https://{HOST}{PATH}"));
    request = request.header(AUTHORIZATION, format!("Bearer {key}"));
    for (name, value) in &call.headers {
        request = request.header(*name, *value);
    }
    // All parts are constants but the key, and that is ASCII: an empty request is refused.
    request.body(Full::from(call.body.clone())).unwrap_or_default()
}
