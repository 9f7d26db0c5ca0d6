//! A panic ends one board: it is reported like on every board, and the board is reset.

use core::fmt::{self, Write};
use core::panic::PanicInfo;
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

use crate::heap;
use crate::machine::Machine;

/// The machine of the board that runs now. The library has one thread at a time.
static RUNNING: AtomicPtr<Machine> = AtomicPtr::new(ptr::null_mut());

/// Runs `act`, a part of the firmware on `machine`: a panic in it is that board's.
pub fn on_behalf_of<T>(machine: &'static Machine, act: impl FnOnce() -> T) -> T {
    RUNNING.store(ptr::from_ref(machine).cast_mut(), Ordering::Relaxed);
    let result = act();
    RUNNING.store(ptr::null_mut(), Ordering::Relaxed);
    result
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    // SAFETY: `on_behalf_of` stores a machine that lives.
    let Some(machine) = (unsafe { RUNNING.load(Ordering::Relaxed).as_ref() }) else {
        // The library's own fault, outside every board.
        let _ = writeln!(StandardError, "wasmbed-native: {info}");
        // SAFETY: it has no conditions.
        unsafe { libc::abort() }
    };
    let message = info.message();
    let cause = if is_lack_of_memory(&message) {
        let (used, free) = heap::usage();
        machine.say(format_args!("FAULT cause=heap-exhaustion used={used} free={free}"));
        "heap-exhaustion"
    } else {
        "panic"
    };
    let (file, line) = info.location().map_or(("?", 0), |location| (location.file(), location.line()));
    machine.say(format_args!("PANIC {file}:{line}: {message}"));
    machine.say(format_args!("BACKTRACE"));
    machine.fail(cause)
}

/// Whether it is the message of an allocation that failed.
fn is_lack_of_memory(message: &impl fmt::Display) -> bool {
    struct Start(&'static [u8]);
    impl Write for Start {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            let count = text.len().min(self.0.len());
            let (expected, rest) = self.0.split_at(count);
            self.0 = rest;
            if text.as_bytes().starts_with(expected) { Ok(()) } else { Err(fmt::Error) }
        }
    }
    let mut start = Start(b"memory allocation of");
    write!(start, "{message}").is_ok() && start.0.is_empty()
}

struct StandardError;

impl Write for StandardError {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // SAFETY: the text has that length.
        unsafe { libc::write(2, text.as_ptr().cast(), text.len()) };
        Ok(())
    }
}

/// The precompiled standard library refers to it for panics that unwind; none does.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

/// As above.
#[unsafe(no_mangle)]
extern "C" fn _Unwind_Resume() -> ! {
    // SAFETY: it has no conditions.
    unsafe { libc::abort() }
}
