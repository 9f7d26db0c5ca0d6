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
    /// Not a frame or not an envelope: the session ends.
    Malformed(&'static str),
    /// The envelope's version is not ours: the session ends.
    UnsupportedVersion,
    /// The envelope is fine, its message is not: the session ends.
    Invalid {
        /// The offending message's id.
        message_id: u32,
        /// What is wrong.
        reason: &'static str,
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
            Self::Malformed(reason) | Self::Invalid { reason, .. } => formatter.write_str(reason),
            Self::UnsupportedVersion => write!(formatter, "not protocol version {VERSION}"),
            Self::UnknownTag { tag, .. } => write!(formatter, "unknown message tag {tag}"),
        }
    }
}

impl core::error::Error for ProtocolError {}

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
    let (message_id, tag, mut decoder) = open(data)?;
    close(message_id, tag, DeviceMessage::read_fields(tag, &mut decoder))
}

/// What a gateway sent, without its frame's header.
///
/// # Errors
/// It is not a message of this protocol version.
pub fn decode_gateway(data: &[u8]) -> Result<Envelope<GatewayMessage<'_>>, ProtocolError> {
    let (message_id, tag, mut decoder) = open(data)?;
    close(message_id, tag, GatewayMessage::read_fields(tag, &mut decoder))
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

/// The message's id and tag, and a decoder that stands before its fields.
fn open(data: &[u8]) -> Result<(u32, u64, Decoder<'_>), ProtocolError> {
    const NOT_AN_ENVELOPE: ProtocolError =
        ProtocolError::Malformed("not an envelope of version, message id and message");
    check_item(data)?;
    let mut decoder = Decoder::new(data);
    if !matches!(decoder.array(), Ok(Some(3))) {
        return Err(NOT_AN_ENVELOPE);
    }
    if !matches!(decoder.u64(), Ok(VERSION)) {
        return Err(ProtocolError::UnsupportedVersion);
    }
    let message_id =
        decoder.u32().map_err(|_| ProtocolError::Malformed("a message id that is not a 32-bit unsigned integer"))?;
    let length = decoder.array().ok().flatten();
    let tag = decoder
        .u64()
        .map_err(|_| ProtocolError::Invalid { message_id, reason: "a message that does not begin with its tag" })?;
    if length != Some(2) || !at_map(&decoder) {
        // A kind of message that is not known may look as it likes; one that is known cannot be read from nothing.
        return Ok((message_id, tag, Decoder::new(&[])));
    }
    Ok((message_id, tag, decoder))
}

fn close<M>(message_id: u32, tag: u64, message: Option<Result<M, ReadError>>) -> Result<Envelope<M>, ProtocolError> {
    match message {
        None => Err(ProtocolError::UnknownTag { message_id, tag }),
        Some(Ok(message)) => Ok(Envelope { message_id, message }),
        Some(Err(error)) => Err(ProtocolError::Invalid { message_id, reason: error.reason() }),
    }
}
