//! Protocol Buffers on the wire: fields written in order, and looked for in what comes back.
//!
//! As much of proto3 as OTLP needs. A field that has its default is not written, as proto3 has it. What is
//! read is bounded by what it is read from; a field that nobody asks for is passed over.

/// Kinds of field on the wire.
const VARINT: u64 = 0;
const FIXED64: u64 = 1;
const BYTES: u64 = 2;
const FIXED32: u64 = 5;

/// A message that is being written.
#[derive(Clone, Debug, Default)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// A message without fields.
    pub fn new() -> Self {
        Self::default()
    }

    /// What was written.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// The same, to look at.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Takes out what was written, for the next message.
    pub fn clear(&mut self) {
        self.bytes.clear();
    }

    /// Fields that were written apart.
    pub fn append(&mut self, fields: &[u8]) {
        self.bytes.extend_from_slice(fields);
    }

    /// A number without a sign, a truth, or a member of an enum.
    pub fn number(&mut self, field: u32, number: u64) {
        if number != 0 {
            self.some_number(field, number);
        }
    }

    /// The same where nothing and zero differ.
    pub fn some_number(&mut self, field: u32, number: u64) {
        self.tag(field, VARINT);
        self.varint(number);
    }

    /// 32 bits in their place.
    pub fn fixed32(&mut self, field: u32, number: u32) {
        if number != 0 {
            self.tag(field, FIXED32);
            self.bytes.extend_from_slice(&number.to_le_bytes());
        }
    }

    /// 64 bits in their place.
    pub fn fixed64(&mut self, field: u32, number: u64) {
        if number != 0 {
            self.some_fixed64(field, number);
        }
    }

    /// The same where nothing and zero differ.
    pub fn some_fixed64(&mut self, field: u32, number: u64) {
        self.tag(field, FIXED64);
        self.bytes.extend_from_slice(&number.to_le_bytes());
    }

    /// A floating-point number, where nothing and zero differ.
    pub fn some_double(&mut self, field: u32, number: f64) {
        self.some_fixed64(field, number.to_bits());
    }

    /// A text or bytes.
    pub fn text(&mut self, field: u32, text: impl AsRef<[u8]>) {
        if !text.as_ref().is_empty() {
            self.some_text(field, text);
        }
    }

    /// The same where nothing and an empty one differ, and for messages that were written apart.
    pub fn some_text(&mut self, field: u32, text: impl AsRef<[u8]>) {
        self.tag(field, BYTES);
        self.varint(text.as_ref().len() as u64);
        self.bytes.extend_from_slice(text.as_ref());
    }

    /// 64-bit numbers, packed.
    pub fn packed(&mut self, field: u32, numbers: impl ExactSizeIterator<Item = u64>) {
        if numbers.len() > 0 {
            self.tag(field, BYTES);
            self.varint(numbers.len() as u64 * 8);
            numbers.for_each(|number| self.bytes.extend_from_slice(&number.to_le_bytes()));
        }
    }

    /// A message within this one.
    pub fn message(&mut self, field: u32, write: impl FnOnce(&mut Self)) {
        self.tag(field, BYTES);
        let begin = self.bytes.len();
        write(self);
        // The length is known only now, and goes before what it counts.
        let length = self.bytes.len() - begin;
        let end = self.bytes.len();
        self.varint(length as u64);
        let digits = self.bytes.len() - end;
        if let Some(moved) = self.bytes.get_mut(begin..) {
            moved.rotate_right(digits);
        }
    }

    fn tag(&mut self, field: u32, kind: u64) {
        self.varint((u64::from(field) << 3) | kind);
    }

    fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.bytes.push((number as u8) | 0x80);
            number >>= 7;
        }
        self.bytes.push(number as u8);
    }
}

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'m> {
    /// A number, in whatever size it was sent.
    Number(u64),
    /// A text, bytes or a message.
    Bytes(&'m [u8]),
}

impl<'m> Value<'m> {
    /// The bytes; none of a number.
    pub fn bytes(self) -> &'m [u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Number(_) => &[],
        }
    }

    /// The number; 0 of bytes.
    pub fn number(self) -> u64 {
        match self {
            Self::Number(number) => number,
            Self::Bytes(_) => 0,
        }
    }
}

