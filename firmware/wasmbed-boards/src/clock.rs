//! Time from SysTick, without ticks: it counts as far as it can, and interrupts earlier only when somebody wants to
//! be woken.
//!
//! Renode's SysTick differs from the others: a new reload value starts the counter anew, so a short period stays until
//! its end has been seen, and only the count flag tells of that end, not the pending interrupt. There, time stands
//! still meanwhile; under QEMU it does not, and a short period that repeats would be missed.

use core::cell::Cell;

use cortex_m::peripheral::syst::SystClkSource;
use cortex_m::peripheral::{SCB, SYST};

/// What SysTick counts, and how many of them there are in a second.
#[derive(Clone, Copy)]
pub enum TickSource {
    /// The processor's clock.
    Core(u32),
    /// The reference clock of the board.
    Reference(u32),
    /// The processor's clock, as Renode emulates it.
    Renode(u32),
}

const LONGEST: u32 = 0x00ff_ffff;
/// What a short period may be where it repeats.
const SHORTEST: u32 = 1000;

/// Ticks since boot. To be used with interrupts disabled.
pub struct SysTickClock {
    frequency: Cell<u32>,
    /// Ticks until the beginning of the period under way.
    base: Cell<u64>,
    /// Ticks of the period under way; the ones after it are as long as can be.
    period: Cell<u32>,
    /// Whether the counter is Renode's.
    is_renode: Cell<bool>,
}

impl SysTickClock {
    pub const fn new() -> Self {
        Self { frequency: Cell::new(1), base: Cell::new(0), period: Cell::new(LONGEST), is_renode: Cell::new(false) }
    }

    /// Starts counting.
    pub fn init(&self, source: TickSource) {
        let (select, frequency) = match source {
            TickSource::Core(frequency) | TickSource::Renode(frequency) => (SystClkSource::Core, frequency),
            TickSource::Reference(frequency) => (SystClkSource::External, frequency),
        };
        self.frequency.set(frequency);
        self.is_renode.set(matches!(source, TickSource::Renode(_)));
        let mut timer = timer();
        timer.set_clock_source(select);
        timer.set_reload(LONGEST);
        timer.clear_current();
        timer.enable_interrupt();
        timer.enable_counter();
    }

    pub fn frequency(&self) -> u32 {
        self.frequency.get()
    }

    /// Ticks since boot.
    pub fn ticks(&self) -> u64 {
        let counted = elapsed(self.period.get());
        if self.is_renode.get() {
            if !timer().has_wrapped() {
                return self.base.get() + counted;
            }
            self.end_period();
            return self.base.get() + elapsed(self.period.get());
        }
        if SCB::is_pendst_pending() {
            // It wrapped and the interrupt has not been taken yet; what was read may be from before.
            return self.base.get() + u64::from(self.period.get()) + elapsed(LONGEST);
        }
        self.base.get() + counted
    }

    /// Sees to it that there is an interrupt at `deadline` at the latest.
    pub fn wake_at(&self, deadline: u64) {
        let now = self.ticks();
        let end = self.base.get() + u64::from(self.period.get());
        let mut timer = timer();
        if self.is_renode.get() {
            if deadline < end {
                let period = (deadline.saturating_sub(now) as u32).max(SHORTEST);
                timer.set_reload(period);
                timer.clear_current();
                self.base.set(now);
                self.period.set(period);
            }
            return;
        }
        if deadline >= end || SCB::is_pendst_pending() {
            return;
        }
        let period = (deadline.saturating_sub(now) as u32).max(2);
        timer.set_reload(period);
        timer.clear_current();
        // The counter takes its new value with the next tick, and only then may the one after it be set.
        for _ in 0..100_000 {
            if SYST::get_current() != 0 {
                break;
            }
        }
        timer.set_reload(LONGEST);
        self.base.set(now);
        self.period.set(period);
    }

    /// The interrupt.
    pub fn wrapped(&self) {
        if self.is_renode.get() {
            self.ticks();
            return;
        }
        self.base.set(self.base.get() + u64::from(self.period.replace(LONGEST)));
    }

    /// The period has ended and, in Renode, begun again: the next ones are as long as can be.
    fn end_period(&self) {
        let period = self.period.replace(LONGEST);
        let mut ended = u64::from(period);
        if period != LONGEST {
            ended += elapsed(period);
            let mut timer = timer();
            timer.set_reload(LONGEST);
            timer.clear_current();
        }
        self.base.set(self.base.get() + ended);
    }
}

/// Ticks since the counter began to count down from `period`; it reads 0 until the first.
fn elapsed(period: u32) -> u64 {
    match SYST::get_current() {
        0 => 0,
        left => u64::from(period.saturating_sub(left)),
    }
}

fn timer() -> SYST {
    // SAFETY: this module alone uses the timer.
    unsafe { cortex_m::Peripherals::steal().SYST }
}
