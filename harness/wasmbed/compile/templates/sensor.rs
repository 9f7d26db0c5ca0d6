//! Publishes a sensor's average under the topic "temperature", and a line on the console where it is too high.
//!
//! Arguments: the channel (0), the readings in an average (4), the milliseconds between two averages (1000), and the limit
//! (30000). Readings are in thousandths of the sensor's unit.
#![no_std]

use wasmbed_guest::{log, number, publish_number, sensor_read};

fn average() -> i64 {
    let (channel, readings) = (number(0, 0), number(1, 4).clamp(1, 1000));
    let sum: i64 = (0..readings).map(|_| i64::from(sensor_read(channel))).sum();
    sum / i64::from(readings)
}

/// Called once after the deployment.
#[unsafe(no_mangle)]
pub extern "C" fn run() {
    log("measuring");
}

/// Publishes one average; called again after as many milliseconds as it returns.
#[unsafe(no_mangle)]
pub extern "C" fn tick() -> i32 {
    let value = average();
    publish_number("temperature", value);
    if value > i64::from(number(3, 30_000)) {
        log("too hot");
    }
    number(2, 1000).max(1)
}
