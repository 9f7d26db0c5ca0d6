//! The one function of PCI that a board needs: it makes a device answer at an I/O port.

use crate::registers::{read, write};

/// Gives the device with its configuration space at that address an I/O port, and enables the port.
pub fn enable_port(configuration: usize, port: u32) {
    const COMMAND: usize = 0x04;
    const BASE_ADDRESS: usize = 0x10;
    write(configuration + BASE_ADDRESS, port);
    write(configuration + COMMAND, read(configuration + COMMAND) | 1);
}
