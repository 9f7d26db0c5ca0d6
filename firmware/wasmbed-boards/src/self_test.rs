//! Faults on demand, to test that each is reported. The provisioning blob asks for one; it happens at the first boot
//! only.

use alloc::vec::Vec;
use core::hint::{self, black_box};

use crate::machine::MACHINE;
use crate::processor;

/// Provokes the fault of this name; an unknown name does nothing.
#[inline(never)]
pub fn provoke(fault: &str) {
    MACHINE.say(format_args!("SELF-TEST {fault}"));
    match fault {
        "panic" => panic!("provoked"),
        "hard-fault" => processor::fail(),
        "stack-overflow" => {
            black_box(overflow(1));
        }
        "heap-exhaustion" => exhaust(),
        "hang" => loop {
            hint::spin_loop();
        },
        _ => {}
    }
}

#[inline(never)]
fn overflow(depth: u32) -> u32 {
    let block = black_box([depth; 64]);
    if black_box(true) { overflow(depth.wrapping_add(block[1])).wrapping_add(block[2]) } else { depth }
}

fn exhaust() {
    let mut blocks = Vec::new();
    loop {
        blocks.push(black_box([0_u8; 512].to_vec()));
    }
}
