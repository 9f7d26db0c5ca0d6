//! The allocator: the C library's, except while a board runs. Then memory comes from the board's own heap, which is
//! dropped as a whole when its power is cut.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::{Cell, RefCell};
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicPtr, Ordering};

use rlsf::Tlsf;

use crate::memory::HEAP;

/// The heap of the board that runs now. The library has one thread at a time.
static PRESENT: AtomicPtr<Heap> = AtomicPtr::new(ptr::null_mut());

/// The heap of one board: two-level segregated fit, as on the boards.
pub struct Heap {
    blocks: RefCell<Tlsf<'static, u32, u16, 20, 16>>,
    start: usize,
    used: Cell<usize>,
    is_exhausted: Cell<bool>,
}

impl Heap {
    /// Makes a heap in `memory`.
    ///
    /// # Safety
    /// Nothing else uses `memory` while the heap exists.
    pub unsafe fn new(memory: NonNull<[u8]>) -> Self {
        let mut blocks = Tlsf::new();
        // SAFETY: the caller's promise.
        unsafe { blocks.insert_free_block_ptr(memory) };
        Self {
            blocks: RefCell::new(blocks),
            start: memory.addr().get(),
            used: Cell::new(0),
            is_exhausted: Cell::new(false),
        }
    }

    /// Says to the firmware that nothing is free, or tells the truth again. What it allocates without asking goes on.
    pub fn exhaust(&self, is_exhausted: bool) {
        self.is_exhausted.set(is_exhausted);
    }

    /// Runs `act`, whose allocations come from this heap.
    pub fn within<T>(&self, act: impl FnOnce() -> T) -> T {
        let before = PRESENT.swap((&raw const *self).cast_mut(), Ordering::Relaxed);
        let result = act();
        PRESENT.store(before, Ordering::Relaxed);
        result
    }

    fn holds(&self, pointer: *mut u8) -> bool {
        (self.start..self.start + HEAP).contains(&pointer.addr())
    }
}

/// Runs `act`, whose allocations outlive the board's power.
pub fn outside<T>(act: impl FnOnce() -> T) -> T {
    let before = PRESENT.swap(ptr::null_mut(), Ordering::Relaxed);
    let result = act();
    PRESENT.store(before, Ordering::Relaxed);
    result
}

/// Returns the bytes that the running board uses of its heap, and the bytes free.
pub fn usage() -> (usize, usize) {
    let used = present().map_or(0, |heap| if heap.is_exhausted.get() { HEAP } else { heap.used.get() });
    (used, HEAP - used)
}

fn present<'a>() -> Option<&'a Heap> {
    // SAFETY: `within` stores a heap that is borrowed until it stores the one before.
    unsafe { PRESENT.load(Ordering::Relaxed).as_ref() }
}

struct Allocator;

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

// SAFETY: the memory of a board's heap is not used after its power was cut: nothing outside refers to it, because what
// outlives a step is allocated in `outside`. Whether a block is the heap's is seen by its address.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if let Some(heap) = present() {
            let Some(block) = heap.blocks.borrow_mut().allocate(layout) else { return ptr::null_mut() };
            heap.used.set(heap.used.get() + layout.size());
            return block.as_ptr();
        }
        let mut block = ptr::null_mut();
        // SAFETY: the alignment is a power of two, and at least a pointer's.
        unsafe { libc::posix_memalign(&raw mut block, layout.align().max(size_of::<usize>()), layout.size()) };
        block.cast()
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        match (present().filter(|heap| heap.holds(pointer)), NonNull::new(pointer)) {
            (Some(heap), Some(block)) => {
                heap.used.set(heap.used.get() - layout.size());
                // SAFETY: the block is this heap's, and the caller knows its alignment.
                unsafe { heap.blocks.borrow_mut().deallocate(block, layout.align()) };
            }
            // SAFETY: it comes from `posix_memalign`.
            _ => unsafe { libc::free(pointer.cast()) },
        }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's promise about `layout` and `size`.
        let wanted = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        if let (Some(heap), Some(block)) = (present().filter(|heap| heap.holds(pointer)), NonNull::new(pointer)) {
            // SAFETY: the block is this heap's, of the same alignment.
            let Some(moved) = (unsafe { heap.blocks.borrow_mut().reallocate(block, wanted) }) else {
                return ptr::null_mut();
            };
            heap.used.set(heap.used.get() - layout.size() + size);
            return moved.as_ptr();
        }
        // SAFETY: both blocks are valid for the smaller size, and separate; the caller gives up the old one.
        unsafe {
            let new = self.alloc(wanted);
            if !new.is_null() {
                ptr::copy_nonoverlapping(pointer, new, layout.size().min(size));
                self.dealloc(pointer, layout);
            }
            new
        }
    }
}
