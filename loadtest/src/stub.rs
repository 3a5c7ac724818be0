//! An upstream that answers every request alike.
//!
//! It must cost as little as it can: it shares its core with the load. Requests are framed by
//! their head and `Content-Length`, and not looked at otherwise.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::call::ANSWER;
use crate::{Done, runtime, say_listening, spawn};

/// A request beyond this is not one of ours.
const LARGEST: usize = 64 * 1024;
/// Headers that a request may have.
pub(crate) const HEADERS: usize = 64;

/// `loadtest stub`
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
}

/// Serves until the process ends.
pub(crate) fn run(options: &Options) -> Done {
    runtime()?.block_on(async {
        let listener = TcpListener::bind(options.listen).await;
        let listener = listener.map_err(|error| format!("cannot listen on {}: {error}", options.listen))?;
        say_listening(listener.local_addr().map_err(|error| error.to_string())?);
        accept(listener).await;
        Ok(())
    })
}

/// Accepts for ever.
pub(crate) async fn accept(listener: TcpListener) {
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{ANSWER}",
        ANSWER.len()
    );
    let answer: std::rc::Rc<[u8]> = head.into_bytes().into();
    while let Ok((stream, _)) = listener.accept().await {
        let answer = std::rc::Rc::clone(&answer);
        // A connection that breaks is the other side's affair.
        spawn(async move { drop(serve(stream, &answer).await) });
    }
}

async fn serve(mut stream: TcpStream, answer: &[u8]) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut read = Vec::with_capacity(4096);
    loop {
        while let Some(length) = framed(&read) {
            read.drain(..length);
            stream.write_all(answer).await?;
        }
        if read.len() > LARGEST || stream.read_buf(&mut read).await? == 0 {
            return Ok(());
        }
    }
}

/// The length of the first request, once it is there whole.
fn framed(read: &[u8]) -> Option<usize> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    let Ok(httparse::Status::Complete(head)) = request.parse(read) else { return None };
    let body = content_length(request.headers).unwrap_or(0);
    (read.len() >= head + body).then_some(head + body)
}

/// The length that a head states.
pub(crate) fn content_length(headers: &[httparse::Header<'_>]) -> Option<usize> {
    let stated = headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"))?;
    std::str::from_utf8(stated.value).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::framed;
    use crate::call;

    #[test]
    fn a_request_is_framed_when_it_is_whole() {
        let call = call::http1("localhost", "key");
        assert_eq!(framed(&call), Some(call.len()));
        assert_eq!(framed(&call[..call.len() - 1]), None);
        assert_eq!(framed(&call[..10]), None);
        assert_eq!(framed(&[&call[..], &call[..]].concat()), Some(call.len()));
        assert_eq!(framed(b"GET / HTTP/1.1\r\n\r\n"), Some(18));
    }
}
