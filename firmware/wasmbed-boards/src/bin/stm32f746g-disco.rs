//! The image for stm32f746g-disco (STM32F746).
#![no_std]
#![no_main]

use wasmbed_boards::{Board, Guard, TickSource, Uart, start};

static BOARD: Board = Board {
    name: "stm32f746g-disco",
    architecture: "armv7em",
    link: Uart::Stm32F7(0x4001_1000),
    link_interrupt: 37,
    ethernet: None,
    console: Uart::Stm32F7(0x4001_1400),
    ticks: TickSource::Renode(72_000_000),
    guard: Guard::Clock,
    watchdog: None,
    lights: None,
};

#[cortex_m_rt::entry]
fn main() -> ! {
    start(&BOARD)
}
