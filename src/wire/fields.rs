//! The headers that decide, gathered from a request's head in one pass.
//!
//! Looking each one up would hash its name again for every stage. A header that must be there
//! once remembers that it was repeated, so that no stage can take the first of two.

use super::known::Known;
use super::lines::Lines;

/// One header of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Field<'h> {
    /// Not there.
    #[default]
    Absent,
    /// There, once.
    Once(&'h [u8]),
    /// There more than once, whether equal or not.
    Repeated,
}

/// The headers that decide.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fields<'h> {
    /// `Host`
    pub host: Field<'h>,
    /// `Origin`
    pub origin: Field<'h>,
    /// `Authorization`
    pub authorization: Field<'h>,
    /// `X-API-Key`
    pub api_key: Field<'h>,
    /// `Content-Type`
    pub content_type: Field<'h>,
    /// `Content-Encoding`
    pub content_encoding: Field<'h>,
    /// `Last-Event-ID`
    pub last_event_id: Field<'h>,
    /// `Mcp-Session-Id`
    pub session_id: Field<'h>,
    /// `MCP-Protocol-Version`
    pub protocol_version: Field<'h>,
    /// `Mcp-Method`
    pub mcp_method: Field<'h>,
    /// `Mcp-Name`
    pub mcp_name: Field<'h>,
    /// `Traceparent`
    pub traceparent: Field<'h>,
}

/// A header that may be there once was there twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Twice;

impl<'h> Field<'h> {
    /// The value, if there is one.
    #[inline]
    pub fn single(self) -> Result<Option<&'h [u8]>, Twice> {
        match self {
            Self::Absent => Ok(None),
            Self::Once(value) => Ok(Some(value)),
            Self::Repeated => Err(Twice),
        }
    }

    #[inline]
    fn add(&mut self, value: &'h [u8]) {
        *self = if *self == Self::Absent { Self::Once(value) } else { Self::Repeated };
    }
}

/// A value as text, where it is visible ASCII, spaces and tabs: what a header's value is when it
/// is no more than one of HTTP's own.
#[inline]
pub fn text(value: &[u8]) -> Option<&str> {
    let plain = value.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\t'));
    std::str::from_utf8(value).ok().filter(|_| plain)
}

impl<'h> Fields<'h> {
    /// Gathers them.
    #[inline]
    pub fn gather(lines: &'h Lines) -> Self {
        let mut fields = Self::default();
        for line in lines.iter() {
            let field = match line.known() {
                Known::Host => &mut fields.host,
                Known::Origin => &mut fields.origin,
                Known::Authorization => &mut fields.authorization,
                Known::ApiKey => &mut fields.api_key,
                Known::ContentType => &mut fields.content_type,
                Known::ContentEncoding => &mut fields.content_encoding,
                Known::LastEventId => &mut fields.last_event_id,
                Known::SessionId => &mut fields.session_id,
                Known::ProtocolVersion => &mut fields.protocol_version,
                Known::Method => &mut fields.mcp_method,
                Known::Name => &mut fields.mcp_name,
                Known::Traceparent => &mut fields.traceparent,
                _ => continue,
            };
            field.add(line.value());
        }
        fields
    }
}

#[cfg(test)]
mod tests {
    use super::{Field, Fields, Twice};
    use crate::wire::lines::Lines;
    use http::{HeaderMap, HeaderName, HeaderValue};

    #[test]
    fn absent_once_and_repeated_are_told_apart() {
        let mut headers = HeaderMap::new();
        for (name, value) in [("host", "a"), ("mcp-name", "x"), ("mcp-name", "x"), ("accept", "y")] {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let lines = Lines::from(&headers);
        let fields = Fields::gather(&lines);
        assert_eq!(fields.host.single(), Ok(Some(&b"a"[..])));
        assert_eq!(fields.mcp_name.single(), Err(Twice));
        assert_eq!((fields.origin, fields.origin.single()), (Field::Absent, Ok(None)));
    }
}
