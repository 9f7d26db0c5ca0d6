//! Time from SysTick, without ticks: it counts as far as it can, and interrupts earlier only when somebody wants to
//! be woken.
//!
//! Where there is another timer, that one tells the time, and SysTick only wakes: nothing that it misses can be lost.
//! Elsewhere it does both.
//!
//! A short period is followed by one that is as long as can be: its reload value is set while the short one runs. An
//! emulator's processor may stand still between any two instructions while its counter goes on, so that this comes too
//! late. That is seen, and the counter starts anew: time may then have stood still as the processor did, but it never
//! jumps, and no wake-up is lost.
//!
//! Renode's SysTick differs from the others: a new reload value starts the counter anew, so a short period stays until
//! its end has been seen, and only the count flag tells of that end, not the pending interrupt. There, time stands
//! still meanwhile; under QEMU it does not, and a short period that repeats would be missed.

use core::cell::Cell;

use cortex_m::peripheral::syst::SystClkSource;
use cortex_m::peripheral::{SCB, SYST};

use crate::uart::{read, write};

/// What SysTick counts, and how many of them there are in a second.
#[derive(Clone, Copy)]
pub enum TickSource {
    /// The processor's clock.
    Core(u32),
    /// The reference clock of the board.
    Reference(u32),
    /// The processor's clock, as Renode emulates it.
    Renode(u32),
    /// One of the others, to be woken by; the time is told by a CMSDK timer at this address, of this frequency.
    Timed(&'static TickSource, usize, u32),
}

/// Of a CMSDK timer's registers, which counts down.
const VALUE: usize = 0x04;
const RELOAD: usize = 0x08;
const LONGEST: u32 = 0x00ff_ffff;
/// What a short period may be: time enough to set the reload value of the next one.
const SHORTEST: u32 = 100;
/// Likewise where it repeats.
const SHORTEST_REPEATED: u32 = 1000;

/// Ticks since boot. To be used with interrupts disabled.
pub struct SysTickClock {
    frequency: Cell<u32>,
    /// Ticks until the beginning of the period under way.
    base: Cell<u64>,
    /// Ticks of the period under way; the ones after it are as long as can be.
    period: Cell<u32>,
    /// Whether the counter is Renode's.
    is_renode: Cell<bool>,
    /// The address of a timer that tells the time, and how often it counts for each count of SysTick's.
    timer: Cell<Option<(usize, u32)>>,
    /// What it showed the last time; then `base` is the ticks until that.
    shown: Cell<u32>,
}

impl SysTickClock {
    pub const fn new() -> Self {
        Self {
            frequency: Cell::new(1),
            base: Cell::new(0),
            period: Cell::new(LONGEST),
            is_renode: Cell::new(false),
            timer: Cell::new(None),
            shown: Cell::new(u32::MAX),
        }
    }

    /// Starts counting.
    pub fn init(&self, source: TickSource) {
        if let TickSource::Timed(wake, base, frequency) = source {
            self.init(*wake);
            self.timer.set(Some((base, (frequency / self.frequency.get()).max(1))));
            self.frequency.set(frequency);
            write(base + RELOAD, u32::MAX);
            write(base + VALUE, u32::MAX);
            write(base, 1); // CTRL: on
            return;
        }
        let (select, frequency) = match source {
            TickSource::Core(frequency) | TickSource::Renode(frequency) => (SystClkSource::Core, frequency),
            TickSource::Reference(frequency) => (SystClkSource::External, frequency),
            TickSource::Timed(..) => return,
        };
        self.frequency.set(frequency);
        self.is_renode.set(matches!(source, TickSource::Renode(_)));
        let mut timer = timer();
        timer.set_clock_source(select);
        timer.set_reload(LONGEST);
        timer.clear_current();
        timer.enable_interrupt();
        timer.enable_counter();
        if !self.is_renode.get() {
            wait_for_load();
        }
    }

    pub fn frequency(&self) -> u32 {
        self.frequency.get()
    }

    /// Ticks since boot.
    pub fn ticks(&self) -> u64 {
        if let Some((base, _)) = self.timer.get() {
            let value = read(base + VALUE);
            let counted = self.shown.replace(value).wrapping_sub(value);
            self.base.set(self.base.get() + u64::from(counted));
            return self.base.get();
        }
        if self.is_renode.get() {
            return self.renode_ticks();
        }
        // 0 is the end of a period: that it begins is waited for wherever it is told to.
        let left = SYST::get_current();
        if !SCB::is_pendst_pending() {
            return self.base.get() + u64::from(self.period.get().saturating_sub(left));
        }
        // It ended and the interrupt has not been taken yet; what was read may be from before.
        let since = match SYST::get_current() {
            0 => 0,
            left => LONGEST.saturating_sub(left),
        };
        self.base.get() + u64::from(self.period.get()) + u64::from(since)
    }

    fn renode_ticks(&self) -> u64 {
        let counted = elapsed(self.period.get());
        if !timer().has_wrapped() {
            return self.base.get() + counted;
        }
        self.end_period();
        self.base.get() + elapsed(self.period.get())
    }

    /// Sees to it that there is an interrupt at `deadline` at the latest; false: `deadline` is now.
    #[must_use]
    pub fn wake_at(&self, deadline: u64) -> bool {
        let now = self.ticks();
        if let Some((_, factor)) = self.timer.get() {
            let left = deadline.saturating_sub(now).div_ceil(u64::from(factor)).min(u64::from(LONGEST)) as u32;
            if left > 0 {
                self.start(left.max(SHORTEST));
            }
            return left > 0;
        }
        let end = self.base.get() + u64::from(self.period.get());
        if deadline <= now {
            return false;
        }
        if deadline >= end {
            return true;
        }
        let left = (deadline - now) as u32;
        self.base.set(now);
        if self.is_renode.get() {
            self.start(left.max(SHORTEST_REPEATED));
            return true;
        }
        self.start(left.max(SHORTEST));
        // What is pending was of the period before.
        SCB::clear_pendst();
        wait_for_load();
        let mut timer = timer();
        timer.set_reload(LONGEST);
        if !SCB::is_pendst_pending() {
            return true;
        }
        // The period has ended; whether the one under way is the next, or the same once more, cannot be told.
        self.base.set(now + u64::from(self.period.get()));
        self.start(LONGEST);
        SCB::clear_pendst();
        wait_for_load();
        false
    }

    /// Begins a period now, and gives those after it the same length.
    fn start(&self, period: u32) {
        let mut timer = timer();
        timer.set_reload(period);
        timer.clear_current();
        self.period.set(period);
    }

    /// The interrupt.
    pub fn interrupted(&self) {
        if self.timer.get().is_some() {
            // Whoever wants to be woken again says so.
            timer().set_reload(LONGEST);
            return;
        }
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

/// The counter takes a new value with the next tick, and only then may the one after it be set. An emulator's tick can be
/// late by any time, on a busy computer; but it comes.
fn wait_for_load() {
    while SYST::get_current() == 0 && !SCB::is_pendst_pending() {}
}

/// Ticks since Renode's counter began to count down from `period`; it reads 0 until the first.
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
