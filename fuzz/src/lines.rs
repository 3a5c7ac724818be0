//! A simple strict reader of HTTP/1.1 heads (RFC 9112): the lines between CRLFs, and what
//! their names and values say of the body.

/// A head as its lines say.
#[derive(Debug)]
pub struct Lines<'t> {
    /// The three parts of the first line.
    pub first: [&'t str; 3],
    /// Names in lower case, values without the white space around them.
    pub headers: Vec<(String, &'t [u8])>,
}

/// What the headers say of the body's end.
#[derive(Debug, PartialEq, Eq)]
pub enum Told {
    /// Nothing.
    Nothing,
    /// A length.
    Length(u64),
    /// Chunks.
    Chunks,
}

/// Reads a head with the empty line at its end; `None` for anything that is not exactly one.
pub fn read(head: &[u8]) -> Option<Lines<'_>> {
    let head = head.strip_suffix(b"\r\n\r\n")?;
    let mut lines = Vec::new();
    let mut rest = head;
    while let Some(end) = rest.windows(2).position(|two| two == b"\r\n") {
        lines.push(&rest[..end]);
        rest = &rest[end + 2..];
    }
    lines.push(rest);
    let control = |byte: &u8| (*byte < 0x20 && *byte != b'\t') || *byte == 0x7f;
    if lines.iter().any(|line| line.iter().any(control)) {
        return None;
    }
    // The third part of an answer is words for people, of any bytes.
    let mut parts = lines[0].splitn(3, |byte| *byte == b' ');
    let mut text = || std::str::from_utf8(parts.next().unwrap_or_default()).ok();
    let first = [text()?, text()?, text().unwrap_or_default()];
    let headers = lines[1..].iter().map(|line| header(line)).collect::<Option<_>>()?;
    Some(Lines { first, headers })
}

fn header(line: &[u8]) -> Option<(String, &[u8])> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let name = std::str::from_utf8(&line[..colon]).ok()?;
    let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    (!name.is_empty() && name.chars().all(token))
        .then(|| (name.to_ascii_lowercase(), line[colon + 1..].trim_ascii()))
}

impl Lines<'_> {
    /// The values of a header.
    pub fn all(&self, name: &str) -> Vec<&[u8]> {
        self.headers.iter().filter(|(known, _)| known == name).map(|(_, value)| *value).collect()
    }

    /// The options of `Connection`, in lower case.
    pub fn connection(&self) -> Vec<Vec<u8>> {
        let values = self.all("connection");
        let options = values.iter().flat_map(|value| value.split(|byte| *byte == b','));
        options.map(|option| option.trim_ascii().to_ascii_lowercase()).collect()
    }

    /// How the body's end is told; `None` where it is told in two ways, or in one that is
    /// none. A length may be told `lengths` times, if always alike.
    pub fn told(&self, lengths: usize) -> Option<Told> {
        let (length, coding) = (self.all("content-length"), self.all("transfer-encoding"));
        match (length.as_slice(), coding.as_slice()) {
            ([], []) => Some(Told::Nothing),
            ([], [coding]) => coding.eq_ignore_ascii_case(b"chunked").then_some(Told::Chunks),
            ([length, more @ ..], []) if more.len() < lengths => {
                let number = std::str::from_utf8(length)
                    .ok()
                    .filter(|text| text.bytes().all(|b| b.is_ascii_digit()))?;
                let number = number.parse().ok()?;
                let alike = |other: &&[u8]| {
                    other.iter().all(u8::is_ascii_digit)
                        && std::str::from_utf8(other).ok().and_then(|text| text.parse::<u64>().ok())
                            == Some(number)
                };
                more.iter().all(alike).then_some(Told::Length(number))
            }
            _ => None,
        }
    }

    /// Whether these lines were read and no other, in their order; the ones of the framing and
    /// the connection aside.
    pub fn are(&self, read: &tollgate::wire::lines::Lines, aside: &[&str]) -> bool {
        let rest = self.headers.iter().filter(|(name, _)| !aside.contains(&name.as_str()));
        let rest: Vec<_> = rest.map(|(name, value)| (name.as_bytes(), &value[..])).collect();
        rest == read.iter().map(|line| (line.name(), line.value())).collect::<Vec<_>>()
    }
}
