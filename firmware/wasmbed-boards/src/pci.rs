//! The one thing that is wanted of PCI: that a device answers at an I/O port.

use crate::uart::{read, write};

/// Gives the device whose configuration space is there its port; bits of the command: it answers.
pub fn enable_port(configuration: usize, port: u32) {
    const COMMAND: usize = 0x04;
    const BASE_ADDRESS: usize = 0x10;
    write(configuration + BASE_ADDRESS, port);
    write(configuration + COMMAND, read(configuration + COMMAND) | 1);
}
