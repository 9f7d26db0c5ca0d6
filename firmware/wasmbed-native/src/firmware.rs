//! The firmware on the board, from a boot on, as in `wasmbed-boards`.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::hint::black_box;

use corosensei::Yielder;
use wasmbed_node::backoff::pause_after_failures;
use wasmbed_node::hardware::Hardware;
use wasmbed_node::node::Node;
use wasmbed_node::provisioning::{self, Provisioning};

use crate::machine::{BOARD, Machine, Pause, Processor};

/// Facts about a boot.
#[derive(Clone, Copy)]
pub struct Boot {
    /// Why the firmware starts: `power-on`, `external`, or the cause of its failure.
    pub cause: &'static str,
    /// Resets since power-on.
    pub count: u32,
    /// The number of failures in a row before this boot.
    pub failures: u32,
}

/// Runs the node, and waits for a reset when it has ended; never returns.
pub fn run(machine: &'static Machine, yielder: &'static Yielder<(), Pause>, blob: &[u8], boot: Boot) {
    let hardware = Processor::start(machine, yielder).hardware();
    let (version, Boot { cause, count, failures }) = (env!("CARGO_PKG_VERSION"), boot);
    machine.say(format_args!("BOOT board={BOARD} firmware={version} reset={cause} boots={count}"));
    sleep_until(hardware, pause_after_failures(failures));
    let ended = match provisioning::read(blob) {
        Ok(provisioning) => serve(machine, hardware, &provisioning, count == 0),
        Err(unprovisioned) => Err(unprovisioned.to_string()),
    };
    if let Err(reason) = ended {
        machine.say(format_args!("HALT {reason}"));
    }
    sleep_until(hardware, u64::MAX);
}

fn sleep_until(hardware: Hardware, time: u64) {
    while hardware.clock.now() < time {
        // Bytes that arrive now are read by nobody; a node that has ended does not wake for them.
        hardware.link.state();
        hardware.clock.sleep_until(time);
    }
}

fn serve(
    machine: &Machine,
    hardware: Hardware,
    provisioning: &Provisioning<'_>,
    is_first_boot: bool,
) -> Result<(), String> {
    if let Some(fault) = provisioning.self_test
        && is_first_boot
    {
        machine.say(format_args!("SELF-TEST {fault}"));
        provoke(fault);
    }
    let mut node = Node::new(hardware, provisioning).map_err(|unusable| unusable.to_string())?;
    node.run();
    Ok(())
}

/// Provokes the fault of this name, to test its report; an unknown name does nothing.
fn provoke(fault: &str) {
    match fault {
        "panic" => panic!("provoked"),
        "heap-exhaustion" => {
            let mut blocks = Vec::new();
            loop {
                blocks.push(black_box([0_u8; 4096].to_vec()));
            }
        }
        _ => {}
    }
}
