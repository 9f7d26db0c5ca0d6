//! One driver for six kinds of serial port: a byte at a time, received by interrupt.

use core::hint;

use crate::registers::{PATIENCE, read, write};
use crate::{ns16550, uarte};

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

impl Uart {
    /// Enables sending; with `receive` also receiving, and its interrupt.
    pub fn init(self, receive: bool) {
        match self {
            Self::Cmsdk(base) => {
                write(base + 0x10, 217); // BAUDDIV: 25 MHz to 115200
                write(base + 0x08, 1); // CTRL: TX
                if receive {
                    write(base + 0x08, 0b1011); // TX, RX, RX interrupt
                    read(base); // without this read, QEMU's model never announces the first byte
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

    /// Acknowledges the interrupt. Call it before taking the bytes, so that a byte that arrives meanwhile interrupts
    /// again.
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

    /// Returns the byte that has arrived.
    pub fn take(self) -> u8 {
        match self {
            Self::Cmsdk(base) | Self::Pl011(base) => read(base) as u8,
            Self::Stm32(base) => read(base + 0x04) as u8,
            Self::Stm32F7(base) => read(base + 0x24) as u8,
            Self::Nrf52(base) => uarte::take(base),
            Self::Ns16550(base) => ns16550::take(base),
        }
    }

    /// Sends a byte; waits about a second for room at most. False: there was none.
    pub fn send(self, byte: u8) -> bool {
        let port = match self {
            Self::Cmsdk(base) => Sender { status: base + 0x04, mask: 0b01, ready: 0, data: base },
            Self::Stm32(base) => Sender { status: base, mask: 0x80, ready: 0x80, data: base + 0x04 },
            Self::Stm32F7(base) => Sender { status: base + 0x1c, mask: 0x80, ready: 0x80, data: base + 0x28 },
            Self::Pl011(base) => Sender { status: base + 0x18, mask: 0x20, ready: 0, data: base },
            Self::Nrf52(base) => return uarte::send(base, byte),
            Self::Ns16550(base) => return ns16550::send(base, byte),
        };
        for _ in 0..PATIENCE {
            if read(port.status) & port.mask == port.ready {
                write(port.data, u32::from(byte));
                return true;
            }
            hint::spin_loop();
        }
        false
    }
}

/// The sending side of a port with 32-bit registers: there is room when the masked status reads `ready`.
struct Sender {
    status: usize,
    mask: u32,
    ready: u32,
    data: usize,
}
