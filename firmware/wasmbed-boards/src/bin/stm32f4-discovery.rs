//! The image for stm32f4-discovery (STM32F407).
#![no_std]
#![no_main]

use wasmbed_boards::{Board, Guard, TickSource, Uart, start};

static BOARD: Board = Board {
    name: "stm32f4-discovery",
    architecture: "armv7em",
    link: Uart::Stm32(0x4000_4400),
    link_interrupt: 38,
    ethernet: None,
    console: Uart::Stm32(0x4000_4800),
    ticks: TickSource::Renode(72_000_000),
    guard: Guard::Clock,
    watchdog: None,
    lights: None,
};

#[cortex_m_rt::entry]
fn main() -> ! {
    start(&BOARD)
}
