//! Words of RAM in which an emulator puts the values of sensors, and finds the output pins. Nothing loads or clears them
//! but this module; without an emulator they hold anything at power-on.

use crate::layout;

/// The first word, in its upper 24 bits; below is a bit for each channel that has a value. The values follow, in
/// thousandths, then the pins.
const SENSORS: u32 = 0x5345_4e00; // "SEN"
const CHANNELS: u32 = 8;
const VALUES: usize = 1;
const PINS: usize = VALUES + CHANNELS as usize;

fn word(index: usize) -> *mut u32 {
    (layout::peripherals_start() as *mut u32).wrapping_add(index)
}

fn read(index: usize) -> u32 {
    // SAFETY: the linker script reserves these words, and only this module uses them, on one core.
    unsafe { word(index).read_volatile() }
}

/// The value of a sensor from outside, in thousandths of its unit.
pub fn sensor(channel: i32) -> Option<i32> {
    let channel = u32::try_from(channel).ok().filter(|channel| *channel < CHANNELS)?;
    let first = read(0);
    let is_set = first & !0xff == SENSORS && first >> channel & 1 == 1;
    is_set.then(|| read(VALUES + channel as usize).cast_signed())
}

/// Shows the output pins that are high, a bit each.
pub fn show_pins(pins: u32) {
    // SAFETY: as above.
    unsafe { word(PINS).write_volatile(pins) }
}
