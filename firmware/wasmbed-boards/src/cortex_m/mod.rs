//! Arm's Cortex-M: time from SysTick, memory protection, faults.

mod clock;
mod fault;
mod guard;

use cortex_m::asm;
use cortex_m::interrupt::{self, InterruptNumber};
use cortex_m::peripheral::{NVIC, SCB, SYST};
use cortex_m_rt::exception;

pub use self::clock::{SysTickClock as Clock, TickSource};
pub use self::guard::Guard;
use crate::machine::MACHINE;

/// Runs `act` with interrupts disabled.
pub fn free<T>(act: impl FnOnce() -> T) -> T {
    interrupt::free(|_| act())
}

/// Disables interrupts until the next reset.
pub fn mask() {
    interrupt::disable();
}

/// Sleeps until an interrupt is pending, also while interrupts are disabled.
pub fn wait() {
    asm::wfi();
}

/// Enables a device's interrupt. The state that its handler uses must be initialised.
pub fn unmask(interrupt: u16) {
    // SAFETY: no critical section relies on a masked interrupt, only on interrupts being disabled, and the handler's
    // state is initialised.
    unsafe { NVIC::unmask(Interrupt(interrupt)) };
}

/// Disables a device's interrupt until it is unmasked.
pub fn silence(interrupt: u16) {
    NVIC::mask(Interrupt(interrupt));
}

/// Resets the board.
pub fn reset() -> ! {
    SCB::sys_reset()
}

/// Executes an undefined instruction, which is a fault.
pub fn fail() -> ! {
    asm::udf()
}

/// A counter that is faster than the clock.
pub fn counter() -> u32 {
    SYST::get_current()
}

/// Returns the address that `word` holds if it can be a return address.
pub fn code_address(word: usize) -> Option<usize> {
    (word & 1 == 1).then_some(word & !1)
}

/// Whether two consecutive halfwords end with a call instruction.
pub fn is_call(first: u16, second: u16) -> bool {
    let is_bl = first & 0xf800 == 0xf000 && second & 0xd000 == 0xd000;
    let is_blx = second & 0xff87 == 0x4780;
    is_bl || is_blx
}

#[derive(Clone, Copy)]
struct Interrupt(u16);

// SAFETY: the number is an interrupt of the board, as its description says, and never changes.
unsafe impl InterruptNumber for Interrupt {
    fn number(self) -> u16 {
        self.0
    }
}

#[exception]
unsafe fn DefaultHandler(interrupt: i16) {
    if !u16::try_from(interrupt).is_ok_and(|number| MACHINE.interrupted(number)) {
        panic!("unexpected interrupt {interrupt}");
    }
}
