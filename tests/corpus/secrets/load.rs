//! Reads the texts with secrets in them.
//!
//! Unit tests and a fuzz target include this file by its path, so it names nothing of the crate.
//! `README.md` describes the format.

/// One text.
#[derive(Clone, Debug)]
pub struct Example {
    /// The kind that it is, or nearly is.
    pub kind: String,
    /// The text itself.
    pub text: String,
    /// The bytes of the secret in it, if there is one.
    pub secret: Option<std::ops::Range<usize>>,
}

impl Example {
    /// The secret.
    pub fn secret(&self) -> Option<&str> {
        self.text.get(self.secret.clone()?)
    }
}

/// All of them.
pub fn examples() -> Vec<Example> {
    let lines = include_str!("examples.txt").lines();
    lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(read).collect()
}

fn read(line: &str) -> Example {
    let mut parts = line.splitn(3, " | ");
    let (Some(kind), Some(sign), Some(written)) = (parts.next(), parts.next(), parts.next()) else {
        panic!("a line has a kind, a sign and a text: {line}")
    };
    let (mut text, mut ends) = (String::new(), Vec::new());
    for character in written.chars() {
        match character {
            '·' => {}
            '⏎' => text.push('\n'),
            '«' | '»' => ends.push(text.len()),
            other => text.push(other),
        }
    }
    let secret = match (sign, &ends[..]) {
        ("+", [start, end]) if start < end => Some(*start..*end),
        ("-", []) => None,
        _ => panic!("a secret is marked where there is one, and nowhere else: {line}"),
    };
    Example { kind: kind.to_owned(), text, secret }
}
