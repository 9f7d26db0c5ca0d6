//! Time from SysTick, without periodic ticks: it counts its longest period, and interrupts earlier only for a wake-up.
//!
//! On boards with another timer, the time comes from that timer and SysTick only wakes the processor, so that a missed
//! interrupt loses no time. On other boards SysTick does both.
//!
//! A short period is followed by the longest one: its reload value is set while the short period runs. An emulator may
//! stop its processor between any two instructions while the counter goes on, so that the reload value comes too late.
//! The code detects that and restarts the counter: time may then have stopped with the processor, but it never jumps,
//! and no wake-up is lost.
//!
//! Renode's SysTick differs: a new reload value restarts the counter, so a short period repeats until the code has seen
//! its end, and only the count flag shows that end, not the pending interrupt. Virtual time stops meanwhile; under QEMU
//! it does not, and repetitions of a short period would be missed.

use core::cell::Cell;

use cortex_m::peripheral::syst::SystClkSource;
use cortex_m::peripheral::{SCB, SYST};

use crate::registers::{read, write};

/// The clock that SysTick counts, with its frequency in hertz.
#[derive(Clone, Copy)]
pub enum TickSource {
    /// The processor's clock.
    Core(u32),
    /// The reference clock of the board.
    Reference(u32),
    /// The processor's clock, as Renode emulates it.
    Renode(u32),
    /// SysTick only wakes the processor; the time comes from a CMSDK timer.
    Timed {
        /// The clock that SysTick counts.
        wake: &'static TickSource,
        /// Address of the timer's registers.
        address: usize,
        /// Counts of the timer per second.
        frequency: u32,
    },
}

/// Register of a CMSDK timer: its value, which counts down.
const VALUE: usize = 0x04;
const RELOAD: usize = 0x08;
const LONGEST: u32 = 0x00ff_ffff;
/// The shortest period: long enough to set the reload value of the next one.
const SHORTEST: u32 = 100;
/// The shortest period where it repeats.
const SHORTEST_REPEATED: u32 = 1000;

/// Counts ticks since boot. Call its methods with interrupts disabled.
pub struct SysTickClock {
    frequency: Cell<u32>,
    /// Ticks from boot to the start of the present period.
    base: Cell<u64>,
    /// Length of the present period, ticks; the following ones have the longest length.
    period: Cell<u32>,
    /// Whether the counter is Renode's.
    is_renode: Cell<bool>,
    /// The timer that the time comes from, if there is one.
    timer: Cell<Option<Timer>>,
    /// The timer's last value; `base` is the number of ticks until then.
    shown: Cell<u32>,
}

/// A CMSDK timer.
#[derive(Clone, Copy)]
struct Timer {
    /// Address of its registers.
    address: usize,
    /// Its counts for each count of SysTick.
    factor: u32,
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
        if let TickSource::Timed { wake, address, frequency } = source {
            self.init(*wake);
            self.timer.set(Some(Timer { address, factor: (frequency / self.frequency.get()).max(1) }));
            self.frequency.set(frequency);
            write(address + RELOAD, u32::MAX);
            write(address + VALUE, u32::MAX);
            write(address, 1); // CTRL: on
            return;
        }
        let (select, frequency) = match source {
            TickSource::Core(frequency) | TickSource::Renode(frequency) => (SystClkSource::Core, frequency),
            TickSource::Reference(frequency) => (SystClkSource::External, frequency),
            TickSource::Timed { .. } => return,
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
        if let Some(timer) = self.timer.get() {
            let value = read(timer.address + VALUE);
            let counted = self.shown.replace(value).wrapping_sub(value);
            self.base.set(self.base.get() + u64::from(counted));
            return self.base.get();
        }
        if self.is_renode.get() {
            return self.renode_ticks();
        }
        // 0 means the end of a period: every start of one waits until the counter has loaded it.
        let left = SYST::get_current();
        if !SCB::is_pendst_pending() {
            return self.base.get() + u64::from(self.period.get().saturating_sub(left));
        }
        // The period has ended and the interrupt has not been taken yet; `left` may be from before the end.
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

    /// Arranges an interrupt at `deadline` at the latest; false: `deadline` has come.
    #[must_use]
    pub fn wake_at(&self, deadline: u64) -> bool {
        let now = self.ticks();
        if let Some(timer) = self.timer.get() {
            let left = deadline.saturating_sub(now).div_ceil(u64::from(timer.factor)).min(u64::from(LONGEST)) as u32;
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
        // A pending interrupt belongs to the previous period.
        SCB::clear_pendst();
        wait_for_load();
        let mut timer = timer();
        timer.set_reload(LONGEST);
        if !SCB::is_pendst_pending() {
            return true;
        }
        // The period has ended. Whether the present one is the next or a repetition is unknown.
        self.base.set(now + u64::from(self.period.get()));
        self.start(LONGEST);
        SCB::clear_pendst();
        wait_for_load();
        false
    }

    /// Starts a period now; the following ones get the same length.
    fn start(&self, period: u32) {
        let mut timer = timer();
        timer.set_reload(period);
        timer.clear_current();
        self.period.set(period);
    }

    /// Handles the interrupt.
    pub fn interrupted(&self) {
        if self.timer.get().is_some() {
            // The next wake-up is requested by `wake_at`.
            timer().set_reload(LONGEST);
            return;
        }
        if self.is_renode.get() {
            self.ticks();
            return;
        }
        self.base.set(self.base.get() + u64::from(self.period.replace(LONGEST)));
    }

    /// Ends a period that Renode has begun to repeat; the following ones get the longest length.
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

/// Waits until the counter has loaded its period, which happens at the next tick; only then may the following period be
/// set. On a busy computer an emulator's tick may be late by any time, but it comes.
fn wait_for_load() {
    while SYST::get_current() == 0 && !SCB::is_pendst_pending() {}
}

/// Ticks since Renode's counter began to count down from `period`; it reads 0 until the first tick.
fn elapsed(period: u32) -> u64 {
    match SYST::get_current() {
        0 => 0,
        left => u64::from(period.saturating_sub(left)),
    }
}

fn timer() -> SYST {
    // SAFETY: only this module uses SysTick, and of the peripherals it takes only that.
    unsafe { cortex_m::Peripherals::steal().SYST }
}
