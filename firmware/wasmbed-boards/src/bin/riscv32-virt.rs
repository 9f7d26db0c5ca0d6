//! The image for riscv32-virt: its second UART is on PCI.
#![no_std]
#![no_main]

use wasmbed_boards::{Board, Guard, TickSource, Uart, enable_port, start};

/// Address of the configuration space of the device in slot 1 of the bus.
const CONFIGURATION: usize = 0x3000_8000;
/// Address of I/O port 0.
const PORTS: usize = 0x0300_0000;
/// The I/O port that the UART gets.
const PORT: usize = 0x1000;

static BOARD: Board = Board {
    name: "riscv32-virt",
    architecture: "riscv32imac",
    link: Uart::Ns16550(0x1000_0000),
    link_interrupt: 10,
    ethernet: None,
    console: Uart::Ns16550(PORTS + PORT),
    ticks: TickSource(10_000_000),
    guard: Guard::Region,
    watchdog: None,
    lights: None,
};

#[riscv_rt::entry]
fn main() -> ! {
    enable_port(CONFIGURATION, PORT as u32);
    start(&BOARD)
}
