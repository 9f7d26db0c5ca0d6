//! What is Arm's Cortex-M: time by SysTick, the memory protection, faults.

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

/// Runs something with interrupts disabled.
pub fn free<T>(act: impl FnOnce() -> T) -> T {
    interrupt::free(|_| act())
}

/// Disables interrupts for good.
pub fn mask() {
    interrupt::disable();
}

/// Stands still until there is an interrupt; one that is pending ends this although it is not taken yet.
pub fn wait() {
    asm::wfi();
}

/// Lets a device interrupt. Its handler's state is there.
pub fn unmask(interrupt: u16) {
    // SAFETY: the handler's state is there.
    unsafe { NVIC::unmask(Interrupt(interrupt)) };
}

/// Lets a device interrupt no more, until it is unmasked.
pub fn silence(interrupt: u16) {
    NVIC::mask(Interrupt(interrupt));
}

/// Begins anew.
pub fn reset() -> ! {
    SCB::sys_reset()
}

/// Executes what is no instruction.
pub fn fail() -> ! {
    asm::udf()
}

/// Something that counts, faster than the clock.
pub fn counter() -> u32 {
    SYST::get_current()
}

/// The address that a word would be, if it were a return address.
pub fn code_address(word: usize) -> Option<usize> {
    (word & 1 == 1).then_some(word & !1)
}

/// Whether the two halfwords before an address end in a call.
pub fn is_call(first: u16, second: u16) -> bool {
    let is_bl = first & 0xf800 == 0xf000 && second & 0xd000 == 0xd000;
    let is_blx = second & 0xff87 == 0x4780;
    is_bl || is_blx
}

#[derive(Clone, Copy)]
struct Interrupt(u16);

// SAFETY: the number is the board's, and stays what it is.
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
