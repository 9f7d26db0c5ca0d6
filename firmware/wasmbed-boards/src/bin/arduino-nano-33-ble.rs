//! The image for arduino-nano-33-ble (nRF52840).
#![no_std]
#![no_main]

use wasmbed_boards::{Board, Guard, TickSource, Uart, start};

static BOARD: Board = Board {
    name: "arduino-nano-33-ble",
    architecture: "armv7em",
    link: Uart::Nrf52(0x4000_2000),
    link_interrupt: 2,
    ethernet: None,
    console: Uart::Nrf52(0x4002_8000),
    ticks: TickSource::Renode(64_000_000),
    guard: Guard::Clock,
    watchdog: None,
    lights: None,
};

#[cortex_m_rt::entry]
fn main() -> ! {
    start(&BOARD)
}
