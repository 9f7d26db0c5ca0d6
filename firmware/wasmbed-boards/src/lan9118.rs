//! SMSC's LAN9118, the Ethernet controller of the MPS2 boards. Frames pass through its FIFOs, a word at a time.

use alloc::boxed::Box;

use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::time::Instant;
use smoltcp::wire::EthernetAddress;

use crate::registers::{read, write};

/// Size of the largest Ethernet frame without its checksum, bytes.
const LARGEST_FRAME: usize = 1514;
const BUFFER: usize = LARGEST_FRAME.next_multiple_of(4) + 4;
const CHECKSUM: usize = 4;

const RX_DATA: usize = 0x00;
const TX_DATA: usize = 0x20;
const RX_STATUS: usize = 0x40;
const IRQ_CFG: usize = 0x54;
const INT_STS: usize = 0x58;
const INT_EN: usize = 0x5c;
const FIFO_INT: usize = 0x68;
const RX_CFG: usize = 0x6c;
const TX_CFG: usize = 0x70;
const HW_CFG: usize = 0x74;
const RX_FIFO_INF: usize = 0x7c;
const MAC_CSR_CMD: usize = 0xa4;
const MAC_CSR_DATA: usize = 0xa8;

const MAC_CR: u32 = 1;
const ADDRH: u32 = 2;
const ADDRL: u32 = 3;

/// The interrupt for a frame in the receiver's status FIFO.
const RSFL: u32 = 1 << 3;

/// The controller's registers.
#[derive(Clone, Copy)]
pub struct Lan9118 {
    base: usize,
}

impl Lan9118 {
    pub const fn new(base: usize) -> Self {
        Self { base }
    }

    /// Enables sending and receiving, and an interrupt for each received frame; returns the controller's address.
    pub fn start(self) -> EthernetAddress {
        self.write(HW_CFG, 0x0005_0000 | 1 << 20); // 5 KiB of the FIFO for sending; the upper bit must be one
        self.write(TX_CFG, 1 << 1); // on
        self.write(RX_CFG, 0);
        self.write(FIFO_INT, 0);
        self.write(IRQ_CFG, 1 << 8 | 1 << 4 | 1); // on, active high, push-pull
        self.listen();
        self.write_mac(MAC_CR, 1 << 20 | 1 << 3 | 1 << 2); // full duplex, TX, RX
        let (low, high) = (self.read_mac(ADDRL).to_le_bytes(), self.read_mac(ADDRH).to_le_bytes());
        EthernetAddress([low[0], low[1], low[2], low[3], high[0], high[1]])
    }

    /// Enables the interrupt for frames that arrive from now on.
    pub fn listen(self) {
        self.write(INT_STS, u32::MAX);
        self.write(INT_EN, RSFL);
    }

    /// Disables the interrupt.
    pub fn ignore(self) {
        self.write(INT_EN, 0);
    }

    fn receive(self, buffer: &mut [u8; BUFFER]) -> Option<usize> {
        if self.read(RX_FIFO_INF) >> 16 & 0xff == 0 {
            return None;
        }
        let length = (self.read(RX_STATUS) >> 16 & 0x3fff) as usize;
        for word in 0..length.div_ceil(4) {
            let bytes = self.read(RX_DATA).to_le_bytes();
            if let Some(place) = buffer.get_mut(word * 4..word * 4 + 4) {
                place.copy_from_slice(&bytes);
            }
        }
        Some(length.saturating_sub(CHECKSUM).min(LARGEST_FRAME))
    }

    fn send(self, buffer: &[u8; BUFFER], length: usize) {
        self.write(TX_DATA, 1 << 13 | 1 << 12 | length as u32); // all of it in one
        self.write(TX_DATA, length as u32);
        for word in buffer[..length.next_multiple_of(4)].as_chunks().0 {
            self.write(TX_DATA, u32::from_le_bytes(*word));
        }
    }

    fn write_mac(self, register: u32, value: u32) {
        self.write(MAC_CSR_DATA, value);
        self.command(register);
    }

    fn read_mac(self, register: u32) -> u32 {
        self.command(1 << 30 | register);
        self.read(MAC_CSR_DATA)
    }

    fn command(self, command: u32) {
        self.write(MAC_CSR_CMD, 1 << 31 | command);
        while self.read(MAC_CSR_CMD) & 1 << 31 != 0 {}
    }

    fn read(self, offset: usize) -> u32 {
        read(self.base + offset)
    }

    fn write(self, offset: usize, value: u32) {
        write(self.base + offset, value);
    }
}

/// The controller as a device of smoltcp, with a buffer for one frame in each direction.
pub struct Frames {
    controller: Lan9118,
    incoming: Box<[u8; BUFFER]>,
    outgoing: Box<[u8; BUFFER]>,
}

impl Frames {
    pub fn new(controller: Lan9118) -> Self {
        Self { controller, incoming: Box::new([0; BUFFER]), outgoing: Box::new([0; BUFFER]) }
    }
}

pub struct Incoming<'a>(&'a [u8]);

pub struct Outgoing<'a>(Lan9118, &'a mut [u8; BUFFER]);

impl RxToken for Incoming<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, act: F) -> R {
        act(self.0)
    }
}

impl TxToken for Outgoing<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, act: F) -> R {
        let result = act(&mut self.1[..length]);
        self.0.send(self.1, length);
        result
    }
}

impl Device for Frames {
    type RxToken<'a> = Incoming<'a>;
    type TxToken<'a> = Outgoing<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Incoming<'_>, Outgoing<'_>)> {
        let length = self.controller.receive(&mut self.incoming)?;
        Some((Incoming(&self.incoming[..length]), Outgoing(self.controller, &mut self.outgoing)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Outgoing<'_>> {
        Some(Outgoing(self.controller, &mut self.outgoing))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.max_transmission_unit = LARGEST_FRAME;
        capabilities.medium = Medium::Ethernet;
        capabilities
    }
}
