//! Makes a stack overflow a fault at once. The stack lies at the bottom of RAM, so there is no data below it to
//! protect, and where the memory below it does not exist, an access there is a fault anyway.

use crate::layout;

/// How the memory below the stack is guarded.
#[derive(Clone, Copy)]
pub enum Guard {
    /// There is no memory, and an access is a fault.
    Void,
    /// There is no memory, but an access is not a fault: in Renode, which also cannot take a fault while the stack is
    /// not writable. The clock's interrupt checks the stack pointer instead.
    Clock,
    /// A region of the memory protection unit forbids access (ARMv7-M).
    Region,
    /// The stack pointer has a limit (ARMv8-M).
    Limit,
}

/// Size of the guarded region below the stack, bytes.
pub const REGION: usize = 64 << 10;

impl Guard {
    /// Enables the guard. Call it once.
    pub fn init(self) {
        match self {
            Self::Void | Self::Clock => {}
            Self::Region => {
                // SAFETY: no code accesses the 64 KiB below the stack, so forbidding access there takes nothing away.
                // The region's size is 2^(15 + 1) bytes.
                unsafe {
                    let mpu = &*cortex_m::peripheral::MPU::PTR;
                    mpu.rnr.write(0);
                    mpu.rbar.write((layout::stack_start() - REGION) as u32);
                    mpu.rasr.write(1 << 28 | 15 << 1 | 1);
                    mpu.ctrl.write(0b101);
                }
                cortex_m::asm::dsb();
                cortex_m::asm::isb();
            }
            Self::Limit => {
                // SAFETY: the limit is the stack's end, below which no code accesses memory. The instruction is
                // `msr msplim, r0`, which the compiler's target, ARMv7-M, lacks.
                #[cfg(target_arch = "arm")]
                unsafe {
                    core::arch::asm!(".inst.w 0xf380880a", in("r0") layout::stack_start(), options(nomem, nostack, preserves_flags));
                }
            }
        }
    }
}
