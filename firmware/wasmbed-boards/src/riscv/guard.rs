//! What makes a stack that overflows a fault at once: the memory below it is forbidden.

use riscv::register::{Permission, Range, pmpaddr0, pmpcfg0};

use crate::layout;

/// How the memory below the stack is guarded.
#[derive(Clone, Copy)]
pub enum Guard {
    /// By a locked region of the physical memory protection.
    Region,
}

/// Bytes below the stack that are guarded.
pub const REGION: usize = 64 << 10;

impl Guard {
    /// To be called once.
    pub fn init(self) {
        let start = layout::stack_start() - REGION;
        // SAFETY: nothing that runs has business below the stack. The address of a region that is a power of two, and
        // aligned to it, has its size encoded in its low bits.
        unsafe {
            pmpaddr0::write(start >> 2 | (REGION >> 3) - 1);
            pmpcfg0::set_pmp(0, Range::NAPOT, Permission::NONE, true);
        }
    }
}
