//! The Wasmbed wire, protocol version 1, in Rust. The contract is `wasmbed.cddl`.
//!
//! This crate knows neither boards nor sessions. Messages borrow from the frame that they were decoded from, so that a
//! module's bytes are copied once, to where they are kept.
#![no_std]

extern crate alloc;

pub mod codec;
pub mod deterministic;
pub mod error;
mod field;
pub mod framing;
pub mod messages;
pub mod provisioning;

pub use codec::{Envelope, decode_device, decode_gateway, encode_device, encode_gateway};
pub use error::ProtocolError;
pub use framing::FrameDecoder;

/// The protocol version of this crate.
pub const VERSION: u64 = 1;
