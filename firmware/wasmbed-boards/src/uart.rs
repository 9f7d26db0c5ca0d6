//! Serial ports of six kinds, driven alike: a byte at a time, received by interrupt.

use core::hint;

use crate::{ns16550, uarte};

/// How often a port that takes no byte is asked again. An emulator whose harness is busy takes none for a while: it needs
/// about a second.
pub const PATIENCE: u32 = 10_000_000;

/// A UART and the address of its registers.
#[derive(Clone, Copy)]
pub enum Uart {
    /// Arm's CMSDK (Cortex-M System Design Kit).
    Cmsdk(usize),
    /// STM32F1, F2 and F4.
    Stm32(usize),
    /// STM32F7.
    Stm32F7(usize),
    /// Nordic's nRF52.
    Nrf52(usize),
    /// Arm's PL011 (PrimeCell).
    Pl011(usize),
    /// National Semiconductor's NS16550A.
    Ns16550(usize),
}

pub fn read(address: usize) -> u32 {
    // SAFETY: only addresses of device registers get here; reading them has no effect on memory.
    unsafe { (address as *const u32).read_volatile() }
}

pub fn write(address: usize, value: u32) {
    // SAFETY: only addresses of device registers get here; writing them has no effect on memory.
    unsafe { (address as *mut u32).write_volatile(value) }
}

impl Uart {
    /// Makes it send, and with `receive` also receive and interrupt.
    pub fn init(self, receive: bool) {
        match self {
            Self::Cmsdk(base) => {
                write(base + 0x10, 217); // BAUDDIV: 25 MHz to 115200
                write(base + 0x08, 1); // CTRL: TX
                if receive {
                    write(base + 0x08, 0b1011); // TX, RX, RX interrupt
                    read(base); // or QEMU's model never announces the first byte
                }
            }
            Self::Stm32(base) => {
                write(base + 0x08, 0x8b); // BRR: 16 MHz to 115200
                write(base + 0x0c, if receive { 0x202c } else { 0x2008 }); // CR1: UE, TE, and RXNEIE, RE
            }
            Self::Stm32F7(base) => {
                write(base + 0x0c, 0x8b); // BRR: 16 MHz to 115200
                write(base, if receive { 0x2d } else { 0x09 }); // CR1: UE, TE, and RXNEIE, RE
            }
            Self::Nrf52(base) => uarte::init(base, receive),
            Self::Pl011(base) => {
                write(base + 0x24, 6); // IBRD, FBRD: 12.5 MHz to 115200
                write(base + 0x28, 50);
                write(base + 0x2c, 0x70); // LCRH: 8 bits, FIFO
                write(base + 0x38, if receive { 0x50 } else { 0 }); // IMSC: RX, RX timeout
                write(base + 0x30, if receive { 0x301 } else { 0x101 }); // CR: UART, TX, RX
            }
            Self::Ns16550(base) => ns16550::init(base, receive),
        }
    }

    /// The interrupt was seen. To be called before the bytes are taken, so that one that comes meanwhile counts.
    pub fn acknowledge(self) {
        match self {
            Self::Cmsdk(base) => write(base + 0x0c, 0b10),
            Self::Stm32(_) | Self::Stm32F7(_) | Self::Nrf52(_) | Self::Ns16550(_) => {}
            Self::Pl011(base) => write(base + 0x44, 0x50),
        }
    }

    /// Whether a byte has arrived.
    pub fn has_byte(self) -> bool {
        match self {
            Self::Cmsdk(base) => read(base + 0x04) & 0b10 != 0,
            Self::Stm32(base) => read(base) & 0x20 != 0,
            Self::Stm32F7(base) => read(base + 0x1c) & 0x20 != 0,
            Self::Nrf52(base) => uarte::has_byte(base),
            Self::Pl011(base) => read(base + 0x18) & 0x10 == 0,
            Self::Ns16550(base) => ns16550::has_byte(base),
        }
    }

    /// Takes the byte that has arrived.
    pub fn take(self) -> u8 {
        match self {
            Self::Cmsdk(base) | Self::Pl011(base) => read(base) as u8,
            Self::Stm32(base) => read(base + 0x04) as u8,
            Self::Stm32F7(base) => read(base + 0x24) as u8,
            Self::Nrf52(base) => uarte::take(base),
            Self::Ns16550(base) => ns16550::take(base),
        }
    }

    /// Sends a byte, waiting a little where it must; false: it was not taken.
    pub fn send(self, byte: u8) -> bool {
        let (status, ready, data) = match self {
            Self::Cmsdk(base) => (base + 0x04, (0b01, 0), base),
            Self::Stm32(base) => (base, (0x80, 0x80), base + 0x04),
            Self::Stm32F7(base) => (base + 0x1c, (0x80, 0x80), base + 0x28),
            Self::Nrf52(base) => return uarte::send(base, byte),
            Self::Ns16550(base) => return ns16550::send(base, byte),
            Self::Pl011(base) => (base + 0x18, (0x20, 0), base),
        };
        for _ in 0..PATIENCE {
            if read(status) & ready.0 == ready.1 {
                write(data, u32::from(byte));
                return true;
            }
            hint::spin_loop();
        }
        false
    }
}
