//! Checks that bytes are one CBOR item in the wire's profile, before anything is built from them.
//!
//! The profile is the core deterministic encoding of RFC 8949, section 4.2.1, without CBOR tags, with keys that are
//! integers or strings, and with bounds on nesting and on the number of items.

use minicbor::Decoder;

use crate::codec::ProtocolError;
use crate::field::{Fault, ReadError};

/// Arrays and maps inside each other, the envelope counted.
pub const MAXIMUM_DEPTH: usize = 16;
/// Elements of all arrays plus keys and values of all maps.
pub const MAXIMUM_ITEMS: u64 = 1 << 14;

const fn malformed(reason: &'static str, at: usize) -> ProtocolError {
    ProtocolError::Malformed { message_id: None, reason, at }
}

/// # Errors
/// `data` is not exactly one item in the profile.
pub fn check_item(data: &[u8]) -> Result<(), ProtocolError> {
    let mut walk = Walk { data, at: 0, items: 0 };
    walk.item(0)?;
    if walk.at == data.len() { Ok(()) } else { Err(malformed("bytes after the end of the message", walk.at)) }
}

/// Moves `decoder` past an item that [`check_item`] has accepted.
pub(crate) fn skip_item(decoder: &mut Decoder<'_>) -> Result<(), ReadError> {
    let mut walk = Walk { data: decoder.input(), at: decoder.position(), items: 0 };
    walk.item(0).map_err(|_| ReadError::from(Fault::WrongType))?;
    decoder.set_position(walk.at);
    Ok(())
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
        let (major, additional) = (initial >> 5, initial & 31);
        if major == 7 {
            self.simple(additional, begin)?;
            return Ok(major);
        }
        let argument = self.argument(additional, begin)?;
        match major {
            0 | 1 => {}
            2 => {
                self.take(argument)?;
            }
            3 => {
                let text = self.take(argument)?;
                core::str::from_utf8(text).map_err(|_| malformed("text that is not UTF-8", begin))?;
            }
            4 => {
                self.enter(argument, depth, begin)?;
                for _ in 0..argument {
                    self.item(depth + 1)?;
                }
            }
            5 => {
                self.enter(argument.saturating_mul(2), depth, begin)?;
                let mut previous: &[u8] = &[];
                for _ in 0..argument {
                    let start = self.at;
                    if self.item(depth + 1)? > 3 {
                        return Err(malformed("a map key that is neither an integer nor a string", start));
                    }
                    let key = &self.data[start..self.at];
                    if key <= previous {
                        return Err(malformed("map keys that are out of order, or twice the same", start));
                    }
                    previous = key;
                    self.item(depth + 1)?;
                }
            }
            _ => return Err(malformed("a CBOR tag, which the protocol has no use for", begin)),
        }
        Ok(major)
    }

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

    /// Whether the value with these bits is the same in `narrow`, the next narrower format.
    const fn fits(&self, bits: u64, narrow: &Self) -> bool {
        let magnitude = bits & ((1 << (self.fraction + self.exponent)) - 1);
        if magnitude == 0 || magnitude >= self.infinity() {
            return true;
        }
        let exponent = (magnitude >> self.fraction) as i32 - self.largest_exponent();
        let least = 1 - narrow.largest_exponent();
        // Below its least exponent, the narrow format has fewer digits for the fraction.
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