/// The fields of a message, in order, up to the first that is none.
pub fn fields(message: &[u8]) -> impl Iterator<Item = (u64, Value<'_>)> {
    let mut rest = message;
    std::iter::from_fn(move || {
        let tag = take_varint(&mut rest)?;
        let value = match tag & 7 {
            VARINT => Value::Number(take_varint(&mut rest)?),
            FIXED64 => Value::Number(u64::from_le_bytes(*take(&mut rest, 8)?.first_chunk()?)),
            BYTES => {
                let length = usize::try_from(take_varint(&mut rest)?).ok()?;
                Value::Bytes(take(&mut rest, length)?)
            }
            FIXED32 => Value::Number(u32::from_le_bytes(*take(&mut rest, 4)?.first_chunk()?).into()),
            _ => return None,
        };
        Some((tag >> 3, value))
    })
}

/// The last value of a field, which is the one that counts.
pub fn last(message: &[u8], field: u64) -> Option<Value<'_>> {
    fields(message).filter(|(number, _)| *number == field).map(|(_, value)| value).last()
}

fn take<'m>(rest: &mut &'m [u8], length: usize) -> Option<&'m [u8]> {
    let (taken, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(taken)
}

fn take_varint(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for place in 0..10 {
        let byte = *take(rest, 1)?.first()?;
        number |= u64::from(byte & 0x7f) << (7 * place);
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{Value, Writer, fields, last};
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    #[test]
    fn bytes_are_those_of_the_encoding_guide() {
        let mut writer = Writer::new();
        writer.number(1, 150);
        writer.text(2, "testing");
        writer.message(3, |inner| inner.number(1, 150));
        writer.fixed32(4, 1);
        writer.packed(5, [3].into_iter());
        let written = [
            &[0x08, 0x96, 0x01][..],
            b"\x12\x07testing",
            &[0x1a, 0x03, 0x08, 0x96, 0x01],
            &[0x25, 1, 0, 0, 0],
            &[0x2a, 8, 3, 0, 0, 0, 0, 0, 0, 0],
        ];
        assert_eq!(writer.bytes(), written.concat());
        assert_eq!(last(writer.bytes(), 3).map(Value::bytes), Some(&[0x08, 0x96, 0x01][..]));
        assert_eq!(last(writer.bytes(), 4).map(Value::number), Some(1));
        assert_eq!(last(writer.bytes(), 9), None);
    }

    #[test]
    fn defaults_are_left_out_where_nothing_is_the_same() {
        let mut writer = Writer::new();
        writer.number(1, 0);
        writer.text(2, "");
        writer.fixed64(3, 0);
        writer.fixed32(3, 0);
        writer.packed(4, [].into_iter());
        assert_eq!(writer.bytes(), b"");
        writer.some_fixed64(1, 0);
        writer.some_text(2, "");
        writer.message(3, |_| {});
        assert_eq!(writer.into_bytes(), b"\x09\0\0\0\0\0\0\0\0\x12\x00\x1a\x00");
    }

    proptest! {
        #[test]
        fn what_is_written_is_found(number in any::<u64>(), field in 1_u32..1 << 29, long in 0_usize..70_000) {
            let mut writer = Writer::new();
            writer.message(field, |inner| {
                inner.some_text(7, vec![b'x'; long]);
                inner.message(8, |deep| deep.some_fixed64(1, number));
                inner.number(9, number);
            });
            writer.number(field, 1);
            let found: Vec<_> = fields(writer.bytes()).collect();
            prop_assert_eq!(found.len(), 1 + 1);
            let (field_found, inner) = found[0];
            prop_assert_eq!(field_found, u64::from(field));
            prop_assert_eq!(last(inner.bytes(), 7).map(|text| text.bytes().len()), Some(long));
            let deep = last(inner.bytes(), 8).unwrap();
            prop_assert_eq!(last(deep.bytes(), 1), Some(Value::Number(number)));
            prop_assert_eq!(last(inner.bytes(), 9).map_or(0, Value::number), number);
        }

        #[test]
        fn anything_is_read_to_its_end(noise in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(fields(&noise).count() <= noise.len());
        }
    }
}
