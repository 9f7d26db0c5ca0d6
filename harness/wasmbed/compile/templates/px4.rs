//! A rate controller in the style of PX4's multicopter: sensor readings in, motor commands out, 50 times a second.
//!
//! It does not talk to a PX4 autopilot: the host interface has no MAVLink. It reads roll, pitch and yaw rates from the sensor
//! channels 0 to 2 (thousandths of a degree a second), runs a proportional-derivative controller for each, mixes the results
//! for a quadcopter in X, and publishes the four motors' commands (0 to 1000) under PX4's name for them, "actuator_motors". Pin
//! 0 is high while it is armed.
//!
//! Arguments: the rates to hold in roll, pitch and yaw (20000 each, what boards without sensors read), and the thrust (500).
#![no_std]

use core::sync::atomic::{AtomicI32, Ordering};

use wasmbed_guest::{Text, gpio_write, log, number, publish, sensor_read};

const PERIOD_MS: i32 = 20;
const AXES: usize = 3;
/// Thousandths of a motor command for each thousandth of a degree a second.
const PROPORTIONAL: i32 = 60;
const DERIVATIVE: i32 = 20;
/// The signs of roll, pitch and yaw for the motors front right, rear left, front left and rear right.
const MIXER: [[i32; AXES]; 4] = [[-1, 1, 1], [1, -1, 1], [1, 1, -1], [-1, -1, -1]];

static LAST_ERRORS: [AtomicI32; AXES] = [const { AtomicI32::new(0) }; AXES];

fn control(axis: usize) -> i32 {
    let channel = axis as i32;
    let error = number(channel, 20_000).saturating_sub(sensor_read(channel)).clamp(-100_000, 100_000);
    let change = error - LAST_ERRORS[axis].swap(error, Ordering::Relaxed);
    (PROPORTIONAL * error + DERIVATIVE * change) / 1000
}

/// Called once after the deployment: arms the motors.
#[unsafe(no_mangle)]
pub extern "C" fn run() {
    gpio_write(0, true);
    log("armed");
}

/// Runs the controller once; called again after as many milliseconds as it returns.
#[unsafe(no_mangle)]
pub extern "C" fn tick() -> i32 {
    let thrust = number(3, 500).clamp(0, 1000);
    let wanted = [control(0), control(1), control(2)];
    let mut commands = Text::new();
    for (motor, signs) in MIXER.iter().enumerate() {
        let turn: i32 = signs.iter().zip(wanted).map(|(sign, value)| sign * value).sum();
        if motor > 0 {
            commands.push(" ");
        }
        commands.push_number(i64::from((thrust + turn).clamp(0, 1000)));
    }
    publish("actuator_motors", commands.as_str().as_bytes());
    PERIOD_MS
}
