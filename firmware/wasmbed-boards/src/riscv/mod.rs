//! RISC-V in machine mode, with the interrupt controllers (CLINT, PLIC) and the test device of SiFive's chips.

mod clock;
mod guard;
mod trap;

use riscv::{asm, interrupt, register};

pub use self::clock::{MachineTimer as Clock, TickSource};
pub use self::guard::Guard;
use crate::registers::{read, write};

/// Address of the PLIC, which passes the devices' interrupts to the processor.
const PLIC: usize = 0x0c00_0000;
const ENABLE: usize = PLIC + 0x2000;
const THRESHOLD: usize = PLIC + 0x20_0000;
/// The number of the pending interrupt; writing it back completes the interrupt.
const CLAIM: usize = PLIC + 0x20_0004;
/// Address of the device that ends or resets an emulated machine.
const TEST: usize = 0x0010_0000;
const RESET: u32 = 0x7777;

/// Runs `act` with interrupts disabled.
pub fn free<T>(act: impl FnOnce() -> T) -> T {
    interrupt::free(act)
}

/// Disables interrupts until the next reset.
pub fn mask() {
    interrupt::disable();
}

/// Sleeps until an interrupt is pending, also while interrupts are disabled.
pub fn wait() {
    asm::wfi();
}

/// Enables a device's interrupt, and from the first call on the clock's. The state that the handlers use must be
/// initialised.
pub fn unmask(interrupt: u16) {
    let number = usize::from(interrupt);
    let enable = ENABLE + 4 * (number / 32);
    write(PLIC + 4 * number, 1); // its priority
    write(enable, read(enable) | 1 << (number % 32));
    write(THRESHOLD, 0);
    // SAFETY: no critical section is open here, and the handlers' state is initialised.
    unsafe {
        register::mie::set_mext();
        interrupt::enable();
    }
}

/// Disables a device's interrupt until it is unmasked. It sets the priority to 0, because the PLIC ignores the
/// completion of an interrupt that is not enabled.
pub fn silence(interrupt: u16) {
    write(PLIC + 4 * usize::from(interrupt), 0);
}

/// Resets the board.
pub fn reset() -> ! {
    write(TEST, RESET);
    loop {
        asm::wfi();
    }
}

/// Executes an undefined instruction, which is a fault.
pub fn fail() -> ! {
    // SAFETY: the instruction traps, and the handler of the fault never returns.
    unsafe { core::arch::asm!("unimp", options(noreturn)) }
}

/// A counter that is faster than the clock.
pub fn counter() -> u32 {
    register::mcycle::read() as u32
}

/// Returns the address that `word` holds if it can be a return address.
pub fn code_address(word: usize) -> Option<usize> {
    word.is_multiple_of(2).then_some(word)
}

/// Whether two consecutive halfwords end with a call instruction.
pub fn is_call(first: u16, second: u16) -> bool {
    /// Opcode and destination of instructions that store the return address in `ra`.
    const JAL: u16 = 0x00ef;
    const JALR: u16 = 0x00e7;
    let is_compressed_jal = second & 0xe003 == 0x2001;
    let is_compressed_jalr = second & 0xf07f == 0x9002 && second & 0x0f80 != 0;
    matches!(first & 0x0fff, JAL | JALR) || is_compressed_jal || is_compressed_jalr
}
