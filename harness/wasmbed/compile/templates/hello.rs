//! Writes a line to the console, once.
#![no_std]

use wasmbed_guest::log;

/// Called once after the deployment.
#[unsafe(no_mangle)]
pub extern "C" fn run() {
    log("hello from Rust");
}
