//! The NS16550A. Its registers are bytes.

use core::hint;

use crate::registers::PATIENCE;

/// Interrupt enable: bit 0 is for received bytes.
const IER: usize = 1;
/// FIFO control.
const FCR: usize = 2;
const LCR: usize = 3;
const MCR: usize = 4;
const LSR: usize = 5;
const DATA_READY: u8 = 0x01;
const ROOM_TO_SEND: u8 = 0x20;

fn read(address: usize) -> u8 {
    // SAFETY: every caller passes the address of one of the UART's registers, which the board's description names. A
    // read has no effect on memory.
    unsafe { (address as *const u8).read_volatile() }
}

fn write(address: usize, value: u8) {
    // SAFETY: every caller passes the address of one of the UART's registers, which the board's description names. A
    // write has no effect on memory.
    unsafe { (address as *mut u8).write_volatile(value) }
}

pub fn init(base: usize, receive: bool) {
    write(base + LCR, 0x80); // the next two are the divisor: 3.6864 MHz to 115200
    write(base, 2);
    write(base + IER, 0);
    write(base + LCR, 0x03); // 8 bits
    write(base + FCR, 0x07); // on, and empty
    write(base + MCR, 0x0b); // ready; interrupts leave the chip
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
