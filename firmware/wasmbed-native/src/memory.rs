//! A board's memory: one mapping with a guard page, the stack, and the heap. Only pages that were used take memory.

use core::num::NonZeroUsize;
use core::ptr::{self, NonNull};

use corosensei::stack::{Stack, StackPointer};

/// At least the largest page of the processors that this runs on.
const GUARD: usize = 64 << 10;
/// Frames are about twice as large as on the boards, whose stack has 128 KiB.
const STACK: usize = 384 << 10;
/// Size of the heap, bytes.
pub const HEAP: usize = 14 << 20;
const SIZE: usize = GUARD + STACK + HEAP;

/// The memory of a board that is on.
pub struct Memory(NonNull<u8>);

impl Memory {
    /// Reserves the memory; None: there is none.
    pub fn new() -> Option<Self> {
        let (access, flags) =
            (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE);
        // SAFETY: a new anonymous mapping affects no other memory.
        let start = unsafe { libc::mmap(ptr::null_mut(), SIZE, access, flags, -1, 0) };
        if start == libc::MAP_FAILED {
            return None;
        }
        let memory = Self(NonNull::new(start.cast())?);
        // SAFETY: the ranges lie in the new mapping. Huge pages would make each board take several megabytes.
        let is_guarded = unsafe {
            libc::madvise(start, SIZE, libc::MADV_NOHUGEPAGE);
            libc::mprotect(start, GUARD, libc::PROT_NONE) == 0
        };
        is_guarded.then_some(memory)
    }

    /// The stack; valid while the memory is.
    pub fn stack(&self) -> BoardStack {
        BoardStack { limit: self.0.addr() }
    }

    /// The memory for the heap.
    pub fn heap(&self) -> NonNull<[u8]> {
        // SAFETY: the offset lies in the mapping.
        NonNull::slice_from_raw_parts(unsafe { self.0.add(GUARD + STACK) }, HEAP)
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's, and nothing refers to it any more.
        unsafe { libc::munmap(self.0.as_ptr().cast(), SIZE) };
    }
}

/// The stack within a [`Memory`].
pub struct BoardStack {
    limit: NonZeroUsize,
}

// SAFETY: the stack has a guard page, and more than the minimum size; `Board` keeps its memory as long as the coroutine.
unsafe impl Stack for BoardStack {
    fn base(&self) -> StackPointer {
        self.limit.saturating_add(GUARD + STACK)
    }

    fn limit(&self) -> StackPointer {
        self.limit
    }
}
