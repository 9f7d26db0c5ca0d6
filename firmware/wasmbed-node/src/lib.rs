//! The part of a Wasmbed device that is the same on every board: it enrolls at its gateway, sends heartbeats, receives
//! WebAssembly modules, runs them under limits, and reports.
//!
//! A board gives it a [`hardware::Hardware`] and a provisioning blob, and calls [`node::Node::run`]. There is one
//! thread and one loop. Only a TLS handshake blocks; a module runs in slices, and between them the node serves the link
//! and sends heartbeats.
#![no_std]

extern crate alloc;

pub mod applications;
pub mod backoff;
pub mod hardware;
pub mod node;
pub mod provisioning;
pub mod random;
pub mod runtime;
pub mod serial;
pub mod session;
pub mod storage;
#[cfg(feature = "tls")]
pub mod tls;
pub mod transport;
