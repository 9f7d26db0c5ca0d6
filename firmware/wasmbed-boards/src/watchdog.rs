//! The CMSDK watchdog: it counts down, interrupts (non-maskable) at zero, and resets the board at the second zero.

/// A CMSDK watchdog's registers.
#[derive(Clone, Copy)]
pub struct CmsdkWatchdog {
    base: usize,
    frequency: u32,
}

const UNLOCK: u32 = 0x1acc_e551;

impl CmsdkWatchdog {
    pub const fn new(base: usize, frequency: u32) -> Self {
        Self { base, frequency }
    }

    /// Starts it, or gives it another time.
    pub fn start(self, milliseconds: u64) {
        let count = u64::from(self.frequency).saturating_mul(milliseconds) / 1000;
        self.write(0xc00, UNLOCK);
        self.write(0x00, u32::try_from(count).unwrap_or(u32::MAX)); // LOAD
        self.write(0x08, 0b11); // CONTROL: interrupt, reset
        self.write(0xc00, 0);
    }

    /// Starts the countdown anew.
    pub fn feed(self) {
        self.write(0xc00, UNLOCK);
        self.write(0x0c, 1); // INTCLR
        self.write(0xc00, 0);
    }

    fn write(self, offset: usize, value: u32) {
        // SAFETY: a register of the watchdog that the board says is there.
        unsafe { ((self.base + offset) as *mut u32).write_volatile(value) }
    }
}
