//! The Wasmbed wire, protocol version 1, as in `wasmbed.cddl`: the contract is that file, this is its Rust reading.
//!
//! Knows neither boards nor sessions. Messages borrow from the frame they were decoded from, so that a module's
//! bytes are copied once, to where they are kept.
#![no_std]

extern crate alloc;

pub mod codec;
pub mod deterministic;
mod field;
pub mod framing;
pub mod messages;
pub mod provisioning;

pub use codec::{Envelope, ProtocolError, decode_device, decode_gateway, encode_device, encode_gateway};
pub use framing::FrameDecoder;
