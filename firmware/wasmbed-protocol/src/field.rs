//! How a value is written into a message's map, and read from it: strictly, so that a wrong type is never taken for
//! something else and a null never for an absent field.

use alloc::vec::Vec;
use core::convert::Infallible;

use minicbor::data::Type;
use minicbor::{Decoder, Encoder, encode};

/// Where messages are written to: memory, which does not refuse.
pub(crate) type Out<'v> = Encoder<&'v mut Vec<u8>>;
pub(crate) type WriteResult = Result<(), encode::Error<Infallible>>;

/// What is wrong with a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReadError {
    Missing,
    WrongType,
    WrongSize,
    BadNumber,
}

impl ReadError {
    pub(crate) const fn reason(self) -> &'static str {
        match self {
            Self::Missing => "a field is missing",
            Self::WrongType => "a field has the wrong type",
            Self::WrongSize => "a field has the wrong size",
            Self::BadNumber => "a field number that is not an unsigned integer",
        }
    }
}

impl From<minicbor::decode::Error> for ReadError {
    fn from(_: minicbor::decode::Error) -> Self {
        Self::WrongType
    }
}

/// A value that can be a field.
pub(crate) trait Field<'b>: Sized {
    fn write(&self, out: &mut Out<'_>) -> WriteResult;

    fn read(decoder: &mut Decoder<'b>) -> Result<Self, ReadError>;

    /// What an absent field is; None: it must be there.
    fn absent() -> Option<Self> {
        None
    }

    fn is_present(&self) -> bool {
        true
    }

    /// Of a text or of bytes; None where the contract does not bound it.
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
        decoder.bytes()?.try_into().map_err(|_| ReadError::WrongSize)
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
        let count = decoder.array()?.ok_or(ReadError::WrongType)?;
        (0..count).map(|_| T::read(decoder)).collect()
    }
}

/// Writes a map by name, in the bytewise order of the encoded keys (RFC 8949, section 4.2.1).
pub(crate) fn write_pairs<'b, V: Field<'b>>(pairs: &[(&str, V)], out: &mut Out<'_>) -> WriteResult {
    let mut order: Vec<usize> = (0..pairs.len()).collect();
    // A string's length comes first in its encoding.
    order.sort_unstable_by_key(|&index| (pairs[index].0.len(), pairs[index].0));
    out.map(pairs.len() as u64)?;
    for index in order {
        out.str(pairs[index].0)?;
        pairs[index].1.write(out)?;
    }
    Ok(())
}

/// Reads a map by name.
pub(crate) fn read_pairs<'b, V: Field<'b>>(decoder: &mut Decoder<'b>) -> Result<Vec<(&'b str, V)>, ReadError> {
    let count = decoder.map()?.ok_or(ReadError::WrongType)?;
    (0..count).map(|_| Ok((decoder.str()?, V::read(decoder)?))).collect()
}

/// The number of the next field.
pub(crate) fn read_number(decoder: &mut Decoder<'_>) -> Result<u64, ReadError> {
    decoder.u64().map_err(|_| ReadError::BadNumber)
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

            #[allow(unused_mut, clippy::match_single_binding)]
            fn read(decoder: &mut Decoder<'a>) -> Result<Self, ReadError> {
                $(let mut $field: Option<$kind> = None;)*
                for _ in 0..decoder.map()?.ok_or(ReadError::WrongType)? {
                    match crate::field::read_number(decoder)? {
                        $($number => $field = Some(<$kind>::read(decoder)?),)*
                        _ => crate::deterministic::skip_item(decoder)?,
                    }
                }
                $($(if $field.as_ref().and_then(|field| field.size()).is_some_and(|size| !($size).contains(&size)) {
                    return Err(ReadError::WrongSize);
                })?)*
                Ok(Self {
                    $($field: $field.or_else(<$kind as Field<'a>>::absent).ok_or(ReadError::Missing)?,)*
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

            pub(crate) fn write_fields(&self, out: &mut Out<'_>) -> WriteResult {
                match self { $(Self::$variant(message) => message.write(out),)* }
            }

            /// None: no message of this direction has this tag.
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
