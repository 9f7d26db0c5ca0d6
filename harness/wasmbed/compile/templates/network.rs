//! Publishes numbered messages, and tries a refused one again with the next tick.
//!
//! An application has no sockets: the device's link to its gateway carries what it publishes. The host refuses a message
//! while too many wait, so an application for a network counts what it sends and expects refusals.
//!
//! Arguments: the topic ("messages"), and the milliseconds between two messages (1000). `SITE` in the environment is the
//! beginning of each message.
#![no_std]

use core::sync::atomic::{AtomicI32, Ordering};

use wasmbed_guest::{Text, argument, clock_ms, environment, log, number, publish};

static SENT: AtomicI32 = AtomicI32::new(0);

fn message(count: i32) -> Text {
    let mut text = environment("SITE").unwrap_or_default();
    text.push("#");
    text.push_number(i64::from(count));
    text.push(" at ");
    text.push_number(clock_ms());
    text
}

/// Called once after the deployment.
#[unsafe(no_mangle)]
pub extern "C" fn run() {
    log("sending");
}

/// Publishes one message; called again after as many milliseconds as it returns.
#[unsafe(no_mangle)]
pub extern "C" fn tick() -> i32 {
    let topic = argument(0);
    let topic = topic.as_ref().map_or("messages", Text::as_str);
    let count = SENT.load(Ordering::Relaxed) + 1;
    if publish(topic, message(count).as_str().as_bytes()) {
        SENT.store(count, Ordering::Relaxed);
    } else {
        log("refused; it is tried again");
    }
    number(1, 1000).max(1)
}
