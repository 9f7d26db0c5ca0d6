//! The errors of the wire, and which of them end a session.

use core::fmt;

use crate::VERSION;

/// Reasons to refuse bytes from a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtocolError {
    /// Not a frame: the session ends.
    BadFrame(&'static str),
    /// Not a CBOR item in the profile, or not an envelope: the session ends.
    Malformed {
        /// The message's id, if it could be read before the error.
        message_id: Option<u32>,
        /// The error.
        reason: &'static str,
        /// Offset in the frame, bytes, of the item that is wrong.
        at: usize,
    },
    /// The envelope has another protocol version: the session ends.
    UnsupportedVersion,
    /// The envelope is valid, its message is not: the session ends.
    Invalid {
        /// The message's id.
        message_id: u32,
        /// The message's name.
        message: &'static str,
        /// The field's number, if one field is wrong.
        field: Option<u8>,
        /// The error.
        reason: &'static str,
        /// Offset in the frame, bytes, of the item that is wrong.
        at: usize,
    },
    /// A well-formed message with a tag that this version lacks: answered with `error`, and the session continues.
    UnknownTag {
        /// The message's id.
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
    /// The message id that an answer to it carries.
    pub const fn message_id(&self) -> Option<u32> {
        match *self {
            Self::Malformed { message_id, .. } => message_id,
            Self::Invalid { message_id, .. } | Self::UnknownTag { message_id, .. } => Some(message_id),
            Self::BadFrame(_) | Self::UnsupportedVersion => None,
        }
    }
}
