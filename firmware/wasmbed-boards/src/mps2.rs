//! The Arm MPS2 boards with a Cortex-M3, M4 or M7 (AN385, AN386, AN500): they differ in processor and in the address of
//! Ethernet.

use crate::board::{Board, WatchdogTimer};
use crate::ethernet::Ethernet;
use crate::processor::{Guard, TickSource};
use crate::uart::Uart;

/// The interrupt of Ethernet.
pub const ETHERNET_INTERRUPT: u16 = 13;
/// Counts per second of timer and watchdog.
const FREQUENCY: u32 = 25_000_000;

/// Describes the board of this name.
pub const fn mps2(name: &'static str, architecture: &'static str, ethernet: &'static Ethernet) -> Board {
    Board {
        name,
        architecture,
        link: Uart::Cmsdk(0x4000_4000),
        link_interrupt: 0,
        ethernet: Some(ethernet),
        console: Uart::Cmsdk(0x4000_5000),
        ticks: TickSource::Timed {
            wake: &TickSource::Reference(1_000_000),
            address: 0x4000_0000,
            frequency: FREQUENCY,
        },
        guard: Guard::Region,
        watchdog: Some(WatchdogTimer { address: 0x4000_8000, frequency: FREQUENCY }),
        lights: Some(0x4002_8000),
    }
}
