//! The CMSDK watchdog: it counts down, raises a non-maskable interrupt at zero, and resets the board at the second
//! zero.

use crate::board::WatchdogTimer;
use crate::registers;

const UNLOCK: u32 = 0x1acc_e551;

impl WatchdogTimer {
    /// Starts it, or changes its time.
    pub fn start(self, milliseconds: u64) {
        let count = u64::from(self.frequency).saturating_mul(milliseconds) / 1000;
        self.write(0xc00, UNLOCK);
        self.write(0x00, u32::try_from(count).unwrap_or(u32::MAX)); // LOAD
        self.write(0x08, 0b11); // CONTROL: interrupt, reset
        self.write(0xc00, 0);
    }

    /// Restarts the countdown.
    pub fn feed(self) {
        self.write(0xc00, UNLOCK);
        self.write(0x0c, 1); // INTCLR
        self.write(0xc00, 0);
    }

    fn write(self, offset: usize, value: u32) {
        registers::write(self.address + offset, value);
    }
}
