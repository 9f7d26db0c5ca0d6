//! Handles faults: reports their status registers and where they happened.

use core::fmt::Write;

use cortex_m::peripheral::{SCB, scb};

use super::guard::REGION;
use crate::fault::{begin, end};
use crate::layout;
use crate::retained::Cause;

// Bits of the configurable fault status register.
const MMARVALID: u32 = 1 << 7;
const BFARVALID: u32 = 1 << 15;
const STKOF: u32 = 1 << 20;

// The stack lies at the bottom of RAM, so that an overflow leaves RAM and faults instead of overwriting other data.
// Then the fault cannot be handled on that stack: the handlers have their own.
#[cfg(target_arch = "arm")]
core::arch::global_asm!(
    ".section .bss.fault_stack,\"aw\",%nobits",
    ".p2align 3",
    "fault_stack: .space 1024",
    "fault_stack_end:",
    ".section .text.HardFault,\"ax\",%progbits",
    ".global HardFault",
    ".type HardFault,%function",
    ".thumb_func",
    "HardFault:",
    "mrs r0, msp",
    "ldr r1, =fault_stack_end",
    "mov sp, r1",
    "push {{r4-r11}}",
    "mov r1, sp",
    "bl {report}",
    ".pool",
    ".size HardFault, . - HardFault",
    ".global NonMaskableInt",
    ".thumb_set NonMaskableInt, HardFault",
    // Renode does not escalate these to hard faults when they are disabled.
    ".global MemoryManagement",
    ".thumb_set MemoryManagement, HardFault",
    ".global BusFault",
    ".thumb_set BusFault, HardFault",
    ".global UsageFault",
    ".thumb_set UsageFault, HardFault",
    ".section .text.SysTick,\"ax\",%progbits",
    ".global SysTick",
    ".type SysTick,%function",
    ".thumb_func",
    "SysTick:",
    // Where the stack has no guard, this is the first code to see that it has overflowed.
    "mrs r0, msp",
    "ldr r1, =_stack_end",
    "cmp r0, r1",
    "blo.w HardFault",
    "push {{r4, lr}}",
    "bl {tick}",
    "pop {{r4, lr}}",
    "cmp r0, #0",
    "bne.w HardFault",
    "bx lr",
    ".pool",
    ".size SysTick, . - SysTick",
    report = sym report_fault,
    tick = sym crate::fault::tick,
);

/// The registers that the processor pushes when it takes an exception.
#[repr(C)]
struct Frame {
    r0: u32,
    r1: u32,
    r2: u32,
    r3: u32,
    r12: u32,
    lr: u32,
    pc: u32,
    psr: u32,
}

#[cfg_attr(not(target_arch = "arm"), allow(dead_code))]
unsafe extern "C" fn report_fault(stack: usize, saved: &[u32; 8]) -> ! {
    let bottom = layout::stack_start();
    let top = bottom + layout::stack_size();
    let is_watchdog = matches!(
        SCB::vect_active(),
        scb::VectActive::Exception(scb::Exception::NonMaskableInt | scb::Exception::SysTick)
    );
    // SAFETY: these registers exist on every Cortex-M of `platforms/`, and reading them changes nothing.
    let (cfsr, hfsr, mmfar, bfar) = unsafe {
        let scb = &*SCB::PTR;
        (scb.cfsr.read(), scb.hfsr.read(), scb.mmfar.read(), scb.bfar.read())
    };
    let is_below = |address: u32| (bottom.saturating_sub(REGION)..bottom).contains(&(address as usize));
    let has_overflowed = stack < bottom
        || cfsr & STKOF != 0
        || (cfsr & MMARVALID != 0 && is_below(mmfar))
        || (cfsr & BFARVALID != 0 && is_below(bfar));
    let cause = if has_overflowed {
        Cause::StackOverflow
    } else if is_watchdog {
        Cause::Watchdog
    } else {
        Cause::HardFault
    };
    let has_frame = (bottom..=top - size_of::<Frame>()).contains(&stack) && stack.is_multiple_of(4);
    let mut out = begin(cause);
    if has_frame {
        // SAFETY: the frame lies within the stack and is aligned, as checked above, and the processor has just written
        // it.
        let frame = unsafe { &*(stack as *const Frame) };
        let Frame { r0, r1, r2, r3, r12, lr, pc, psr } = frame;
        let _ = write!(out, " pc={pc:#010x} lr={lr:#010x} psr={psr:#010x}");
        let _ = write!(out, " r0={r0:#010x} r1={r1:#010x} r2={r2:#010x} r3={r3:#010x} r12={r12:#010x}");
    }
    for (index, value) in saved.iter().enumerate() {
        let _ = write!(out, " r{}={value:#010x}", index + 4);
    }
    let _ =
        writeln!(out, " sp={stack:#010x} cfsr={cfsr:#010x} hfsr={hfsr:#010x} mmfar={mmfar:#010x} bfar={bfar:#010x}");
    end(if has_frame { stack + size_of::<Frame>() } else { bottom })
}
