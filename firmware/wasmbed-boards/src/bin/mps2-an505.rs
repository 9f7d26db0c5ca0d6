//! The image for mps2-an505: runs secure, and so uses the secure aliases of the devices.
#![no_std]
#![no_main]

use wasmbed_boards::{Board, Ethernet, Guard, TickSource, Uart, start};

static ETHERNET: Ethernet = Ethernet::new(0x5200_0000, 48);

static BOARD: Board = Board {
    name: "mps2-an505",
    architecture: "armv8m.main",
    link: Uart::Cmsdk(0x5020_0000),
    link_interrupt: 32,
    ethernet: Some(&ETHERNET),
    console: Uart::Cmsdk(0x5020_1000),
    ticks: TickSource::Timed(&TickSource::Core(20_000_000), 0x5000_0000, 20_000_000),
    guard: Guard::Limit,
    watchdog: Some((0x5008_1000, 20_000_000)),
    lights: Some(0x5030_2000),
};

#[cortex_m_rt::entry]
fn main() -> ! {
    start(&BOARD)
}
