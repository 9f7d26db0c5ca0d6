//! Switches an output pin on and off, and publishes each change under the topic "light".
//!
//! Arguments: the pin (13), and the milliseconds between two changes (500).
#![no_std]

use core::sync::atomic::{AtomicBool, Ordering};

use wasmbed_guest::{gpio_write, log, number, publish};

static LIT: AtomicBool = AtomicBool::new(false);

/// Called once after the deployment: the light is off.
#[unsafe(no_mangle)]
pub extern "C" fn run() {
    gpio_write(number(0, 13), false);
    log("blinking");
}

/// Changes the light; called again after as many milliseconds as it returns.
#[unsafe(no_mangle)]
pub extern "C" fn tick() -> i32 {
    let lit = !LIT.load(Ordering::Relaxed);
    LIT.store(lit, Ordering::Relaxed);
    gpio_write(number(0, 13), lit);
    publish("light", if lit { b"on" } else { b"off" });
    number(1, 500).max(1)
}
