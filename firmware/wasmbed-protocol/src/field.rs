//! Writes values into a message's map and reads them from it. Reading is strict: a value of another type is refused,
//! and null does not count as an absent field.

use alloc::vec::Vec;
use core::convert::Infallible;
use core::ops::RangeInclusive;

use minicbor::data::Type;
use minicbor::{Decoder, Encoder, encode};

use crate::deterministic::skip_item;

/// The target of encoding: memory, so writing cannot fail.
pub(crate) type Out<'v> = Encoder<&'v mut Vec<u8>>;
pub(crate) type WriteResult = Result<(), encode::Error<Infallible>>;

/// Reasons to refuse a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Missing,
    WrongType,
    WrongSize,
    BadNumber,
}

impl Fault {
    pub(crate) const fn reason(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::WrongType => "wrong type",
            Self::WrongSize => "wrong size",
            Self::BadNumber => "a field number that is not an unsigned integer",
        }
    }
}

/// Why a message was refused, in which field, and at which byte of the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReadError {
    pub fault: Fault,
    pub field: Option<u8>,
    pub at: u32,
}

impl ReadError {
    /// Returns the same error for the field that contains the value.
    pub(crate) const fn within(self, field: u8, at: usize) -> Self {
        Self { field: Some(field), at: at as u32, ..self }
    }
}

impl From<Fault> for ReadError {
    fn from(fault: Fault) -> Self {
        Self { fault, field: None, at: 0 }
    }
}

impl From<minicbor::decode::Error> for ReadError {
    fn from(_: minicbor::decode::Error) -> Self {
        Fault::WrongType.into()
    }
}

/// A value that can be a field.
pub(crate) trait Field<'b>: Sized {
    fn write(&self, out: &mut Out<'_>) -> WriteResult;

    fn read(decoder: &mut Decoder<'b>) -> Result<Self, ReadError>;

    /// The value of an absent field; None: the field is required.
    fn absent() -> Option<Self> {
        None
    }

    fn is_present(&self) -> bool {
        true
    }

    /// Length of a text or of bytes; None for values that the contract does not bound.
    fn size(&self) -> Option<usize> {
        None
    }
}

impl<'b> Field<'b> for u64 {
    fn write(&self, out: &mut Out<'_>) -> WriteResult {
        out.u64(*self)?.ok()
    }

    fn read(decoder: &mut Decoder<'b>) -> Result<Self, ReadError> {
        Ok(decoder.u64()?)
    }
}

impl<'b> Field<'b> for bool {
    fn write(&self, out: &mut Out<'_>) -> WriteResult {
        out.bool(*self)?.ok()
    }

    fn read(decoder: &mut Decoder<'b>) -> Result<Self, ReadError> {
        Ok(decoder.bool()?)
    }
}

impl<'b> Field<'b> for &'b str {
    fn write(&self, out: &mut Out<'_>) -> WriteResult {
        out.str(self)?.ok()
    }

    fn read(decoder: &mut Decoder<'b>) -> Result<Self, ReadError> {
        Ok(decoder.str()?)
    }

    fn size(&self) -> Option<usize> {
        Some(self.len())
    }
}

impl<'b> Field<'b> for &'b [u8] {
    fn write(&self, out: &mut Out<'_>) -> WriteResult {
        out.bytes(self)?.ok()
    }

    fn read(decoder: &mut Decoder<'b>) -> Result<Self, ReadError> {
        Ok(decoder.bytes()?)
    }

    fn size(&self) -> Option<usize> {
        Some(self.len())
    }
}

impl<'b, const N: usize> Field<'b> for [u8; N] {
    fn write(&self, out: &mut Out<'_>) -> WriteResult {
        out.bytes(self)?.ok()
    }

    fn read(decoder: &mut Decoder<'b>) -> Result<Self, ReadError> {
        decoder.bytes()?.try_into().map_err(|_| Fault::WrongSize.into())
    }
}

impl<'b, T: Field<'b>> Field<'b> for Option<T> {
    fn write(&self, out: &mut Out<'_>) -> WriteResult {
        self.as_ref().map_or(Ok(()), |value| value.write(out))
    }

    fn read(decoder: &mut Decoder<'b>) -> Result<Self, ReadError> {
        T::read(decoder).map(Some)
    }

    fn absent() -> Option<Self> {
        Some(None)
    }

    fn is_present(&self) -> bool {
        self.is_some()
    }

    fn size(&self) -> Option<usize> {
        self.as_ref().and_then(T::size)
    }
}

impl<'b, T: Field<'b>> Field<'b> for Vec<T> {
    fn write(&self, out: &mut Out<'_>) -> WriteResult {
        out.array(self.len() as u64)?;
        self.iter().try_for_each(|item| item.write(out))
    }

    fn read(decoder: &mut Decoder<'b>) -> Result<Self, ReadError> {
        let count = decoder.array()?.ok_or(Fault::WrongType)?;
        (0..count).map(|_| T::read(decoder)).collect()
    }
}

/// Writes a map from names to values, in the bytewise order of the encoded keys (RFC 8949, section 4.2.1).
pub(crate) fn write_pairs<'b, V: Field<'b>>(pairs: &[(&str, V)], out: &mut Out<'_>) -> WriteResult {
    let mut order: Vec<usize> = (0..pairs.len()).collect();
    // A string's encoding begins with its length.
    order.sort_unstable_by_key(|&index| (pairs[index].0.len(), pairs[index].0));
    out.map(pairs.len() as u64)?;
    for index in order {
        out.str(pairs[index].0)?;
        pairs[index].1.write(out)?;
    }
    Ok(())
}

