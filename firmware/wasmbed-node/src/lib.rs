//! What a Wasmbed device does, whatever board it is: it enrolls at its gateway, shows that it lives, receives
//! WebAssembly modules, runs them under limits, and reports.
//!
//! A board gives it a [`hardware::Hardware`] and a provisioning blob, and calls [`node::Node::run`]. There is one
//! thread and one loop; nothing but a TLS handshake waits, and a module computes in slices, so the link is served
//! and heartbeats are sent while it does.
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
