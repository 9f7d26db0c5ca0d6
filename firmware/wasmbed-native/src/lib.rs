//! The node as a shared library with a C interface: many boards in one process.
//!
//! A board runs only inside [`wasmbed_step`]: the caller gives it the time and the bytes that have arrived, and gets the
//! bytes that it sent, its console output, and the time at which it wants to run again. Nothing here reads a clock or a
//! source of entropy, so the same seed and the same steps make the same bytes.
//!
//! Each board is a coroutine with its own memory, like a microcontroller: a cut of its power drops that memory, wherever
//! the firmware was; no destructor runs. A panic ends in the board that panicked: it reports on its console and resets.
//!
//! The library is for one thread at a time: the caller holds a lock around every call (CPython's GIL: `ctypes.PyDLL`).
#![no_std]

extern crate alloc;

mod board;
mod firmware;
mod heap;
mod machine;
mod memory;
mod panic;

use alloc::boxed::Box;
use core::slice;

use crate::board::Board;

/// The version of this interface.
const INTERFACE: u32 = 3;

/// The results of a step. The pointers are valid until the next call with this board.
#[repr(C)]
pub struct Step {
    /// When the board wants to run again, in the terms of the step's time, unless bytes arrive before. Not later than
    /// the step's time: at once. `UINT64_MAX`: never.
    wake: u64,
    /// The bytes that the board sent on its serial line.
    sent: *const u8,
    sent_count: usize,
    /// Its console output.
    written: *const u8,
    written_count: usize,
    /// How many of the bytes that have arrived it has not read yet.
    unread: usize,
    /// Whether the power went in the middle of a write to the flash.
    is_torn: bool,
}

/// Returns the version of this interface.
#[unsafe(no_mangle)]
pub extern "C" fn wasmbed_interface() -> u32 {
    INTERFACE
}

/// Makes a board without power, with empty flash.
#[unsafe(no_mangle)]
pub extern "C" fn wasmbed_new() -> *mut Board {
    Box::into_raw(Box::new(Board::new()))
}

/// Drops a board, with its flash.
///
/// # Safety
/// `board` comes from [`wasmbed_new`], and is not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasmbed_drop(board: *mut Board) {
    // SAFETY: the caller gives back what `wasmbed_new` made.
    drop(unsafe { Box::from_raw(board) });
}

/// Switches the board's power on; it boots in the next step. `blob` is its provisioning; `seed` determines the values
/// of its source of entropy. Returns false if there is no memory for it, or if it is on already.
///
/// # Safety
/// `board` is alive, and `blob` has `count` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasmbed_power_on(board: *mut Board, blob: *const u8, count: usize, seed: u64) -> bool {
    // SAFETY: the caller's promise.
    let (board, blob) = unsafe { (&mut *board, bytes(blob, count)) };
    board.power_on(blob.into(), seed)
}

/// Cuts the board's power, in the middle of whatever it does. Flash is kept with `keep_flash`, else erased.
///
/// # Safety
/// `board` is alive.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasmbed_cut_power(board: *mut Board, keep_flash: bool) {
    // SAFETY: the caller's promise.
    unsafe { &mut *board }.cut_power(keep_flash);
}

/// Resets the board from outside; it boots again in the next step. A board without power stays off.
///
/// # Safety
/// `board` is alive.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasmbed_reset(board: *mut Board) {
    // SAFETY: the caller's promise.
    unsafe { &mut *board }.reset();
}

/// Leaves the firmware no memory for another application: its heap says that nothing is free. False: it tells the truth.
///
/// # Safety
/// `board` is alive.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasmbed_exhaust_memory(board: *mut Board, is_exhausted: bool) {
    // SAFETY: the caller's promise.
    unsafe { &mut *board }.exhaust_memory(is_exhausted);
}

/// Lets the flash refuse each write; false: it takes writes again.
///
/// # Safety
/// `board` is alive.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasmbed_wear_flash(board: *mut Board, is_worn: bool) {
    // SAFETY: the caller's promise.
    unsafe { &mut *board }.wear_flash(is_worn);
}

/// Lets the power go in the middle of the next write to the flash; false: it does not.
///
/// # Safety
/// `board` is alive.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasmbed_tear_write(board: *mut Board, tears: bool) {
    // SAFETY: the caller's promise.
    unsafe { &mut *board }.tear_write(tears);
}

/// Lets the readings of a sensor's channel be `value`; with `is_set` false the board makes them. A channel that there is
/// not is ignored.
///
/// # Safety
///
/// `board` comes from `wasmbed_new`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasmbed_set_sensor(board: *mut Board, channel: u32, value: i32, is_set: bool) {
    // SAFETY: the caller's promise.
    unsafe { &mut *board }.set_sensor(channel, is_set.then_some(value));
}

/// Returns the output pins that are high, a bit each.
///
/// # Safety
///
/// `board` comes from `wasmbed_new`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasmbed_pins(board: *mut Board) -> u32 {
    // SAFETY: the caller's promise.
    unsafe { &*board }.pins()
}

/// Lets the board run until it sleeps. `now` is in milliseconds and never goes back; `arrived` are the bytes that have
/// arrived on its serial line since the last step. With `is_held` the line takes nothing: the board cannot send.
///
/// # Safety
/// `board` is alive, `arrived` has `count` bytes, and `step` can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasmbed_step(
    board: *mut Board,
    now: u64,
    arrived: *const u8,
    count: usize,
    is_held: bool,
    step: *mut Step,
) {
    // SAFETY: the caller's promise.
    let (board, arrived) = unsafe { (&mut *board, bytes(arrived, count)) };
    let wake = board.step(now, arrived, is_held);
    let (sent, written, unread) = board.results();
    let result = Step {
        wake,
        sent: sent.as_ptr(),
        sent_count: sent.len(),
        written: written.as_ptr(),
        written_count: written.len(),
        unread,
        is_torn: board.is_torn(),
    };
    // SAFETY: the caller's promise.
    unsafe { step.write(result) };
}

/// # Safety
/// `data` has `count` bytes; null: none.
unsafe fn bytes<'a>(data: *const u8, count: usize) -> &'a [u8] {
    if data.is_null() {
        return &[];
    }
    // SAFETY: the caller's promise.
    unsafe { slice::from_raw_parts(data, count) }
}
