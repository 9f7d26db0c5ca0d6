//! The image for netduinoplus2 (STM32F405).
#![no_std]
#![no_main]

use wasmbed_boards::{Board, Guard, TickSource, Uart, start};

static BOARD: Board = Board {
    name: "netduinoplus2",
    architecture: "armv7em",
    link: Uart::Stm32(0x4001_1000),
    link_interrupt: 37,
    ethernet: None,
    console: Uart::Stm32(0x4000_4400),
    ticks: TickSource::Reference(21_000_000),
    guard: Guard::Void,
    watchdog: None,
    lights: None,
};

#[cortex_m_rt::entry]
fn main() -> ! {
    start(&BOARD)
}
