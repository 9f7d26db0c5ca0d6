//! The heap: two-level segregated fit, but first fit where the former's tables would be half of all memory.

#[cfg(feature = "plain")]
use embedded_alloc::LlffHeap as Heap;
#[cfg(not(feature = "plain"))]
use embedded_alloc::TlsfHeap as Heap;

use crate::layout;

#[global_allocator]
static HEAP: Heap = Heap::empty();

/// Before anything is allocated, and once.
pub fn init() {
    // SAFETY: the linker script sets this range aside, and nobody else uses it.
    unsafe { HEAP.init(layout::heap_start(), layout::heap_end() - layout::heap_start()) }
}

/// Bytes in use, and bytes free.
pub fn usage() -> (usize, usize) {
    // The library's own `used` borrows its state twice, and panics.
    let free = HEAP.free();
    (layout::heap_end() - layout::heap_start() - free, free)
}
