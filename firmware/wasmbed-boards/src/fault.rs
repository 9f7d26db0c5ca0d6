//! Reports a failure of the firmware on the console, for people and for the harness, and resets the board.
//!
//! The lines are `FAULT cause=<cause> <name>=<value> ...`, `PANIC <file>:<line>: <message>`, and `BACKTRACE <address>
//! ...`: the words on the stack that look like return addresses, innermost first.

use core::fmt::{self, Write};
use core::panic::PanicInfo;

use crate::machine::MACHINE;
use crate::retained::{Cause, set_cause};
use crate::{layout, processor};

/// The most return addresses in a line.
const BACKTRACE: usize = 24;
/// The most words of the stack that are searched for them.
const DEPTH: usize = 1024;

/// Handles the clock's interrupt, which is also the watchdog of a board without one in hardware. Returns whether the
/// watchdog has to reset the board.
#[cfg_attr(not(target_os = "none"), allow(dead_code))]
pub extern "C" fn tick() -> bool {
    MACHINE.clock_interrupted();
    MACHINE.is_overdue()
}

/// Begins the `FAULT` line.
pub fn begin(cause: Cause) -> Out {
    set_cause(cause);
    let mut out = Out;
    let _ = write!(out, "FAULT cause={}", cause.as_str());
    out
}

/// Ends a report: prints the return addresses on the stack from `from` on, and resets the board.
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

/// Prints the words that look like return addresses: they point into the program, after a call.
fn backtrace(from: usize) {
    let top = layout::stack_start() + layout::stack_size();
    let mut out = Out;
    let _ = write!(out, "BACKTRACE");
    let words = (from.next_multiple_of(4)..top).step_by(4).take(DEPTH);
    // SAFETY: every address is aligned and lies within the stack, which is readable RAM.
    let words = words.map(|address| unsafe { (address as *const u32).read_volatile() } as usize);
    for address in words.filter_map(return_address).take(BACKTRACE) {
        let _ = write!(out, " {address:#010x}");
    }
    let _ = writeln!(out);
}

fn return_address(word: usize) -> Option<usize> {
    let address = processor::code_address(word)?;
    if !(layout::text_start() + 4..layout::text_end()).contains(&address) {
        return None;
    }
    // SAFETY: the address is even, and the four bytes before it lie within the program.
    let instruction = |offset: usize| unsafe { ((address - offset) as *const u16).read() };
    processor::is_call(instruction(4), instruction(2)).then_some(address)
}

/// Writes to the console, also when the rest of the firmware has failed.
pub struct Out;

impl Write for Out {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        MACHINE.write_console(text);
        Ok(())
    }
}

/// Keeps the beginning of a text.
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
