//! Switches a light on and off, and publishes each change. `PERIOD_MS` is the time between two changes.
#![cfg_attr(target_arch = "wasm32", no_std)]

use core::sync::atomic::{AtomicBool, Ordering};

const PIN: i32 = 0;
static LIT: AtomicBool = AtomicBool::new(false);

/// Switches the light off.
#[unsafe(no_mangle)]
pub extern "C" fn run() {
    wasmbed_guest::gpio_write(PIN, false);
    wasmbed_guest::log("blinking");
}

/// Changes the light.
#[unsafe(no_mangle)]
pub extern "C" fn tick() -> i32 {
    let lit = !LIT.load(Ordering::Relaxed);
    LIT.store(lit, Ordering::Relaxed);
    wasmbed_guest::gpio_write(PIN, lit);
    wasmbed_guest::publish("light", if lit { b"on" } else { b"off" });
    wasmbed_guest::environment("PERIOD_MS").and_then(|text| text.as_str().parse().ok()).unwrap_or(500)
}
