//! The description of a board: everything that differs between boards, except the memory map.

use crate::network::Network;
use crate::processor::{Guard, TickSource};
use crate::uart::Uart;

/// One board's hardware, as its binary in `src/bin` describes it.
pub struct Board {
    /// Its name, as in `platforms/`.
    pub name: &'static str,
    /// The processor's architecture, for example `armv7m`.
    pub architecture: &'static str,
    /// The serial port to the gateway.
    pub link: Uart,
    /// The number of the interrupt that a byte on the link raises.
    pub link_interrupt: u16,
    /// Another link to the gateway, if the board has one.
    pub ethernet: Option<&'static dyn Network>,
    /// The serial port that people and the harness read.
    pub console: Uart,
    /// The counter that the clock reads.
    pub ticks: TickSource,
    /// The protection of the memory below the stack.
    pub guard: Guard,
    /// A watchdog in hardware; without one, the clock's interrupt is the watchdog.
    pub watchdog: Option<WatchdogTimer>,
    /// Address of the register whose low bits are the board's lights.
    pub lights: Option<usize>,
}

/// A CMSDK watchdog.
#[derive(Clone, Copy)]
pub struct WatchdogTimer {
    /// Address of its registers.
    pub address: usize,
    /// Counts per second.
    pub frequency: u32,
}
