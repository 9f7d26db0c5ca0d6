//! The image for mps2-an386.
#![no_std]
#![no_main]

use wasmbed_boards::{Board, Ethernet, EthernetPort, MPS2_ETHERNET_INTERRUPT, mps2, start};

static ETHERNET: Ethernet = Ethernet::new(EthernetPort { address: 0x4020_0000, interrupt: MPS2_ETHERNET_INTERRUPT });

static BOARD: Board = mps2("mps2-an386", "armv7em", &ETHERNET);

#[cortex_m_rt::entry]
fn main() -> ! {
    start(&BOARD)
}
