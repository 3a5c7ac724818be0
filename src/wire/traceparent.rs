//! `traceparent`: of which trace a request is a part, in which span, and whether it is recorded (W3C Trace
//! Context, level 1).
//!
//! What is not exactly of the form is no trace context, and the request is treated as one without. It must
//! never refuse a request.

/// Bytes of a `traceparent` of version 00.
pub const BYTES: usize = 55;

/// Bit of the flags: the sender may have recorded its span.
const SAMPLED: u8 = 1;

/// Where a request stands in a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceParent {
    /// The trace; never 0.
    pub trace: u128,
    /// The span that the request was sent in; never 0.
    pub span: u64,
    /// Whether the sender recorded it.
    pub sampled: bool,
}

impl TraceParent {
    /// Reads one, without white space around it. Of a later version the beginning is read, as its text says.
    pub fn parse(value: &[u8]) -> Option<Self> {
        let (known, rest) = value.split_at_checked(BYTES)?;
        let [version, trace, span, flags] = fields(known)?;
        let version = hex(version)?;
        let legal = match version {
            0 => rest.is_empty(),
            0xff => false,
            _ => rest.is_empty() || rest.first() == Some(&b'-'),
        };
        let (high, low) = trace.split_at_checked(16)?;
        let trace = (u128::from(hex(high)?) << 64) | u128::from(hex(low)?);
        let (span, flags) = (hex(span)?, u8::try_from(hex(flags)?).ok()?);
        let told = Self { trace, span, sampled: flags & SAMPLED != 0 };
        (legal && trace != 0 && span != 0).then_some(told)
    }

    /// As a header's value, in version 00.
    pub fn write(&self) -> [u8; BYTES] {
        let mut value = *b"00-00000000000000000000000000000000-0000000000000000-00";
        let [.., flag] = &mut value;
        *flag += u8::from(self.sampled);
        put_hex(value.get_mut(3..19).unwrap_or_default(), (self.trace >> 64) as u64);
        put_hex(value.get_mut(19..35).unwrap_or_default(), self.trace as u64);
        put_hex(value.get_mut(36..52).unwrap_or_default(), self.span);
        value
    }
}

/// What stands between the dashes.
fn fields(value: &[u8]) -> Option<[&[u8]; 4]> {
    let dashes = [2, 35, 52].iter().all(|at| value.get(*at) == Some(&b'-'));
    let field = |range| value.get(range);
    dashes.then_some([field(0..2)?, field(3..35)?, field(36..52)?, field(53..55)?])
}

/// What a digit stands for, in lower case; more than 15 for what is none.
const DIGITS: [u8; 256] = {
    let mut digits = [0xff; 256];
    let mut value = 0_u8;
    while value < 16 {
        #[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
        {
            digits[(if value < 10 { b'0' + value } else { b'a' + value - 10 }) as usize] = value;
        }
        value += 1;
    }
    digits
};

/// The number of at most 16 digits; without a branch for each.
#[inline]
fn hex(digits: &[u8]) -> Option<u64> {
    let (number, seen) = digits.iter().fold((0, 0), |(number, seen), digit| {
        let value = DIGITS.get(usize::from(*digit)).copied().unwrap_or(0xff);
        ((number << 4) | u64::from(value & 0xf), seen | value)
    });
    (seen < 16).then_some(number)
}

/// A number, right-aligned, of at most 16 digits.
#[inline]
fn put_hex(place: &mut [u8], mut number: u64) {
    for digit in place.iter_mut().rev() {
        let value = (number & 0xf) as u8;
        *digit = value + if value < 10 { b'0' } else { b'a' - 10 };
        number >>= 4;
    }
}

#[cfg(test)]
mod tests {
    use super::{BYTES, TraceParent};
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn the_example_of_the_specification_is_read() {
        let told = TraceParent {
            trace: 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736,
            span: 0x00f0_67aa_0ba9_02b7,
            sampled: true,
        };
        assert_eq!(TraceParent::parse(GOOD.as_bytes()), Some(told));
        assert_eq!(told.write(), GOOD.as_bytes());
        let not = |flags: &str| TraceParent::parse(GOOD.replace("-01", flags).as_bytes()).unwrap().sampled;
        assert_eq!(["-00", "-02", "-03", "-fe", "-ff"].map(not), [false, false, true, false, true]);
    }

    #[test]
    fn what_is_not_of_the_form_is_none() {
        let long = format!("{GOOD}-x");
        for (value, legal) in [
            // A later version may go on behind a dash.
            (GOOD.replacen("00", "01", 1), true),
            (GOOD.replacen("00", "fe", 1), true),
            (long.replacen("00", "cc", 1), true),
            (format!("{GOOD}-").replacen("00", "cc", 1), true),
            (format!("{GOOD}x").replacen("00", "cc", 1), false),
            (GOOD.replacen("00", "ff", 1), false),
            (long, false),
            (format!("{GOOD} "), false),
            (format!(" {GOOD}"), false),
            (GOOD.trim_end_matches('1').to_owned(), false),
            (GOOD.replace('f', "F"), false),
            (GOOD.replacen("00", "0G", 1), false),
            (GOOD.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)), false),
            (GOOD.replace("00f067aa0ba902b7", &"0".repeat(16)), false),
            (GOOD.replace("-01", "-0x"), false),
            (GOOD.replace('-', "_"), false),
            (GOOD.replacen('-', "0", 1), false),
            (GOOD.replace("a3", "é"), false),
            (String::new(), false),
        ] {
            assert_eq!(TraceParent::parse(value.as_bytes()).is_some(), legal, "{value}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(trace in 1..=u128::MAX, span in 1..=u64::MAX, sampled in any::<bool>()) {
            let told = TraceParent { trace, span, sampled };
            let value = told.write();
            let text = std::str::from_utf8(&value).unwrap();
            prop_assert_eq!(text, format!("00-{trace:032x}-{span:016x}-0{}", u8::from(sampled)));
            prop_assert_eq!(TraceParent::parse(&value), Some(told));
        }

        /// Whatever is read of version 00 has one way of being written, its other flags aside.
        #[test]
        fn what_is_read_was_written_so(at in 0..BYTES, byte in any::<u8>(), noise in proptest::collection::vec(any::<u8>(), 0..80)) {
            let mut value = GOOD.as_bytes().to_vec();
            value[at] = byte;
            for value in [value, noise] {
                if let Some(told) = TraceParent::parse(&value) {
                    let written = told.write();
                    prop_assert_eq!(&written[2..52], &value[2..52]);
                    prop_assert!(value.len() == BYTES || value[..2] != *b"00");
                }
            }
        }
    }
}
