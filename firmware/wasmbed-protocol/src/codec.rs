//! Encodes envelopes into frames and decodes them.

use alloc::vec::Vec;

use minicbor::{Decoder, Encoder};

use crate::VERSION;
use crate::deterministic::check_item;
use crate::error::ProtocolError;
use crate::field::{Out, ReadError, WriteResult, at_map};
use crate::framing::HEADER_SIZE;
use crate::messages::{DeviceMessage, GatewayMessage};

/// A message and the id that its reply will carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope<M> {
    /// New in a message that starts an exchange; the request's in a reply.
    pub message_id: u32,
    /// The message itself.
    pub message: M,
}

/// Appends a frame with a device's message to `out`.
pub fn encode_device(message_id: u32, message: &DeviceMessage<'_>, out: &mut Vec<u8>) {
    frame(message_id, message.tag(), out, |encoder| message.write_fields(encoder));
}

/// Appends a frame with a gateway's message to `out`.
pub fn encode_gateway(message_id: u32, message: &GatewayMessage<'_>, out: &mut Vec<u8>) {
    frame(message_id, message.tag(), out, |encoder| message.write_fields(encoder));
}

/// Decodes a device's message; `data` is a frame without its header.
///
/// # Errors
/// `data` is not a message of this protocol version.
pub fn decode_device(data: &[u8]) -> Result<Envelope<DeviceMessage<'_>>, ProtocolError> {
    let mut opened = open(data)?;
    let message = DeviceMessage::read_fields(opened.tag, &mut opened.decoder);
    opened.close(DeviceMessage::name_of(opened.tag), message)
}

/// Decodes a gateway's message; `data` is a frame without its header.
///
/// # Errors
/// `data` is not a message of this protocol version.
pub fn decode_gateway(data: &[u8]) -> Result<Envelope<GatewayMessage<'_>>, ProtocolError> {
    let mut opened = open(data)?;
    let message = GatewayMessage::read_fields(opened.tag, &mut opened.decoder);
    opened.close(GatewayMessage::name_of(opened.tag), message)
}

fn frame(message_id: u32, tag: u64, out: &mut Vec<u8>, fields: impl FnOnce(&mut Out<'_>) -> WriteResult) {
    let start = out.len();
    out.extend_from_slice(&[0; HEADER_SIZE]);
    let mut encoder = Encoder::new(&mut *out);
    // Writing to a vector cannot fail, and every message can be written.
    let _ =
        encoder.array(3).and_then(|encoder| encoder.u64(VERSION)?.u32(message_id)?.array(2)?.u64(tag)).and_then(fields);
    let size = (out.len() - start - HEADER_SIZE) as u32;
    out[start..start + HEADER_SIZE].copy_from_slice(&size.to_be_bytes());
}

/// An envelope whose head was read; the decoder is before the message's fields.
struct Opened<'a> {
    message_id: u32,
    tag: u64,
    /// Where the message begins.
    at: usize,
    /// Whether the message is a pair of tag and fields. A message with an unknown tag may have another shape.
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

/// Returns the message id of a frame that is malformed only after it.
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
