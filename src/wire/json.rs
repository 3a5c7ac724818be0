//! A JSON text read from front to back, a piece at a time, with no tree and no copy.
//!
//! For texts that were found valid already and are only looked through: it takes numbers of any
//! size and halves of surrogate pairs, as the strict reader does, and gives each piece as it was
//! written. It never guesses: where the text is no JSON after all it says so and stays there. It
//! never recurses; whoever goes into values bounds how deep.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer as _, Visitor};

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `null`
    Null,
    /// `true`, `false`
    Boolean,
    /// Any number.
    Number,
    /// A string.
    String,
    /// An array.
    Array,
    /// An object.
    Object,
}

/// The text is no JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the text is no JSON")]
pub struct NoJson;

/// A place in a text. A copy of it looks ahead.
#[derive(Clone, Copy, Debug)]
pub struct Cursor<'t> {
    text: &'t str,
    at: usize,
}

/// A string as it was written, quotes and escapes included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quoted<'t>(&'t str);

impl<'t> Cursor<'t> {
    /// The beginning of a text.
    pub fn new(text: &'t str) -> Self {
        Self { text, at: 0 }
    }

    /// What the next value is.
    pub fn kind(&mut self) -> Result<Kind, NoJson> {
        match self.peek() {
            Some(b'n') => Ok(Kind::Null),
            Some(b't' | b'f') => Ok(Kind::Boolean),
            Some(b'-' | b'0'..=b'9') => Ok(Kind::Number),
            Some(b'"') => Ok(Kind::String),
            Some(b'[') => Ok(Kind::Array),
            Some(b'{') => Ok(Kind::Object),
            _ => Err(NoJson),
        }
    }

    /// Takes a number, `true`, `false` or `null`.
    pub fn scalar(&mut self) -> Result<&'t str, NoJson> {
        self.peek();
        let from = self.at;
        let of = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.');
        self.at += self.rest().iter().take_while(|byte| of(byte)).count();
        let text = self.text.get(from..self.at).filter(|text| !text.is_empty()).ok_or(NoJson)?;
        let word = matches!(text, "true" | "false" | "null");
        if word || text.starts_with(|first: char| first == '-' || first.is_ascii_digit()) {
            Ok(text)
        } else {
            Err(NoJson)
        }
    }

    /// Takes a string.
    pub fn string(&mut self) -> Result<Quoted<'t>, NoJson> {
        self.take(b'"')?;
        let from = self.at - 1;
        loop {
            self.at += memchr::memchr2(b'"', b'\\', self.rest()).ok_or(NoJson)? + 1;
            if self.text.as_bytes().get(self.at - 1) == Some(&b'"') {
                return self.text.get(from..self.at).map(Quoted).ok_or(NoJson);
            }
            // Behind a backslash stands one character at least, which ends nothing.
            self.at += 1;
        }
    }

    /// Goes into an array or an object.
    pub fn enter(&mut self) -> Result<(), NoJson> {
        match self.peek() {
            Some(b'[' | b'{') => {
                self.at += 1;
                Ok(())
            }
            _ => Err(NoJson),
        }
    }

    /// Inside of an array: goes to its next element, or out of it where there is none.
    pub fn item(&mut self, first: bool) -> Result<bool, NoJson> {
        self.part(first, b']')
    }

    /// Inside of an object: takes the next member's name and goes to its value, or out of the
    /// object where there is none.
    pub fn name(&mut self, first: bool) -> Result<Option<Quoted<'t>>, NoJson> {
        if !self.part(first, b'}')? {
            return Ok(None);
        }
        let name = self.string()?;
        self.take(b':')?;
        Ok(Some(name))
    }

    /// Goes behind the next value, whatever it is, without looking at what is in it.
    pub fn skip(&mut self) -> Result<(), NoJson> {
        match self.kind()? {
            Kind::String => self.string().map(drop),
            Kind::Array | Kind::Object => self.skip_nested(),
            _ => self.scalar().map(drop),
        }
    }

    fn skip_nested(&mut self) -> Result<(), NoJson> {
        let mut depth = 0_usize;
        loop {
            match self.rest().first() {
                None => return Err(NoJson),
                Some(b'"') => {
                    self.string()?;
                    continue;
                }
                Some(b'[' | b'{') => depth += 1,
                Some(b']' | b'}') => depth -= 1,
                Some(_) => {}
            }
            self.at += 1;
            if depth == 0 {
                return Ok(());
            }
        }
    }

    /// Goes over a comma, where one is due, or over the closing bracket.
    fn part(&mut self, first: bool, close: u8) -> Result<bool, NoJson> {
        match self.peek() {
            Some(byte) if byte == close => {
                self.at += 1;
                Ok(false)
            }
            Some(_) if first => Ok(true),
            Some(b',') => {
                self.at += 1;
                Ok(true)
            }
            _ => Err(NoJson),
        }
    }

    fn take(&mut self, wanted: u8) -> Result<(), NoJson> {
        if self.peek() != Some(wanted) {
            return Err(NoJson);
        }
        self.at += 1;
        Ok(())
    }

    /// The next byte that is no white space.
    fn peek(&mut self) -> Option<u8> {
        self.at += self.rest().iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n')).count();
        self.rest().first().copied()
    }

    fn rest(&self) -> &'t [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }
}

