//! Envelopes to bytes and back.

use alloc::vec::Vec;
use core::fmt;

use minicbor::{Decoder, Encoder};

use crate::deterministic::check_item;
use crate::field::{Out, ReadError, WriteResult, at_map};
use crate::framing::HEADER_SIZE;
use crate::messages::{DeviceMessage, GatewayMessage};

/// The protocol version of this crate.
pub const VERSION: u64 = 1;

/// A message and the id that its reply will carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope<M> {
    /// Fresh in a message that starts an exchange, the request's in a reply.
    pub message_id: u32,
    /// What is said.
    pub message: M,
}

/// What can be wrong with what a peer sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtocolError {
    /// Not a frame: the session ends.
    BadFrame(&'static str),
    /// Not an item in the profile or not an envelope: the session ends.
    Malformed {
        /// The offending message's id, if what is wrong lies behind it.
        message_id: Option<u32>,
        /// What is wrong.
        reason: &'static str,
        /// The byte of the frame at which the offending item begins.
        at: usize,
    },
    /// The envelope's version is not ours: the session ends.
    UnsupportedVersion,
    /// The envelope is fine, its message is not: the session ends.
    Invalid {
        /// The offending message's id.
        message_id: u32,
        /// The message's name.
        message: &'static str,
        /// The offending field's number, if it is one field's.
        field: Option<u8>,
        /// What is wrong.
        reason: &'static str,
        /// The byte of the frame at which the offending item begins.
        at: usize,
    },
    /// A well-formed message of a kind this version does not have: answered with `error`, the session goes on.
    UnknownTag {
        /// The offending message's id.
        message_id: u32,
        /// The unknown tag.
        tag: u64,
    },
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadFrame(reason) => formatter.write_str(reason),
            Self::Malformed { reason, at, .. } => write!(formatter, "{reason} (byte {at})"),
            Self::UnsupportedVersion => write!(formatter, "not protocol version {VERSION} (byte 1)"),
            Self::Invalid { message, field: Some(field), reason, at, .. } => {
                write!(formatter, "{message}: field {field}: {reason} (byte {at})")
            }
            Self::Invalid { message, field: None, reason, at, .. } => {
                write!(formatter, "{message}: {reason} (byte {at})")
            }
            Self::UnknownTag { tag, .. } => write!(formatter, "unknown message tag {tag}"),
        }
    }
}

impl core::error::Error for ProtocolError {}

impl ProtocolError {
    /// The id that an answer carries.
    pub const fn message_id(&self) -> Option<u32> {
        match *self {
            Self::Malformed { message_id, .. } => message_id,
            Self::Invalid { message_id, .. } | Self::UnknownTag { message_id, .. } => Some(message_id),
            Self::BadFrame(_) | Self::UnsupportedVersion => None,
        }
    }
}

/// Appends a frame with a device's message to `out`.
pub fn encode_device(message_id: u32, message: &DeviceMessage<'_>, out: &mut Vec<u8>) {
    frame(message_id, message.tag(), out, |encoder| message.write_fields(encoder));
}

/// Appends a frame with a gateway's message to `out`.
pub fn encode_gateway(message_id: u32, message: &GatewayMessage<'_>, out: &mut Vec<u8>) {
    frame(message_id, message.tag(), out, |encoder| message.write_fields(encoder));
}

/// What a device sent, without its frame's header.
///
/// # Errors
/// It is not a message of this protocol version.
pub fn decode_device(data: &[u8]) -> Result<Envelope<DeviceMessage<'_>>, ProtocolError> {
    let mut opened = open(data)?;
    let message = DeviceMessage::read_fields(opened.tag, &mut opened.decoder);
    opened.close(DeviceMessage::name_of(opened.tag), message)
}

/// What a gateway sent, without its frame's header.
///
/// # Errors
/// It is not a message of this protocol version.
pub fn decode_gateway(data: &[u8]) -> Result<Envelope<GatewayMessage<'_>>, ProtocolError> {
    let mut opened = open(data)?;
    let message = GatewayMessage::read_fields(opened.tag, &mut opened.decoder);
    opened.close(GatewayMessage::name_of(opened.tag), message)
}

fn frame(message_id: u32, tag: u64, out: &mut Vec<u8>, fields: impl FnOnce(&mut Out<'_>) -> WriteResult) {
    let start = out.len();
    out.extend_from_slice(&[0; HEADER_SIZE]);
    let mut encoder = Encoder::new(&mut *out);
    // Writing to a vector cannot fail, and no message refuses to be written.
    let _ =
        encoder.array(3).and_then(|encoder| encoder.u64(VERSION)?.u32(message_id)?.array(2)?.u64(tag)).and_then(fields);
    let size = (out.len() - start - HEADER_SIZE) as u32;
    out[start..start + HEADER_SIZE].copy_from_slice(&size.to_be_bytes());
}

/// An envelope up to its message's fields, before which the decoder stands.
struct Opened<'a> {
    message_id: u32,
    tag: u64,
    /// Where the message begins.
    at: usize,
    /// Whether it is a pair of tag and fields; one of a kind that is not known may look as it likes.
    is_pair: bool,
    decoder: Decoder<'a>,
}

fn open(data: &[u8]) -> Result<Opened<'_>, ProtocolError> {
    check_item(data).map_err(|error| match error {
        ProtocolError::Malformed { reason, at, .. } => {
            ProtocolError::Malformed { message_id: message_id(data), reason, at }
        }
        other => other,
    })?;
    let malformed = |reason, at| ProtocolError::Malformed { message_id: None, reason, at };
    let mut decoder = Decoder::new(data);
    if !matches!(decoder.array(), Ok(Some(3))) {
        return Err(malformed("not an envelope of version, message id and message", 0));
    }
    if !matches!(decoder.u64(), Ok(VERSION)) {
        return Err(ProtocolError::UnsupportedVersion);
    }
    let at = decoder.position();
    let message_id = decoder.u32().map_err(|_| malformed("a message id that is not a 32-bit unsigned integer", at))?;
    let at = decoder.position();
    let length = decoder.array().ok().flatten();
    let reason = "a message that does not begin with its tag";
    let tag = decoder.u64().map_err(|_| ProtocolError::Malformed { message_id: Some(message_id), reason, at })?;
    let is_pair = length == Some(2) && at_map(&decoder);
    Ok(Opened { message_id, tag, at, is_pair, decoder })
}

/// The message id of a frame that is wrong only behind it.
fn message_id(data: &[u8]) -> Option<u32> {
    const PREFIX: [u8; 2] = [0x83, VERSION as u8];
    let (&first, rest) = data.strip_prefix(&PREFIX)?.split_first()?;
    let width = match first {
        0..=23 => return Some(first.into()),
        24 => 1,
        25 => 2,
        26 => 4,
        _ => return None,
    };
    Some(rest.get(..width)?.iter().fold(0, |value, &byte| value << 8 | u32::from(byte)))
}

impl Opened<'_> {
    fn close<M>(
        &self,
        name: &'static str,
        message: Option<Result<M, ReadError>>,
    ) -> Result<Envelope<M>, ProtocolError> {
        let &Self { message_id, tag, at, is_pair, .. } = self;
        let invalid = |field, reason, at| ProtocolError::Invalid { message_id, message: name, field, reason, at };
        match message {
            None => Err(ProtocolError::UnknownTag { message_id, tag }),
            Some(_) if !is_pair => Err(invalid(None, "not a pair of tag and fields", at)),
            Some(Ok(message)) => Ok(Envelope { message_id, message }),
            Some(Err(error)) => Err(invalid(error.field, error.fault.reason(), error.at as usize)),
        }
    }
}
