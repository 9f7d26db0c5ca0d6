//! Checks that bytes are one CBOR item in the wire's profile, before a message is read from them.
//!
//! The profile is the core deterministic encoding of RFC 8949, section 4.2.1, without CBOR tags, with keys that are
//! integers or strings, and with bounds on nesting and on the number of items.

use minicbor::Decoder;

use crate::error::ProtocolError;

/// Levels of arrays and maps inside each other, including the envelope.
pub const MAXIMUM_DEPTH: usize = 16;
/// Elements of all arrays plus keys and values of all maps.
pub const MAXIMUM_ITEMS: u64 = 1 << 14;

const fn malformed(reason: &'static str, at: usize) -> ProtocolError {
    ProtocolError::Malformed { message_id: None, reason, at }
}

/// Checks `data`.
///
/// # Errors
/// `data` is not exactly one item in the profile.
pub fn check_item(data: &[u8]) -> Result<(), ProtocolError> {
    let mut walk = Walk { data, at: 0, items: 0 };
    walk.item(0)?;
    if walk.at == data.len() { Ok(()) } else { Err(malformed("bytes after the end of the message", walk.at)) }
}

/// Moves `decoder` past an item that [`check_item`] has accepted.
pub(crate) fn skip_item(decoder: &mut Decoder<'_>) -> Result<(), ProtocolError> {
    let mut walk = Walk { data: decoder.input(), at: decoder.position(), items: 0 };
    walk.item(0)?;
    decoder.set_position(walk.at);
    Ok(())
}

/// The major types of CBOR (RFC 8949, section 3.1).
mod major {
    pub const UNSIGNED: u8 = 0;
    pub const NEGATIVE: u8 = 1;
    pub const BYTES: u8 = 2;
    pub const TEXT: u8 = 3;
    pub const ARRAY: u8 = 4;
    pub const MAP: u8 = 5;
    pub const SIMPLE: u8 = 7;
}

struct Walk<'a> {
    data: &'a [u8],
    at: usize,
    items: u64,
}

impl<'a> Walk<'a> {
    fn take(&mut self, count: u64) -> Result<&'a [u8], ProtocolError> {
        let count = usize::try_from(count).map_err(|_| self.cut_off())?;
        let taken = self.data[self.at..].get(..count).ok_or_else(|| self.cut_off())?;
        self.at += count;
        Ok(taken)
    }

    const fn cut_off(&self) -> ProtocolError {
        malformed("the message is cut off", self.data.len())
    }

    /// Reads past one item; returns its major type.
    fn item(&mut self, depth: usize) -> Result<u8, ProtocolError> {
        let begin = self.at;
        let initial = self.take(1)?[0];
        let (kind, additional) = (initial >> 5, initial & 31);
        if kind == major::SIMPLE {
            self.simple(additional, begin)?;
            return Ok(kind);
        }
        let argument = self.argument(additional, begin)?;
        match kind {
            major::UNSIGNED | major::NEGATIVE => {}
            major::BYTES => {
                self.take(argument)?;
            }
            major::TEXT => self.text(argument, begin)?,
            major::ARRAY => self.array(argument, depth, begin)?,
            major::MAP => self.map(argument, depth, begin)?,
            _ => return Err(malformed("a CBOR tag, which the protocol has no use for", begin)),
        }
        Ok(kind)
    }

    fn text(&mut self, length: u64, begin: usize) -> Result<(), ProtocolError> {
        let text = self.take(length)?;
        core::str::from_utf8(text).map_err(|_| malformed("text that is not UTF-8", begin))?;
        Ok(())
    }

    fn array(&mut self, elements: u64, depth: usize, begin: usize) -> Result<(), ProtocolError> {
        self.enter(elements, depth, begin)?;
        for _ in 0..elements {
            self.item(depth + 1)?;
        }
        Ok(())
    }

    fn map(&mut self, pairs: u64, depth: usize, begin: usize) -> Result<(), ProtocolError> {
        self.enter(pairs.saturating_mul(2), depth, begin)?;
        let mut previous: &[u8] = &[];
        for _ in 0..pairs {
            previous = self.key_after(previous, depth)?;
            self.item(depth + 1)?;
        }
        Ok(())
    }

    /// Reads past a map's key and returns it, encoded. The encoded keys of a map have to ascend.
    fn key_after(&mut self, previous: &[u8], depth: usize) -> Result<&'a [u8], ProtocolError> {
        let start = self.at;
        if self.item(depth + 1)? > major::TEXT {
            return Err(malformed("a map key that is neither an integer nor a string", start));
        }
        let key = &self.data[start..self.at];
        if key <= previous {
            return Err(malformed("map keys that are out of order, or twice the same", start));
        }
        Ok(key)
    }

    /// Reads the argument that follows an item's first byte: a number or a length.
    fn argument(&mut self, additional: u8, begin: usize) -> Result<u64, ProtocolError> {
        let (width, least) = match additional {
            0..=23 => return Ok(u64::from(additional)),
            24 => (1, 24),
            25 => (2, 1 << 8),
            26 => (4, 1 << 16),
            27 => (8, 1 << 32),
            31 => return Err(malformed("an item of indefinite length", begin)),
            _ => return Err(malformed("a malformed item", begin)),
        };
        let argument = self.take(width)?.iter().fold(0, |value, &byte| value << 8 | u64::from(byte));
        if argument < least {
            return Err(malformed("an integer or length that is not in its shortest form", begin));
        }
        Ok(argument)
    }

    /// Counts the items of an array or a map against the bounds.
    fn enter(&mut self, count: u64, depth: usize, begin: usize) -> Result<(), ProtocolError> {
        self.items = self.items.saturating_add(count);
        if count > (self.data.len() - self.at) as u64 {
            return Err(self.cut_off());
        }
        if self.items > MAXIMUM_ITEMS {
            return Err(malformed("too many items in a message", begin));
        }
        if depth == MAXIMUM_DEPTH {
            return Err(malformed("too many levels of nesting", begin));
        }
        Ok(())
    }

    fn simple(&mut self, additional: u8, begin: usize) -> Result<(), ProtocolError> {
        let width = match additional {
            20..=23 => return Ok(()),
            25..=27 => 1 << (additional - 24),
            31 => return Err(malformed("a break outside an item of indefinite length", begin)),
            _ => return Err(malformed("an unassigned simple value", begin)),
        };
        let bits = self.take(width)?.iter().fold(0, |value, &byte| value << 8 | u64::from(byte));
        let is_shortest = match width {
            2 => bits & 0x7fff <= HALF.infinity() || bits == 0x7e00,
            4 => !SINGLE.fits(bits, &HALF),
            _ => !DOUBLE.fits(bits, &SINGLE),
        };
        if is_shortest { Ok(()) } else { Err(malformed("a float that is not in its shortest form", begin)) }
    }
}

