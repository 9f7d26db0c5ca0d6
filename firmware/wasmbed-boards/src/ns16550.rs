//! The NS16550A, with its registers byte by byte.

use core::hint;

use crate::uart::PATIENCE;

/// Interrupts: of bytes that have arrived.
const IER: usize = 1;
/// FIFOs: on, and empty.
const FCR: usize = 2;
const LCR: usize = 3;
const MCR: usize = 4;
const LSR: usize = 5;
const DATA_READY: u8 = 0x01;
const ROOM_TO_SEND: u8 = 0x20;

fn read(address: usize) -> u8 {
    // SAFETY: only addresses of the UART's registers get here; reading them has no effect on memory.
    unsafe { (address as *const u8).read_volatile() }
}

fn write(address: usize, value: u8) {
    // SAFETY: only addresses of the UART's registers get here; writing them has no effect on memory.
    unsafe { (address as *mut u8).write_volatile(value) }
}

pub fn init(base: usize, receive: bool) {
    write(base + LCR, 0x80); // the next two are the divisor: 3.6864 MHz to 115200
    write(base, 2);
    write(base + IER, 0);
    write(base + LCR, 0x03); // 8 bits
    write(base + FCR, 0x07);
    write(base + MCR, 0x0b); // ready, and interrupts leave the chip
    write(base + IER, u8::from(receive));
}

pub fn has_byte(base: usize) -> bool {
    read(base + LSR) & DATA_READY != 0
}

pub fn take(base: usize) -> u8 {
    read(base)
}

pub fn send(base: usize, byte: u8) -> bool {
    for _ in 0..PATIENCE {
        if read(base + LSR) & ROOM_TO_SEND != 0 {
            write(base, byte);
            return true;
        }
        hint::spin_loop();
    }
    false
}
