//! A simple strict reader of JSON (RFC 8259) that keeps what others lose: duplicates, the
//! bytes of every value, and whether a text is Unicode.

/// Nesting beyond it is not looked into.
pub const DEEPEST: usize = 300;

/// Why a text has no tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// It is not JSON.
    Syntax,
    /// It is nested deeper than [`DEEPEST`].
    TooDeep,
}

/// A value and the bytes that it is written with.
#[derive(Debug)]
pub struct Value<'t> {
    /// Its own bytes.
    pub raw: &'t str,
    /// What it is.
    pub kind: Kind<'t>,
}

/// A value of JSON.
#[derive(Debug)]
pub enum Kind<'t> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool,
    /// A number; whether it is written without fraction and exponent.
    Number(bool),
    /// A string; `None` where a surrogate stands alone.
    Text(Option<String>),
    /// An array.
    Array(Vec<Value<'t>>),
    /// An object, with its members in order.
    Object(Vec<(Option<String>, Value<'t>)>),
}

impl<'t> Value<'t> {
    /// Levels of arrays and objects.
    pub fn depth(&self) -> usize {
        match &self.kind {
            Kind::Array(items) => 1 + items.iter().map(Self::depth).max().unwrap_or(0),
            Kind::Object(members) => 1 + members.iter().map(|(_, value)| value.depth()).max().unwrap_or(0),
            _ => 0,
        }
    }

    /// Whether every text in it is Unicode, and every number well within a double: what any
    /// reader takes.
    pub fn is_tame(&self) -> bool {
        self.holds(|kind, raw| match kind {
            Kind::Number(_) => raw.parse::<f64>().is_ok_and(|number| number.abs() < 1e300),
            _ => true,
        }) && self.is_unicode()
    }

    /// Whether no surrogate stands alone in any of its texts.
    pub fn is_unicode(&self) -> bool {
        self.holds(|kind, _| match kind {
            Kind::Text(text) => text.is_some(),
            Kind::Object(members) => members.iter().all(|(name, _)| name.is_some()),
            _ => true,
        })
    }

    fn holds(&self, of: fn(&Kind<'t>, &str) -> bool) -> bool {
        let inner = match &self.kind {
            Kind::Array(items) => items.iter().all(|item| item.holds(of)),
            Kind::Object(members) => members.iter().all(|(_, value)| value.holds(of)),
            _ => true,
        };
        inner && of(&self.kind, self.raw)
    }

    /// The members of an object.
    pub fn members(&self) -> Option<&[(Option<String>, Value<'t>)]> {
        if let Kind::Object(members) = &self.kind { Some(members) } else { None }
    }

    /// The text of a string that is Unicode.
    pub fn text(&self) -> Option<&str> {
        if let Kind::Text(Some(text)) = &self.kind { Some(text) } else { None }
    }
}

/// Reads a text that is one value, white space around it aside.
pub fn parse(text: &str) -> Result<Value<'_>, Flaw> {
    let mut reader = Reader { text, at: 0 };
    reader.space();
    let value = reader.value(0)?;
    reader.space();
    if reader.at == text.len() { Ok(value) } else { Err(Flaw::Syntax) }
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Reader<'t> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn eat(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    fn need(&mut self, word: &str) -> Result<(), Flaw> {
        if word.bytes().all(|byte| self.eat(byte)) { Ok(()) } else { Err(Flaw::Syntax) }
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn value(&mut self, depth: usize) -> Result<Value<'t>, Flaw> {
        if depth > DEEPEST {
            return Err(Flaw::TooDeep);
        }
        let start = self.at;
        let kind = match self.peek() {
            Some(b'n') => self.need("null").map(|()| Kind::Null)?,
            Some(b't') => self.need("true").map(|()| Kind::Bool)?,
            Some(b'f') => self.need("false").map(|()| Kind::Bool)?,
            Some(b'"') => Kind::Text(self.string()?),
            Some(b'-' | b'0'..=b'9') => Kind::Number(self.number()?),
            Some(b'[') => Kind::Array(self.list(b']', |reader| reader.value(depth + 1))?),
            Some(b'{') => Kind::Object(self.list(b'}', |reader| {
                let name = reader.string()?;
                reader.space();
                reader.need(":")?;
                reader.space();
                Ok((name, reader.value(depth + 1)?))
            })?),
            _ => return Err(Flaw::Syntax),
        };
        Ok(Value { raw: self.text.get(start..self.at).unwrap_or_default(), kind })
    }

    fn list<T>(
        &mut self,
        end: u8,
        mut item: impl FnMut(&mut Self) -> Result<T, Flaw>,
    ) -> Result<Vec<T>, Flaw> {
        let mut items = Vec::new();
        self.at += 1;
        self.space();
        if self.eat(end) {
            return Ok(items);
        }
        loop {
            items.push(item(self)?);
            self.space();
            if self.eat(end) {
                return Ok(items);
            }
            self.need(",")?;
            self.space();
        }
    }

    fn digits(&mut self) -> Result<(), Flaw> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if start < self.at { Ok(()) } else { Err(Flaw::Syntax) }
    }

    /// Whether it has neither fraction nor exponent.
    fn number(&mut self) -> Result<bool, Flaw> {
        let mut whole = true;
        self.eat(b'-');
        if !self.eat(b'0') {
            self.digits()?;
        }
        if self.eat(b'.') {
            whole = false;
            self.digits()?;
        }
        if self.eat(b'e') || self.eat(b'E') {
            whole = false;
            let _ = self.eat(b'+') || self.eat(b'-');
            self.digits()?;
        }
        Ok(whole)
    }

    /// `None` for a string with a surrogate that stands alone.
    fn string(&mut self) -> Result<Option<String>, Flaw> {
        self.need("\"")?;
        let mut units: Vec<u16> = Vec::new();
        loop {
            let rest = self.text.get(self.at..).unwrap_or_default();
            let next = rest.chars().next().ok_or(Flaw::Syntax)?;
            self.at += next.len_utf8();
            match next {
                '"' => return Ok(String::from_utf16(&units).ok()),
                '\\' => units.push(self.escape()?),
                '\0'..='\u{1f}' => return Err(Flaw::Syntax),
                _ => units.extend_from_slice(next.encode_utf16(&mut [0; 2])),
            }
        }
    }

    fn escape(&mut self) -> Result<u16, Flaw> {
        let letter = self.peek().ok_or(Flaw::Syntax)?;
        self.at += 1;
        Ok(match letter {
            b'"' | b'\\' | b'/' => u16::from(letter),
            b'b' => 8,
            b'f' => 12,
            b'n' => 10,
            b'r' => 13,
            b't' => 9,
            b'u' => {
                let digits = self.text.get(self.at..self.at + 4).ok_or(Flaw::Syntax)?;
                if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                    return Err(Flaw::Syntax);
                }
                self.at += 4;
                u16::from_str_radix(digits, 16).map_err(|_| Flaw::Syntax)?
            }
            _ => return Err(Flaw::Syntax),
        })
    }
}
