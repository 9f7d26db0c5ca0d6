//! Keeps a heater at a temperature: a PID controller (proportional, integral, derivative), and a model of the heater.
//!
//! Arguments: the desired temperature in degrees (60), and the number of steps of 0.1 s to simulate (600).
#![cfg_attr(target_arch = "wasm32", no_std)]

use wasmbed_guest::{number, publish_number};

const STEP: f64 = 0.1;
const AMBIENT: f64 = 20.0;

/// A controller with limits on its output.
struct Pid {
    proportional: f64,
    integral: f64,
    derivative: f64,
    sum: f64,
    last: f64,
}

impl Pid {
    fn step(&mut self, wanted: f64, measured: f64) -> f64 {
        let error = wanted - measured;
        let output =
            self.proportional * error + self.integral * self.sum - self.derivative * (measured - self.last) / STEP;
        self.last = measured;
        // While the output is at its limit, the sum is not changed: it would only grow.
        if (0.0..=100.0).contains(&output) {
            self.sum += error * STEP;
        }
        output.clamp(0.0, 100.0)
    }
}

/// Simulates, and publishes the temperature in thousandths of a degree ten times.
#[unsafe(no_mangle)]
pub extern "C" fn run() {
    let (wanted, steps) = (f64::from(number(0, 60)), number(1, 600).max(10));
    let mut pid = Pid { proportional: 8.0, integral: 0.8, derivative: 2.0, sum: 0.0, last: AMBIENT };
    let mut temperature = AMBIENT;
    for step in 1..=steps {
        let power = pid.step(wanted, temperature);
        temperature += (power * 0.12 - (temperature - AMBIENT) * 0.05) * STEP;
        if step % (steps / 10) == 0 {
            publish_number("temperature", (temperature * 1000.0) as i64);
        }
    }
    let settled = (temperature - wanted).abs() < 0.5;
    wasmbed_guest::publish("settled", if settled { b"yes" } else { b"no" });
}