impl<'t> Quoted<'t> {
    /// Bytes of the string as it was written, without its quotes: no fewer than its text has.
    pub fn written(self) -> usize {
        self.0.len().saturating_sub(2)
    }

    /// The string's text. What is half a surrogate pair becomes U+FFFD.
    pub fn text(self) -> Cow<'t, str> {
        let inner = self.0.get(1..self.0.len().saturating_sub(1)).unwrap_or_default();
        if !inner.contains('\\') {
            return Cow::Borrowed(inner);
        }
        let lossy = || serde_json::Deserializer::from_str(self.0).deserialize_bytes(Lossy);
        // A text with an escape that is none stays as it was written.
        serde_json::from_str(self.0).or_else(|_| lossy()).map_or(Cow::Borrowed(inner), Cow::Owned)
    }
}

/// Takes what stands for half a surrogate pair for a character that is not known.
struct Lossy;

impl Visitor<'_> for Lossy {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<String, E> {
        Ok(String::from_utf8_lossy(bytes).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::{Cursor, Kind, NoJson};

    /// The same text, read piece by piece and written without white space.
    fn again(cursor: &mut Cursor<'_>, out: &mut String) -> Result<(), NoJson> {
        let kind = cursor.kind()?;
        let mut first = true;
        match kind {
            Kind::Array => {
                cursor.enter()?;
                out.push('[');
                while cursor.item(first)? {
                    out.push_str(if first { "" } else { "," });
                    first = false;
                    again(cursor, out)?;
                }
                out.push(']');
            }
            Kind::Object => {
                cursor.enter()?;
                out.push('{');
                while let Some(name) = cursor.name(first)? {
                    out.push_str(if first { "" } else { "," });
                    first = false;
                    out.push_str(&Value::from(name.text()).to_string());
                    out.push(':');
                    again(cursor, out)?;
                }
                out.push('}');
            }
            Kind::String => out.push_str(&Value::from(cursor.string()?.text()).to_string()),
            _ => out.push_str(cursor.scalar()?),
        }
        Ok(())
    }

    #[test]
    fn every_piece_comes_as_it_was_written() {
        let text = " {\"a\" : [ 1 , -2.5E+10,true,\tfalse,null , [ ],{ }] ,\n\"\\u0061\\n\\\\\":\"x \\\" ] } é\",\"\":{\"b\":[[]]}} ";
        let (mut cursor, mut out) = (Cursor::new(text), String::new());
        again(&mut cursor, &mut out).unwrap();
        assert_eq!(out, r#"{"a":[1,-2.5E+10,true,false,null,[],{}],"a\n\\":"x \" ] } é","":{"b":[[]]}}"#);
        assert_eq!(cursor.kind(), Err(NoJson), "nothing is left");
        let mut cursor = Cursor::new(text);
        cursor.skip().unwrap();
        assert_eq!(cursor.kind(), Err(NoJson), "skipping goes as far");
    }

    #[test]
    fn strings_that_are_no_unicode_and_numbers_that_are_too_long_are_taken() {
        let mut cursor = Cursor::new(r#"["\ud800x","\ud83d\ude00",123456789012345678901234567890,1e999]"#);
        cursor.enter().unwrap();
        assert!(cursor.item(true).unwrap());
        assert!(cursor.string().unwrap().text().ends_with('x'));
        assert!(cursor.item(false).unwrap());
        assert_eq!(cursor.string().unwrap().text(), "\u{1f600}");
        assert!(cursor.item(false).unwrap());
        assert_eq!(cursor.scalar(), Ok("123456789012345678901234567890"));
        assert!(cursor.item(false).unwrap());
        assert_eq!(cursor.scalar(), Ok("1e999"));
        assert_eq!(cursor.item(false), Ok(false));
    }

    #[test]
    fn what_is_no_json_is_told_and_nothing_panics() {
        for text in [
            "",
            " ",
            "[",
            "{",
            "[1",
            "[1 2]",
            "[1,",
            "{\"a\"",
            "{\"a\":",
            "{\"a\" 1}",
            "{1:2}",
            "\"",
            "\"\\",
            "\"\\\"",
            "x",
            "]",
            "[}",
            "tru",
            ",",
            ":",
            "[[[[\"]",
            "é",
        ] {
            let out = &mut String::new();
            assert_eq!(again(&mut Cursor::new(text), out), Err(NoJson), "{text}");
        }
        for text in ["", "[", "[[]", "{\"a]", "[\"\\\"]"] {
            assert_eq!(Cursor::new(text).skip(), Err(NoJson), "{text}");
        }
    }
}
