//! What makes a stack that overflows a fault at once. The stack lies at the bottom of RAM, so what is below it needs
//! no protection for its own sake, and where nothing answers there a fault comes by itself.

use crate::layout;

/// How the memory below the stack is guarded.
#[derive(Clone, Copy)]
pub enum Guard {
    /// Nothing answers there.
    Void,
    /// Nothing answers there, and no fault comes of it: Renode, which cannot take a fault either while the stack may
    /// not be written. The clock's interrupt looks at the stack.
    Clock,
    /// By a region of the memory protection unit (ARMv7-M).
    Region,
    /// By the stack pointer's limit (ARMv8-M).
    Limit,
}

/// Bytes below the stack that are guarded by a region.
pub const REGION: usize = 64 << 10;

impl Guard {
    /// To be called once.
    pub fn init(self) {
        match self {
            Self::Void | Self::Clock => {}
            Self::Region => {
                // SAFETY: nothing that runs has business below the stack. The region's size is 2^(15 + 1) bytes.
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
                // SAFETY: the limit is where the stack ends. The instruction is `msr msplim, r0`, which the
                // compiler's target, ARMv7-M, does not have.
                #[cfg(target_arch = "arm")]
                unsafe {
                    core::arch::asm!(".inst.w 0xf380880a", in("r0") layout::stack_start(), options(nomem, nostack, preserves_flags));
                }
            }
        }
    }
}
