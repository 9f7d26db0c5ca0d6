//! Nordic's UARTE, which moves bytes by DMA. Each transfer is one byte, so that a byte never waits for more.

use core::cell::UnsafeCell;
use core::hint;

use crate::registers::{PATIENCE, read, write};

const STARTRX: usize = 0x000;
const STARTTX: usize = 0x008;
const ENDRX: usize = 0x110;
const ENDTX: usize = 0x120;
const INTENSET: usize = 0x304;
const ENABLE: usize = 0x500;
const BAUDRATE: usize = 0x524;
const RXD: usize = 0x534;
const TXD: usize = 0x544;
/// Offset from the register of a buffer's address to the register of its size, bytes.
const MAXCNT: usize = 0x004;
/// The bit of the event ENDRX in INTENSET.
const ENDRX_INTERRUPT: u32 = 1 << 4;

/// The byte that DMA has received and the byte that DMA sends. DMA needs them in RAM.
struct Buffers(UnsafeCell<[u8; 2]>);

// SAFETY: one UARTE receives, and only its interrupt handler reads the received byte. Only the thread sends, and it
// waits until DMA has read the byte.
unsafe impl Sync for Buffers {}

static BUFFERS: Buffers = Buffers(UnsafeCell::new([0; 2]));

fn received() -> *mut u8 {
    BUFFERS.0.get().cast()
}

fn sent() -> *mut u8 {
    received().wrapping_add(1)
}

pub fn init(base: usize, receive: bool) {
    write(base + BAUDRATE, 0x01d7_e000); // 115200
    write(base + ENABLE, 8);
    write(base + TXD, sent().addr() as u32);
    write(base + TXD + MAXCNT, 1);
    if receive {
        write(base + RXD, received().addr() as u32);
        write(base + RXD + MAXCNT, 1);
        write(base + ENDRX, 0);
        write(base + INTENSET, ENDRX_INTERRUPT);
        write(base + STARTRX, 1);
    }
}

pub fn has_byte(base: usize) -> bool {
    read(base + ENDRX) != 0
}

pub fn take(base: usize) -> u8 {
    // SAFETY: the transfer has ended and the next one has not begun, so DMA does not write the byte.
    let byte = unsafe { received().read_volatile() };
    // In Renode a byte that arrives between the end of a transfer and the start of the next one is written after the
    // buffer, unless the transfer starts before its event is cleared; and only a start after that takes a waiting byte.
    write(base + STARTRX, 1);
    write(base + ENDRX, 0);
    write(base + STARTRX, 1);
    byte
}

pub fn send(base: usize, byte: u8) -> bool {
    // SAFETY: the previous transfer has ended or was given up after `PATIENCE`, so that DMA does not read the byte.
    unsafe { sent().write_volatile(byte) };
    write(base + ENDTX, 0);
    write(base + STARTTX, 1);
    for _ in 0..PATIENCE {
        if read(base + ENDTX) != 0 {
            return true;
        }
        hint::spin_loop();
    }
    false
}
