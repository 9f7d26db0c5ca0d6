//! Access to device registers, and how long a driver waits for a device.

/// How often a driver polls a device before it gives up: about a second. The emulator of a busy harness accepts no byte
/// for a while.
pub const PATIENCE: u32 = 10_000_000;

/// Reads the register at `address`.
pub fn read(address: usize) -> u32 {
    // SAFETY: every caller passes the address of a device register that the board's description names. A read has no
    // effect on memory.
    unsafe { (address as *const u32).read_volatile() }
}

/// Writes the register at `address`.
pub fn write(address: usize, value: u32) {
    // SAFETY: every caller passes the address of a device register that the board's description names. A write has no
    // effect on memory, except that it starts the DMA of `uarte`, whose buffers nothing else uses meanwhile.
    unsafe { (address as *mut u32).write_volatile(value) }
}
