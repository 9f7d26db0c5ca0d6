//! Makes a stack overflow a fault at once: access to the memory below the stack is forbidden.

use riscv::register::{Permission, Range, pmpaddr0, pmpcfg0};

use crate::layout;

/// How the memory below the stack is guarded.
#[derive(Clone, Copy)]
pub enum Guard {
    /// A locked region of the physical memory protection forbids access.
    Region,
}

/// Size of the guarded region below the stack, bytes.
pub const REGION: usize = 64 << 10;

impl Guard {
    /// Enables the guard. Call it once.
    pub fn init(self) {
        let start = layout::stack_start() - REGION;
        // SAFETY: no code accesses the memory below the stack, so forbidding access there takes nothing away. The
        // region's size is a power of two and its start is aligned to it, so the low bits of the address encode the
        // size.
        unsafe {
            pmpaddr0::write(start >> 2 | (REGION >> 3) - 1);
            pmpcfg0::set_pmp(0, Range::NAPOT, Permission::NONE, true);
        }
    }
}
