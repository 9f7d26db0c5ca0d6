//! The last words of a firmware that failed, one fact in a line, for a person and for the harness; then a reset.
//!
//! `FAULT cause=<cause> <name>=<value> ...`, `PANIC <file>:<line>: <message>`, and `BACKTRACE <address> ...`: what
//! looks like return addresses on the stack, innermost first.

use core::fmt::{self, Write};
use core::panic::PanicInfo;

use cortex_m::peripheral::{SCB, scb};

use crate::guard::REGION;
use crate::layout;
use crate::machine::MACHINE;
use crate::retained::{Cause, set_cause};

// Bits of the configurable fault status register.
const MMARVALID: u32 = 1 << 7;
const BFARVALID: u32 = 1 << 15;
const STKOF: u32 = 1 << 20;
/// Return addresses in a line.
const BACKTRACE: usize = 24;
/// Words of the stack that are looked at for them.
const DEPTH: usize = 1024;

// The stack lies at the bottom of RAM, so that an overflow leaves RAM and faults instead of eating other data. Then
// there is no stack to handle the fault on: the handlers bring their own.
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
    // Renode does not turn these into hard faults where they are not enabled.
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
    // Where nothing guards the stack, and nothing answers below it, this is the first to see that it has overflown.
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
    tick = sym tick,
);

/// The clock's interrupt, which is the watchdog of a board that has no other. Returns whether that bites.
#[cfg_attr(not(target_arch = "arm"), allow(dead_code))]
extern "C" fn tick() -> bool {
    MACHINE.clock_wrapped();
    MACHINE.is_overdue()
}

/// What the processor puts on the stack when it takes an exception.
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
    // SAFETY: reading fault status registers changes nothing.
    let (cfsr, hfsr, mmfar, bfar) = unsafe {
        let scb = &*SCB::PTR;
        (scb.cfsr.read(), scb.hfsr.read(), scb.mmfar.read(), scb.bfar.read())
    };
    let is_below = |address: u32| (bottom.saturating_sub(REGION)..bottom).contains(&(address as usize));
    let overflown = stack < bottom
        || cfsr & STKOF != 0
        || (cfsr & MMARVALID != 0 && is_below(mmfar))
        || (cfsr & BFARVALID != 0 && is_below(bfar));
    let cause = if overflown {
        Cause::StackOverflow
    } else if is_watchdog {
        Cause::Watchdog
    } else {
        Cause::HardFault
    };
    set_cause(cause);
    let has_frame = (bottom..=top - size_of::<Frame>()).contains(&stack) && stack.is_multiple_of(4);
    let mut out = Out;
    let _ = write!(out, "FAULT cause={}", cause.as_str());
    if has_frame {
        // SAFETY: the processor has just put it there.
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
    let frame = if has_frame { stack + size_of::<Frame>() } else { bottom };
    backtrace(frame);
    reset()
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    cortex_m::interrupt::disable();
    let message = info.message();
    let mut start = Start::default();
    let _ = write!(start, "{message}");
    if start.text().starts_with("memory allocation of") {
        set_cause(Cause::HeapExhaustion);
        let (used, free) = crate::heap::usage();
        let _ = writeln!(Out, "FAULT cause=heap-exhaustion used={used} free={free}");
    } else {
        set_cause(Cause::Panic);
    }
    let (file, line) = info.location().map_or(("?", 0), |location| (location.file(), location.line()));
    let _ = writeln!(Out, "PANIC {file}:{line}: {message}");
    let here = 0_u32;
    backtrace((&raw const here).addr());
    reset()
}

fn reset() -> ! {
    SCB::sys_reset()
}

/// Prints what looks like a return address: odd, into the program, and behind a call.
fn backtrace(from: usize) {
    let top = layout::stack_start() + layout::stack_size();
    let mut out = Out;
    let _ = write!(out, "BACKTRACE");
    let words = (from.next_multiple_of(4)..top).step_by(4).take(DEPTH);
    // SAFETY: within the stack.
    let words = words.map(|address| unsafe { (address as *const u32).read_volatile() } as usize);
    for address in words.filter(|&word| is_return_address(word)).take(BACKTRACE) {
        let _ = write!(out, " {:#010x}", address & !1);
    }
    let _ = writeln!(out);
}

fn is_return_address(word: usize) -> bool {
    let address = word & !1;
    if word & 1 == 0 || !(layout::text_start() + 4..layout::text_end()).contains(&address) {
        return false;
    }
    // SAFETY: within the program.
    let instruction = |offset: usize| unsafe { ((address - offset) as *const u16).read() };
    let is_bl = instruction(4) & 0xf800 == 0xf000 && instruction(2) & 0xd000 == 0xd000;
    let is_blx = instruction(2) & 0xff87 == 0x4780;
    is_bl || is_blx
}

/// The console, whatever else is broken.
struct Out;

impl Write for Out {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        MACHINE.write_console(text);
        Ok(())
    }
}

/// The beginning of a text.
#[derive(Default)]
struct Start {
    bytes: [u8; 24],
    length: usize,
}

impl Start {
    fn text(&self) -> &str {
        core::str::from_utf8(&self.bytes[..self.length]).unwrap_or_default()
    }
}

impl Write for Start {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = &mut self.bytes[self.length..];
        let count = text.len().min(room.len());
        room[..count].copy_from_slice(&text.as_bytes()[..count]);
        self.length += count;
        Ok(())
    }
}
