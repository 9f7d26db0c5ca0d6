//! The board's memory map and limits, which the linker script takes from `board.toml`.

use core::slice;

unsafe extern "C" {
    static _board_ram_size: u8;
    static _board_stack_start: u8;
    static _board_stack_size: u8;
    static _board_heap_start: u8;
    static _board_heap_end: u8;
    static _board_provisioning_start: u8;
    static _board_provisioning_size: u8;
    static _board_storage_start: u8;
    static _board_storage_size: u8;
    static _board_retained_start: u8;
    static _board_peripherals_start: u8;
    static _board_largest_module: u8;
    static _board_largest_memory: u8;
    static _board_largest_frame: u8;
    static _board_largest_record: u8;
    static _board_value_stack: u8;
    static _board_applications: u8;
    static __stext: u8;
    static __etext: u8;
}

macro_rules! numbers {
    ($($(#[$about:meta])* $name:ident = $symbol:ident;)*) => {
        $($(#[$about])* pub fn $name() -> usize {
            // The symbol's address is the value; nothing is read.
            (&raw const $symbol).addr()
        })*
    };
}

numbers! {
    ram_size = _board_ram_size;
    stack_start = _board_stack_start;
    stack_size = _board_stack_size;
    heap_start = _board_heap_start;
    heap_end = _board_heap_end;
    storage_size = _board_storage_size;
    /// Start of the words that survive a reset: nothing loads or clears them.
    retained_start = _board_retained_start;
    /// Start of the words for sensors and pins.
    peripherals_start = _board_peripherals_start;
    largest_module = _board_largest_module;
    largest_memory = _board_largest_memory;
    largest_frame = _board_largest_frame;
    largest_record = _board_largest_record;
    value_stack = _board_value_stack;
    applications = _board_applications;
    text_start = __stext;
    text_end = __etext;
}

/// The memory that holds the provisioning blob.
pub fn provisioning() -> &'static [u8] {
    // SAFETY: the linker script reserves this range, and nothing writes it while the firmware runs.
    unsafe { slice::from_raw_parts(&raw const _board_provisioning_start, (&raw const _board_provisioning_size).addr()) }
}

/// The present contents of the storage area, which survives a power cut.
pub fn storage() -> &'static [u8] {
    // SAFETY: the linker script reserves this range. Only `replace_storage` writes it, and the node, which alone reads
    // it, keeps no such slice over a call of that.
    unsafe { slice::from_raw_parts(&raw const _board_storage_start, storage_size()) }
}

/// Replaces the beginning of the storage area; false if `data` does not fit.
pub fn replace_storage(data: &[u8]) -> bool {
    if data.len() > storage_size() {
        return false;
    }
    for (offset, &byte) in data.iter().enumerate() {
        // SAFETY: `offset` is below the size of the range that the linker script reserves.
        unsafe { (&raw const _board_storage_start).cast_mut().add(offset).write_volatile(byte) };
    }
    true
}
