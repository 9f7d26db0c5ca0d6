//! The image for lm3s6965evb.
#![no_std]
#![no_main]

use wasmbed_boards::{Board, Guard, TickSource, Uart, start};

static BOARD: Board = Board {
    name: "lm3s6965evb",
    architecture: "armv7m",
    link: Uart::Pl011(0x4000_c000),
    link_interrupt: 5,
    ethernet: None,
    console: Uart::Pl011(0x4000_d000),
    ticks: TickSource::Core(12_500_000),
    guard: Guard::Region,
    watchdog: None,
    lights: None,
};

#[cortex_m_rt::entry]
fn main() -> ! {
    start(&BOARD)
}
