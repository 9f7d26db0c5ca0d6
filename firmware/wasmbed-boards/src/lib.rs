//! What all boards share: they differ in a [`Board`] and in their memory map, which `build.py` writes from
//! `platforms/<board>/board.toml`.
//!
//! One thread, and the interrupts of the clock and of what arrives on a link.
#![no_std]

extern crate alloc;

mod ethernet;
mod fault;
mod heap;
mod lan9118;
mod layout;
mod machine;
mod ns16550;
mod pci;
#[cfg_attr(target_arch = "riscv32", path = "riscv/mod.rs")]
#[cfg_attr(not(target_arch = "riscv32"), path = "cortex_m/mod.rs")]
mod processor;
mod retained;
mod self_test;
mod uart;
mod uarte;
mod watchdog;

use wasmbed_node::node::Node;
use wasmbed_node::provisioning;

pub use crate::ethernet::{Ethernet, Network};
use crate::machine::MACHINE;
pub use crate::pci::enable_port;
pub use crate::processor::{Guard, TickSource};
pub use crate::uart::Uart;

/// What is different on each board, apart from its memory map.
pub struct Board {
    /// Its name, as in `platforms/`.
    pub name: &'static str,
    /// For example `armv7m`.
    pub architecture: &'static str,
    /// To the gateway.
    pub link: Uart,
    /// The interrupt of a byte on the link.
    pub link_interrupt: u16,
    /// Another way to the gateway, where there is one.
    pub ethernet: Option<&'static dyn Network>,
    /// For people and for the harness.
    pub console: Uart,
    /// What the clock counts.
    pub ticks: TickSource,
    /// Of the memory below the stack.
    pub guard: Guard,
    /// Address of a CMSDK watchdog, and the frequency it counts at.
    pub watchdog: Option<(usize, u32)>,
    /// Address of the register whose low bits are the board's lights.
    pub lights: Option<usize>,
}

/// Boots, and never returns.
pub fn start(board: &'static Board) -> ! {
    board.guard.init();
    heap::init();
    MACHINE.init(board);
    let boot = retained::boot();
    MACHINE.say(format_args!(
        "BOOT board={} firmware={} reset={} boots={}",
        board.name,
        env!("CARGO_PKG_VERSION"),
        boot.cause.as_str(),
        boot.count
    ));
    calm_down(boot.failures);
    let trouble = match provisioning::read(layout::provisioning()) {
        Err(unprovisioned) => alloc::format!("{unprovisioned}"),
        Ok(provisioning) => {
            MACHINE.start_watchdog(provisioning.watchdog);
            if provisioning.recorded == Some(true) {
                MACHINE.be_recorded();
            }
            if boot.count == 0
                && let Some(fault) = provisioning.self_test
            {
                self_test::provoke(fault);
            }
            if let Some(address) = provisioning.ethernet
                && !MACHINE.use_ethernet(address)
            {
                alloc::format!("there is no Ethernet, or {address:?} is no address there")
            } else {
                match Node::new(MACHINE.hardware(), &provisioning) {
                    Ok(mut node) => {
                        node.run();
                        halt();
                    }
                    Err(unusable) => alloc::format!("{unusable}"),
                }
            }
        }
    };
    MACHINE.say(format_args!("HALT {trouble}"));
    halt();
}

/// Waits before the next try of a firmware that fails again and again: longer each time, up to ten seconds.
fn calm_down(failures: u32) {
    let Some(exponent) = failures.checked_sub(3) else { return };
    let clock = MACHINE.hardware().clock;
    let until = clock.now() + (100 << exponent.min(7)).min(10_000);
    while clock.now() < until {
        clock.sleep_until(until);
    }
}

/// There is nothing more to do until somebody resets the board.
fn halt() -> ! {
    loop {
        MACHINE.hardware().rest(u64::MAX);
    }
}
