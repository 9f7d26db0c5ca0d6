//! Time from the CLINT: 64 bits that count since boot. It interrupts when somebody wants to be woken, and once a second,
//! for its interrupt is the watchdog, too.

use core::cell::Cell;

use riscv::register::mie;

use crate::uart::{read, write};

const CLINT: usize = 0x0200_0000;
/// When it interrupts. Two words, as the one that follows.
const COMPARE: usize = CLINT + 0x4000;
/// What it counts.
const TIME: usize = CLINT + 0xbff8;

/// How many counts of the timer there are in a second.
#[derive(Clone, Copy)]
pub struct TickSource(pub u32);

/// Ticks since boot. To be used with interrupts disabled.
pub struct MachineTimer {
    frequency: Cell<u32>,
}

impl MachineTimer {
    pub const fn new() -> Self {
        Self { frequency: Cell::new(1) }
    }

    /// Starts counting.
    pub fn init(&self, source: TickSource) {
        self.frequency.set(source.0);
        write(TIME, 0);
        write(TIME + 4, 0);
        self.interrupted();
        // SAFETY: the handler's state is there.
        unsafe { mie::set_mtimer() };
    }

    pub fn frequency(&self) -> u32 {
        self.frequency.get()
    }

    /// Ticks since boot.
    pub fn ticks(&self) -> u64 {
        loop {
            let high = read(TIME + 4);
            let low = read(TIME);
            if read(TIME + 4) == high {
                return u64::from(high) << 32 | u64::from(low);
            }
        }
    }

    /// Sees to it that there is an interrupt at `deadline` at the latest; false: `deadline` is now.
    #[must_use]
    pub fn wake_at(&self, deadline: u64) -> bool {
        let now = self.ticks();
        let time = deadline.min(now + u64::from(self.frequency.get()));
        // No value in between is earlier than both.
        write(COMPARE, u32::MAX);
        write(COMPARE + 4, (time >> 32) as u32);
        write(COMPARE, time as u32);
        deadline > now
    }

    /// The interrupt.
    pub fn interrupted(&self) {
        let _ = self.wake_at(u64::MAX);
    }
}
