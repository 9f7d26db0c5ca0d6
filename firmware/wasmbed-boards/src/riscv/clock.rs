//! Time from the CLINT: 64 bits that count since boot. It interrupts for a wake-up, and once a second, because its
//! interrupt is also the watchdog.

use core::cell::Cell;

use riscv::register::mie;

use crate::registers::{read, write};

const CLINT: usize = 0x0200_0000;
/// The time of the next interrupt, two words.
const COMPARE: usize = CLINT + 0x4000;
/// The time, two words.
const TIME: usize = CLINT + 0xbff8;

/// Counts of the timer per second.
#[derive(Clone, Copy)]
pub struct TickSource(pub u32);

/// Counts ticks since boot. Call its methods with interrupts disabled.
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
        // SAFETY: the interrupt cannot break a critical section, because interrupts are disabled here, and the
        // handler's state is initialised.
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

    /// Arranges an interrupt at `deadline` at the latest; false: `deadline` has come.
    #[must_use]
    pub fn wake_at(&self, deadline: u64) -> bool {
        let now = self.ticks();
        let time = deadline.min(now + u64::from(self.frequency.get()));
        // The two words are written one after the other; in this order no value between is earlier than the last.
        write(COMPARE, u32::MAX);
        write(COMPARE + 4, (time >> 32) as u32);
        write(COMPARE, time as u32);
        deadline > now
    }

    /// Handles the interrupt.
    pub fn interrupted(&self) {
        let _ = self.wake_at(u64::MAX);
    }
}
