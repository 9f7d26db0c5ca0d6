//! What is RISC-V, in machine mode, with the interrupt controllers (CLINT, PLIC) and the test device of SiFive's chips.

mod clock;
mod guard;
mod trap;

use riscv::{asm, interrupt, register};

pub use self::clock::{MachineTimer as Clock, TickSource};
pub use self::guard::Guard;
use crate::uart::{read, write};

/// Of the PLIC, which brings the devices' interrupts to the processor.
const PLIC: usize = 0x0c00_0000;
const ENABLE: usize = PLIC + 0x2000;
const THRESHOLD: usize = PLIC + 0x20_0000;
/// Which interrupt it is; writing the number back ends it.
const CLAIM: usize = PLIC + 0x20_0004;
/// The device that ends or resets an emulated machine.
const TEST: usize = 0x0010_0000;
const RESET: u32 = 0x7777;

/// Runs something with interrupts disabled.
pub fn free<T>(act: impl FnOnce() -> T) -> T {
    interrupt::free(act)
}

/// Disables interrupts for good.
pub fn mask() {
    interrupt::disable();
}

/// Stands still until there is an interrupt; one that is pending ends this although it is not taken yet.
pub fn wait() {
    asm::wfi();
}

/// Lets a device interrupt, and the clock from the first one on. Its handler's state is there.
pub fn unmask(interrupt: u16) {
    let number = usize::from(interrupt);
    let enable = ENABLE + 4 * (number / 32);
    write(PLIC + 4 * number, 1); // its priority
    write(enable, read(enable) | 1 << (number % 32));
    write(THRESHOLD, 0);
    // SAFETY: the handler's state is there.
    unsafe {
        register::mie::set_mext();
        interrupt::enable();
    }
}

/// Lets a device interrupt no more, until it is unmasked. By its priority: the end of one that is not enabled is ignored.
pub fn silence(interrupt: u16) {
    write(PLIC + 4 * usize::from(interrupt), 0);
}

/// Begins anew.
pub fn reset() -> ! {
    write(TEST, RESET);
    loop {
        asm::wfi();
    }
}

/// Executes what is no instruction.
pub fn fail() -> ! {
    // SAFETY: it ends in the handler of the fault.
    unsafe { core::arch::asm!("unimp", options(noreturn)) }
}

/// Something that counts, faster than the clock.
pub fn counter() -> u32 {
    register::mcycle::read() as u32
}

/// The address that a word would be, if it were a return address.
pub fn code_address(word: usize) -> Option<usize> {
    word.is_multiple_of(2).then_some(word)
}

/// Whether the two halfwords before an address end in a call.
pub fn is_call(first: u16, second: u16) -> bool {
    /// Opcode and destination of an instruction that leaves the return address in `ra`.
    const JAL: u16 = 0x00ef;
    const JALR: u16 = 0x00e7;
    let is_compressed_jal = second & 0xe003 == 0x2001;
    let is_compressed_jalr = second & 0xf07f == 0x9002 && second & 0x0f80 != 0;
    matches!(first & 0x0fff, JAL | JALR) || is_compressed_jal || is_compressed_jalr
}
