//! The firmware's hardware side. Boards differ in a [`Board`] and in their memory map, which `build.py` writes from
//! `platforms/<board>/board.toml`.
//!
//! There is one thread. The clock interrupts it, and so does every byte or frame that arrives on a link.
#![no_std]

extern crate alloc;

mod board;
mod ethernet;
mod fault;
mod heap;
mod lan9118;
mod layout;
mod machine;
#[cfg(not(target_arch = "riscv32"))]
mod mps2;
mod network;
mod ns16550;
mod pci;
mod peripherals;
#[cfg_attr(target_arch = "riscv32", path = "riscv/mod.rs")]
#[cfg_attr(not(target_arch = "riscv32"), path = "cortex_m/mod.rs")]
mod processor;
mod registers;
mod retained;
mod self_test;
mod uart;
mod uarte;
mod watchdog;

use alloc::string::String;

use wasmbed_node::backoff::pause_after_failures;
use wasmbed_node::node::Node;
use wasmbed_node::provisioning::{self, Provisioning};

pub use crate::board::{Board, WatchdogTimer};
pub use crate::ethernet::{Ethernet, EthernetPort};
use crate::machine::MACHINE;
#[cfg(not(target_arch = "riscv32"))]
pub use crate::mps2::{ETHERNET_INTERRUPT as MPS2_ETHERNET_INTERRUPT, mps2};
pub use crate::network::Network;
pub use crate::pci::enable_port;
pub use crate::processor::{Guard, TickSource};
pub use crate::uart::Uart;

/// Boots the board and runs the node; never returns.
pub fn start(board: &'static Board) -> ! {
    board.guard.init();
    heap::init();
    MACHINE.init(board);
    peripherals::show_pins(0);
    let boot = retained::boot();
    MACHINE.say(format_args!(
        "BOOT board={} firmware={} reset={} boots={}",
        board.name,
        env!("CARGO_PKG_VERSION"),
        boot.cause.as_str(),
        boot.count
    ));
    calm_down(boot.failures);
    let reason = match provisioning::read(layout::provisioning()) {
        Ok(provisioning) => run(&provisioning, boot.count == 0),
        Err(unprovisioned) => alloc::format!("{unprovisioned}"),
    };
    MACHINE.say(format_args!("HALT {reason}"));
    halt();
}

/// Runs the node until the board is to stop. Returns only if the node cannot run, with the reason.
fn run(provisioning: &Provisioning<'_>, is_first_boot: bool) -> String {
    MACHINE.start_watchdog(provisioning.watchdog);
    if provisioning.recorded == Some(true) {
        MACHINE.be_recorded();
    }
    if let Some(fault) = provisioning.self_test
        && is_first_boot
    {
        self_test::provoke(fault);
    }
    if let Some(address) = provisioning.ethernet
        && !MACHINE.use_ethernet(address)
    {
        return alloc::format!("there is no Ethernet, or {address:?} is not an address there");
    }
    match Node::new(MACHINE.hardware(), provisioning) {
        Ok(mut node) => {
            node.run();
            halt();
        }
        Err(unusable) => alloc::format!("{unusable}"),
    }
}

/// Delays the start of a firmware that has failed several times in a row.
fn calm_down(failures: u32) {
    let clock = MACHINE.hardware().clock;
    let until = clock.now() + pause_after_failures(failures);
    while clock.now() < until {
        clock.sleep_until(until);
    }
}

/// Waits for a reset.
fn halt() -> ! {
    loop {
        MACHINE.hardware().rest(u64::MAX);
    }
}
