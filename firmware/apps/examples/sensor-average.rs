//! Publishes the average of the latest readings of a sensor, in thousandths.
//!
//! Arguments: the channel (0), the number of readings in an average (8), the number of averages to publish (5).
#![cfg_attr(target_arch = "wasm32", no_std)]

use core::sync::atomic::{AtomicI32, Ordering};

use wasmbed_guest::{number, publish_number, sensor_read};

static PUBLISHED: AtomicI32 = AtomicI32::new(0);

fn average() -> i64 {
    let (channel, window) = (number(0, 0), number(1, 8).max(1));
    let sum: i64 = (0..window).map(|_| i64::from(sensor_read(channel))).sum();
    sum / i64::from(window)
}

/// Does nothing: there is nothing to prepare.
#[unsafe(no_mangle)]
pub extern "C" fn run() {}

/// Publishes one average.
#[unsafe(no_mangle)]
pub extern "C" fn tick() -> i32 {
    publish_number("average", average());
    let published = PUBLISHED.load(Ordering::Relaxed) + 1;
    PUBLISHED.store(published, Ordering::Relaxed);
    if published < number(2, 5) { 100 } else { 0 }
}