/// A binary interchange format of IEEE 754.
struct Float {
    fraction: u32,
    exponent: u32,
}

const HALF: Float = Float { fraction: 10, exponent: 5 };
const SINGLE: Float = Float { fraction: 23, exponent: 8 };
const DOUBLE: Float = Float { fraction: 52, exponent: 11 };

impl Float {
    const fn infinity(&self) -> u64 {
        ((1 << self.exponent) - 1) << self.fraction
    }

    const fn largest_exponent(&self) -> i32 {
        (1 << (self.exponent - 1)) - 1
    }

    /// Whether `narrow`, the next narrower format, can hold the value with these bits exactly.
    const fn fits(&self, bits: u64, narrow: &Self) -> bool {
        let magnitude = bits & ((1 << (self.fraction + self.exponent)) - 1);
        if magnitude == 0 || magnitude >= self.infinity() {
            return true;
        }
        let exponent = (magnitude >> self.fraction) as i32 - self.largest_exponent();
        let least = 1 - narrow.largest_exponent();
        // Below its least exponent, the narrow format has fewer bits for the fraction.
        let denormal = if exponent < least { (least - exponent) as u32 } else { 0 };
        exponent <= narrow.largest_exponent()
            && denormal <= narrow.fraction
            && magnitude.trailing_zeros() >= self.fraction - narrow.fraction + denormal
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_fits_a_half_where_nothing_is_lost() {
        for half in 0..0x7c00_u32 {
            let (exponent, fraction) = (half >> 10, half & 0x3ff);
            let value = match exponent {
                0 => fraction as f32 / (1 << 24) as f32,
                _ => f32::from_bits((exponent + 112) << 23 | fraction << 13),
            };
            assert!(SINGLE.fits(u64::from(value.to_bits()), &HALF), "{value}");
            if half & 1 == 1 {
                let between = u64::from(value.to_bits() + 1);
                assert!(!SINGLE.fits(between, &HALF), "a little above {value}");
            }
        }
        assert!(!SINGLE.fits(u64::from(65536_f32.to_bits()), &HALF));
        assert!(!SINGLE.fits(u64::from(1e-10_f32.to_bits()), &HALF));
    }

    #[test]
    fn a_double_fits_a_single_where_nothing_is_lost() {
        for value in [0.0, -1.5, f32::MIN_POSITIVE, f32::MAX, 1e-45, f32::INFINITY, f32::NAN] {
            assert!(DOUBLE.fits(f64::from(value).to_bits(), &SINGLE), "{value}");
        }
        for value in [0.1, 1e39, 1e-46, f64::MIN_POSITIVE, f64::from(f32::MAX) * 2.0] {
            assert!(!DOUBLE.fits(value.to_bits(), &SINGLE), "{value}");
        }
    }
}
