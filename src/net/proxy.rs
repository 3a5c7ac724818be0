//! Reads the header of the PROXY protocol from a connection, and not a byte of what follows it.
//!
//! The caller limits the time. What is wrong closes the connection: whoever sent it reads no answer.

use std::net::IpAddr;

use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::wire::proxy::{Announced, read};

/// Room for a header with addresses of IPv6, so that the usual one is read without making more.
const USUAL: usize = 52;

/// What a connection begins with.
pub(super) enum Begun {
    /// A whole header, and whose connection it says this is: `None` for the proxy's own.
    Announced(Option<IpAddr>),
    /// Nothing: it was opened and closed, as simple checks of health do.
    Nothing,
    /// Something else, or a part.
    Otherwise,
}

/// Reads it.
pub(super) async fn header<S: AsyncRead + Unpin>(stream: &mut S) -> Begun {
    let mut bytes = Vec::with_capacity(USUAL);
    loop {
        let missing = match read(&bytes) {
            Ok(Announced::Client(address)) => return Begun::Announced(Some(address)),
            Ok(Announced::Nobody) => return Begun::Announced(None),
            Ok(Announced::More(missing)) => missing,
            Err(_) => return Begun::Otherwise,
        };
        match (&mut *stream).take(missing as u64).read_buf(&mut bytes).await {
            Ok(1..) => {}
            _ if bytes.is_empty() => return Begun::Nothing,
            _ => return Begun::Otherwise,
        }
    }
}
