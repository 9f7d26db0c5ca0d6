//! The image for stm32vldiscovery (STM32F100).
#![no_std]
#![no_main]

use wasmbed_boards::{Board, Guard, TickSource, Uart, start};

static BOARD: Board = Board {
    name: "stm32vldiscovery",
    architecture: "armv7m",
    link: Uart::Stm32(0x4001_3800),
    link_interrupt: 37,
    ethernet: None,
    console: Uart::Stm32(0x4000_4400),
    ticks: TickSource::Reference(3_000_000),
    guard: Guard::Void,
    watchdog: None,
    lights: None,
};

#[cortex_m_rt::entry]
fn main() -> ! {
    start(&BOARD)
}