/// Reads a map from names to values.
pub(crate) fn read_pairs<'b, V: Field<'b>>(decoder: &mut Decoder<'b>) -> Result<Vec<(&'b str, V)>, ReadError> {
    let count = decoder.map()?.ok_or(Fault::WrongType)?;
    (0..count).map(|_| Ok((decoder.str()?, V::read(decoder)?))).collect()
}

/// Reads the number of the next field.
pub(crate) fn read_number(decoder: &mut Decoder<'_>) -> Result<u64, ReadError> {
    let at = decoder.position();
    decoder.u64().map_err(|_| ReadError { fault: Fault::BadNumber, field: None, at: at as u32 })
}

/// The sizes of a text or of bytes that the contract does not bound.
pub(crate) const ANY: RangeInclusive<usize> = 0..=usize::MAX;

/// Reads the next field's value; its size in bytes has to be one of `sizes`.
pub(crate) fn read_value<'b, V: Field<'b>>(
    decoder: &mut Decoder<'b>,
    number: u8,
    sizes: &RangeInclusive<usize>,
) -> Result<V, ReadError> {
    let at = decoder.position();
    match V::read(decoder) {
        Ok(value) if value.size().is_none_or(|size| sizes.contains(&size)) => Ok(value),
        Ok(_) => Err(ReadError::from(Fault::WrongSize).within(number, at)),
        Err(error) => Err(error.within(number, at)),
    }
}

/// Skips the value of an unknown field.
pub(crate) fn skip(decoder: &mut Decoder<'_>) -> Result<(), ReadError> {
    skip_item(decoder).map_err(|_| Fault::WrongType.into())
}

/// Whether a map comes next.
pub(crate) fn at_map(decoder: &Decoder<'_>) -> bool {
    matches!(decoder.datatype(), Ok(Type::Map))
}

/// A struct that is a map of numbered fields on the wire: `number => name: type`, and in brackets the sizes in bytes
/// that the contract allows. Fields stand in ascending order of their numbers.
macro_rules! message {
    ($(#[$about:meta])* $name:ident $(<$life:lifetime>)? {
        $($(#[$note:meta])* $number:literal => $field:ident: $kind:ty $([$size:expr])?,)*
    }) => {
        $(#[$about])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name $(<$life>)? {
            $($(#[$note])* pub $field: $kind,)*
        }

        impl<'a> Field<'a> for $name $(<$life>)? {
            fn write(&self, out: &mut Out<'_>) -> WriteResult {
                let count: u64 = 0 $(+ u64::from(self.$field.is_present()))*;
                out.map(count)?;
                $(if self.$field.is_present() {
                    out.u64($number)?;
                    self.$field.write(out)?;
                })*
                Ok(())
            }

            #[allow(unused_mut, unused_variables, clippy::match_single_binding)]
            fn read(decoder: &mut Decoder<'a>) -> Result<Self, ReadError> {
                let begin = decoder.position();
                $(let mut $field: Option<$kind> = None;)*
                for _ in 0..decoder.map()?.ok_or(crate::field::Fault::WrongType)? {
                    match crate::field::read_number(decoder)? {
                        $($number => {
                            let sizes = &crate::field::ANY;
                            $(let sizes = &$size;)?
                            $field = Some(crate::field::read_value(decoder, $number, sizes)?);
                        })*
                        _ => crate::field::skip(decoder)?,
                    }
                }
                let missing = |number| ReadError::from(crate::field::Fault::Missing).within(number, begin);
                Ok(Self {
                    $($field: $field.or_else(<$kind as Field<'a>>::absent).ok_or_else(|| missing($number))?,)*
                })
            }
        }
    };
}

/// The messages of one direction by their tags.
macro_rules! messages {
    ($(#[$about:meta])* $name:ident { $($tag:literal => $variant:ident($kind:ty),)* }) => {
        $(#[$about])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[allow(missing_docs, clippy::large_enum_variant)]
        pub enum $name<'a> {
            $($variant($kind),)*
        }

        impl<'a> $name<'a> {
            /// The message's number on the wire.
            pub const fn tag(&self) -> u64 {
                match self { $(Self::$variant(_) => $tag,)* }
            }

            /// The message's name, for log lines.
            pub const fn name(&self) -> &'static str {
                match self { $(Self::$variant(_) => stringify!($variant),)* }
            }

            pub(crate) const fn name_of(tag: u64) -> &'static str {
                match tag {
                    $($tag => stringify!($variant),)*
                    _ => "",
                }
            }

            pub(crate) fn write_fields(&self, out: &mut Out<'_>) -> WriteResult {
                match self { $(Self::$variant(message) => message.write(out),)* }
            }

            /// Reads the fields of the message with this tag; None: this direction has no such tag.
            pub(crate) fn read_fields(tag: u64, decoder: &mut Decoder<'a>) -> Option<Result<Self, ReadError>> {
                Some(match tag {
                    $($tag => <$kind>::read(decoder).map(Self::$variant),)*
                    _ => return None,
                })
            }
        }
    };
}

pub(crate) use {message, messages};
