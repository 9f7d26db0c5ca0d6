//! The image for mps2-an386.
#![no_std]
#![no_main]

use wasmbed_boards::{Board, Ethernet, Guard, TickSource, Uart, start};

static ETHERNET: Ethernet = Ethernet::new(0x4020_0000, 13);

static BOARD: Board = Board {
    name: "mps2-an386",
    architecture: "armv7em",
    link: Uart::Cmsdk(0x4000_4000),
    link_interrupt: 0,
    ethernet: Some(&ETHERNET),
    console: Uart::Cmsdk(0x4000_5000),
    ticks: TickSource::Timed(&TickSource::Reference(1_000_000), 0x4000_0000, 25_000_000),
    guard: Guard::Region,
    watchdog: Some((0x4000_8000, 25_000_000)),
    lights: Some(0x4002_8000),
};

#[cortex_m_rt::entry]
fn main() -> ! {
    start(&BOARD)
}
