//! The heap: two-level segregated fit; first fit on boards so small that the tables of the other take half the memory.

#[cfg(feature = "plain")]
use embedded_alloc::LlffHeap as Heap;
#[cfg(not(feature = "plain"))]
use embedded_alloc::TlsfHeap as Heap;

use crate::layout;

#[global_allocator]
static HEAP: Heap = Heap::empty();

/// Gives the heap its memory. Call it once, before the first allocation.
pub fn init() {
    // SAFETY: the linker script reserves this range for the heap, and `start` calls this once, before any allocation.
    unsafe { HEAP.init(layout::heap_start(), layout::heap_end() - layout::heap_start()) }
}

/// Returns the bytes in use and the bytes free.
pub fn usage() -> (usize, usize) {
    // The library's `used` borrows its state twice and panics.
    let free = HEAP.free();
    (layout::heap_end() - layout::heap_start() - free, free)
}
