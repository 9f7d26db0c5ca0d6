//! The image for mps2-an505. It runs in the secure state, so it uses the secure aliases of the devices.
#![no_std]
#![no_main]

use wasmbed_boards::{Board, Ethernet, EthernetPort, Guard, TickSource, Uart, WatchdogTimer, start};

/// Counts per second of the processor, the timer and the watchdog.
const FREQUENCY: u32 = 20_000_000;

static ETHERNET: Ethernet = Ethernet::new(EthernetPort { address: 0x5200_0000, interrupt: 48 });

static BOARD: Board = Board {
    name: "mps2-an505",
    architecture: "armv8m.main",
    link: Uart::Cmsdk(0x5020_0000),
    link_interrupt: 32,
    ethernet: Some(&ETHERNET),
    console: Uart::Cmsdk(0x5020_1000),
    ticks: TickSource::Timed { wake: &TickSource::Core(FREQUENCY), address: 0x5000_0000, frequency: FREQUENCY },
    guard: Guard::Limit,
    watchdog: Some(WatchdogTimer { address: 0x5008_1000, frequency: FREQUENCY }),
    lights: Some(0x5030_2000),
};

#[cortex_m_rt::entry]
fn main() -> ! {
    start(&BOARD)
}
