//! A relay between the suite and what it tests, which adds the key that the suite cannot send.
//!
//! It must be as good as a wire: header lines keep their order, case and bytes, bodies and
//! answers are passed on as they arrive, and a side that leaves takes the other with it. On
//! request it loses headers, to show that the comparison notices.

use std::io::{BufRead, BufReader, Error, ErrorKind, Read, Result, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};

/// What the relay does to the head of each request.
#[derive(Clone, Default)]
pub struct Change {
    /// A header line to add.
    pub add: Option<String>,
    /// Headers to lose: all whose lower-case name begins so.
    pub lose: Option<&'static str>,
}

/// Relays everything that reaches `listener`, until the test program ends.
pub fn relay(listener: TcpListener, to: SocketAddr, change: Change) {
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let change = change.clone();
            std::thread::spawn(move || {
                // A connection that cannot be carried is closed, and the suite misses its answer.
                let _ = carry(&client, to, &change);
                let _ = client.shutdown(Shutdown::Both);
            });
        }
    });
}

fn carry(client: &TcpStream, to: SocketAddr, change: &Change) -> Result<()> {
    let server = TcpStream::connect(to)?;
    server.set_nodelay(true)?;
    client.set_nodelay(true)?;
    let (answers, back) = (server.try_clone()?, client.try_clone()?);
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut &answers, &mut &back);
        let _ = back.shutdown(Shutdown::Both);
    });
    let carried = requests(&mut BufReader::new(client), &server, change);
    // An answer under way has lost its reader.
    let _ = server.shutdown(Shutdown::Both);
    carried
}

fn requests(client: &mut BufReader<&TcpStream>, mut server: &TcpStream, change: &Change) -> Result<()> {
    while let Some((head, length)) = head(client, change)? {
        server.write_all(&head)?;
        std::io::copy(&mut client.by_ref().take(length), &mut server)?;
    }
    Ok(())
}

/// The head of the next request, changed, and the length of its body; `None` at the end.
fn head(client: &mut BufReader<&TcpStream>, change: &Change) -> Result<Option<(Vec<u8>, u64)>> {
    let (mut head, mut length) = (Vec::new(), 0);
    loop {
        let mut line = Vec::new();
        if client.read_until(b'\n', &mut line)? == 0 {
            return Ok(None);
        }
        let lower = String::from_utf8_lossy(&line).to_lowercase();
        if lower.starts_with("transfer-encoding:") {
            return Err(Error::new(ErrorKind::InvalidData, "a chunked request, which the suite never sent"));
        }
        if let Some(told) = lower.strip_prefix("content-length:") {
            length = told.trim().parse().map_err(|_| Error::new(ErrorKind::InvalidData, "no length"))?;
        }
        if change.lose.is_some_and(|prefix| lower.starts_with(prefix)) {
            continue;
        }
        if line == b"\r\n" {
            head.extend(change.add.iter().flat_map(|added| [added.as_bytes(), b"\r\n"].concat()));
            head.extend(line);
            return Ok(Some((head, length)));
        }
        head.extend(line);
    }
}
