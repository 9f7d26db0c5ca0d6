//! Never ends.
#![cfg_attr(target_arch = "wasm32", no_std)]

use core::hint::black_box;

/// Publishes that it begins, and never returns.
#[unsafe(no_mangle)]
pub extern "C" fn run() {
    wasmbed_guest::publish("state", b"round and round");
    let mut round = 0_u32;
    loop {
        round = black_box(round.wrapping_add(1));
    }
}
