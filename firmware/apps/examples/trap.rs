//! Fails: reads after the end of a table.
#![cfg_attr(target_arch = "wasm32", no_std)]

use core::hint::black_box;

/// Publishes a message, and fails.
#[unsafe(no_mangle)]
pub extern "C" fn run() -> i32 {
    wasmbed_guest::publish("state", b"about to fail");
    let table = black_box([1, 2, 3]);
    table[black_box(3)]
}
