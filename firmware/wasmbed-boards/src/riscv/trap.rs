//! Handles interrupts and faults, on a separate stack: the thread's stack may have overflowed.

use core::fmt::Write;

use riscv::register::{mcause, mepc, mtval};

use super::CLAIM;
use super::guard::REGION;
use crate::fault::{begin, end, tick};
use crate::layout;
use crate::machine::MACHINE;
use crate::registers::{read, write};
use crate::retained::Cause;

/// The codes of interrupts in `mcause`.
const TIMER: usize = 7;
const EXTERNAL: usize = 11;

/// The registers that a fault reports, by their names in the calling convention.
const NAMES: [&str; 31] = [
    "ra", "sp", "gp", "tp", "t0", "t1", "t2", "s0", "s1", "a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7", "s2", "s3",
    "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "t3", "t4", "t5", "t6",
];

// The start-up code of riscv-rt makes this the handler of all traps.
core::arch::global_asm!(
    ".section .bss.trap_stack,\"aw\",@nobits",
    ".p2align 4",
    ".space 4096",
    "trap_stack_end:",
    ".section .trap.start,\"ax\",@progbits",
    ".p2align 2",
    ".global _start_trap",
    ".type _start_trap,@function",
    "_start_trap:",
    // mscratch holds the thread's stack pointer until it is saved with the other registers.
    "csrw mscratch, sp",
    "la sp, trap_stack_end - 128",
    ".irp n, 1,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31",
    "sw x\\n, 4*\\n(sp)",
    ".endr",
    "csrr a0, mscratch",
    "sw a0, 8(sp)",
    "addi a0, sp, 4",
    "call {handle}",
    ".irp n, 1,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31",
    "lw x\\n, 4*\\n(sp)",
    ".endr",
    "lw sp, 8(sp)",
    "mret",
    ".size _start_trap, . - _start_trap",
    handle = sym handle,
);

/// Handles a trap; `registers` are `x1` to `x31` before it.
extern "C" fn handle(registers: &[usize; 31]) {
    match (mcause::read().is_interrupt(), mcause::read().code()) {
        (true, TIMER) => {
            if tick() {
                report(registers, Cause::Watchdog);
            }
        }
        (true, EXTERNAL) => {
            let number = read(CLAIM);
            // 0: the interrupt is not pending any more.
            if number != 0 && !MACHINE.interrupted(number as u16) {
                panic!("unexpected interrupt {number}");
            }
            write(CLAIM, number);
        }
        (true, code) => panic!("unexpected interrupt of the processor, {code}"),
        (false, _) => {
            let (stack, end) = (registers[1], layout::stack_start());
            let has_overflowed = stack < end || (end - REGION..end).contains(&mtval::read());
            report(registers, if has_overflowed { Cause::StackOverflow } else { Cause::HardFault })
        }
    }
}

fn report(registers: &[usize; 31], cause: Cause) -> ! {
    let mut out = begin(cause);
    let _ = write!(out, " pc={:#010x}", mepc::read());
    for (name, value) in NAMES.iter().zip(registers) {
        let _ = write!(out, " {name}={value:#010x}");
    }
    let _ = writeln!(out, " mcause={:#010x} mtval={:#010x}", mcause::read().bits(), mtval::read());
    end(registers[1].max(layout::stack_start()))
}
