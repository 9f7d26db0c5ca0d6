//! The last words of a firmware that failed, one fact in a line, for a person and for the harness; then a reset.
//!
//! `FAULT cause=<cause> <name>=<value> ...`, `PANIC <file>:<line>: <message>`, and `BACKTRACE <address> ...`: what
//! looks like return addresses on the stack, innermost first.

use core::fmt::{self, Write};
use core::panic::PanicInfo;

use crate::machine::MACHINE;
use crate::retained::{Cause, set_cause};
use crate::{layout, processor};

/// Return addresses in a line.
const BACKTRACE: usize = 24;
/// Words of the stack that are looked at for them.
const DEPTH: usize = 1024;

/// The clock's interrupt, which is the watchdog of a board that has no other. Returns whether that bites.
#[cfg_attr(not(target_os = "none"), allow(dead_code))]
pub extern "C" fn tick() -> bool {
    MACHINE.clock_interrupted();
    MACHINE.is_overdue()
}

/// Begins the line that says what happened.
pub fn begin(cause: Cause) -> Out {
    set_cause(cause);
    let mut out = Out;
    let _ = write!(out, "FAULT cause={}", cause.as_str());
    out
}

/// Ends what is said of a failure: with the return addresses on the stack from there on, and a reset.
pub fn end(from: usize) -> ! {
    backtrace(from);
    processor::reset()
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    processor::mask();
    let message = info.message();
    let mut start = Start::default();
    let _ = write!(start, "{message}");
    if start.text().starts_with("memory allocation of") {
        let (used, free) = crate::heap::usage();
        let _ = writeln!(begin(Cause::HeapExhaustion), " used={used} free={free}");
    } else {
        set_cause(Cause::Panic);
    }
    let (file, line) = info.location().map_or(("?", 0), |location| (location.file(), location.line()));
    let _ = writeln!(Out, "PANIC {file}:{line}: {message}");
    let here = 0_u32;
    end((&raw const here).addr())
}

/// Prints what looks like a return address: into the program, and behind a call.
fn backtrace(from: usize) {
    let top = layout::stack_start() + layout::stack_size();
    let mut out = Out;
    let _ = write!(out, "BACKTRACE");
    let words = (from.next_multiple_of(4)..top).step_by(4).take(DEPTH);
    // SAFETY: within the stack.
    let words = words.map(|address| unsafe { (address as *const u32).read_volatile() } as usize);
    for address in words.filter_map(return_address).take(BACKTRACE) {
        let _ = write!(out, " {address:#010x}");
    }
    let _ = writeln!(out);
}

fn return_address(word: usize) -> Option<usize> {
    let address = processor::code_address(word)?;
    let is_code = (layout::text_start() + 4..layout::text_end()).contains(&address);
    // SAFETY: within the program.
    let instruction = |offset: usize| unsafe { ((address - offset) as *const u16).read() };
    (is_code && processor::is_call(instruction(4), instruction(2))).then_some(address)
}

/// The console, whatever else is broken.
pub struct Out;

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
