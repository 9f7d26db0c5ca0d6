//! Four words of RAM that nothing loads or clears. They distinguish a reset from a power-on, and hold the reset's
//! cause.

use crate::layout;

const MAGIC: u32 = 0x5742_4f4f; // "WBOO"

/// Why the firmware started.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Cause {
    PowerOn = 0,
    /// A reset from outside.
    External = 1,
    Panic = 2,
    HardFault = 3,
    StackOverflow = 4,
    HeapExhaustion = 5,
    Watchdog = 6,
}

impl Cause {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PowerOn => "power-on",
            Self::External => "external",
            Self::Panic => "panic",
            Self::HardFault => "hard-fault",
            Self::StackOverflow => "stack-overflow",
            Self::HeapExhaustion => "heap-exhaustion",
            Self::Watchdog => "watchdog",
        }
    }

    fn from_word(word: u32) -> Self {
        [Self::Panic, Self::HardFault, Self::StackOverflow, Self::HeapExhaustion, Self::Watchdog]
            .into_iter()
            .find(|&cause| cause as u32 == word)
            .unwrap_or(Self::External)
    }
}

/// Facts about this boot.
#[derive(Clone, Copy)]
pub struct Boot {
    pub cause: Cause,
    /// Resets since power-on.
    pub count: u32,
    /// The number of failures in a row before this boot.
    pub failures: u32,
}

fn word(index: usize) -> *mut u32 {
    (layout::retained_start() as *mut u32).wrapping_add(index)
}

fn read(index: usize) -> u32 {
    // SAFETY: the linker script reserves these words, and only this module uses them, on one core.
    unsafe { word(index).read_volatile() }
}

fn write(index: usize, value: u32) {
    // SAFETY: the linker script reserves these words, and only this module uses them, on one core.
    unsafe { word(index).write_volatile(value) }
}

/// Reads why the firmware started, and counts the start. Call it once per boot.
pub fn boot() -> Boot {
    let mut boot = Boot { cause: Cause::PowerOn, count: 0, failures: 0 };
    if read(0) == MAGIC {
        boot.cause = Cause::from_word(read(1));
        boot.count = read(2).wrapping_add(1);
        boot.failures = if boot.cause == Cause::External { 0 } else { read(3).wrapping_add(1) };
    }
    write(0, MAGIC);
    write(1, Cause::External as u32);
    write(2, boot.count);
    write(3, boot.failures);
    boot
}

/// Resets since power-on.
pub fn count() -> u32 {
    read(2)
}

/// Stores the cause of the reset that follows.
pub fn set_cause(cause: Cause) {
    write(1, cause as u32);
}
