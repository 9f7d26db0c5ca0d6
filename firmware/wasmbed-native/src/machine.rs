//! The board's hardware: the part that its world sees, and the part that the node uses.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell, UnsafeCell};
use core::fmt::{self, Write};

use corosensei::Yielder;
use wasmbed_node::hardware::{
    Clock, Console, Entropy, Flash, Hardware, Peripherals, Profile, Watchdog, simulated_sensor,
};
use wasmbed_node::serial::{Port, SerialLink};

use crate::heap::{self, outside};
use crate::memory::HEAP;

/// Name of this kind of board.
pub const BOARD: &str = "native";
const ARCHITECTURE: &str = if cfg!(target_arch = "x86_64") {
    "x86_64"
} else if cfg!(target_arch = "aarch64") {
    "aarch64"
} else {
    "other"
};
/// Bytes on the serial line that nobody has taken, before the board cannot send more.
const MOST_SENT: usize = 64 << 10;
/// Size of the flash area, bytes.
const FLASH: usize = 64 << 10;
/// Buffers that have grown beyond this are dropped, bytes.
const KEPT: usize = 4 << 10;

/// Why the firmware gave up the processor.
pub enum Pause {
    /// It sleeps until that time, in milliseconds since boot.
    Until(u64),
    /// The power has gone in the middle of a write to the flash.
    PowerLost,
    /// It has failed, and has to be reset.
    Failed,
}

/// The board's lines, its clock, its source of entropy and its flash. It outlives resets.
#[derive(Default)]
pub struct Machine {
    /// Milliseconds since boot.
    now: Cell<u64>,
    arrived: RefCell<VecDeque<u8>>,
    sent: RefCell<Vec<u8>>,
    written: RefCell<Vec<u8>>,
    is_held: Cell<bool>,
    entropy: Cell<u64>,
    flash: UnsafeCell<Vec<u8>>,
    /// Whether the flash refuses each write.
    is_worn: Cell<bool>,
    /// Whether the power goes in the middle of the next write.
    tears: Cell<bool>,
    /// The values of sensors from outside, in thousandths.
    sensors: [Cell<Option<i32>>; 8],
    /// The output pins that are high, a bit each.
    pins: Cell<u32>,
    /// How the firmware gives up the processor, once it runs.
    yielder: Cell<Option<&'static Yielder<(), Pause>>>,
    /// Why the firmware failed last.
    cause: Cell<&'static str>,
}

impl Machine {
    /// Prepares for a step: the results of the one before are dropped.
    pub fn begin(&self, now: u64, arrived: &[u8], is_held: bool) {
        self.now.set(now);
        self.is_held.set(is_held);
        self.arrived.borrow_mut().extend(arrived);
        for buffer in [&self.sent, &self.written] {
            let mut buffer = buffer.borrow_mut();
            buffer.clear();
            buffer.shrink_to(KEPT);
        }
    }

    /// Returns what was sent and written in this step, and the number of bytes that were not read.
    ///
    /// # Safety
    /// The board does not run while the results are used.
    pub unsafe fn results(&self) -> (&[u8], &[u8], usize) {
        // SAFETY: the caller's promise; only a step changes the buffers.
        unsafe { (&*self.sent.as_ptr(), &*self.written.as_ptr(), self.arrived.borrow().len()) }
    }

    /// Drops the bytes that have arrived, as a cut of the power does.
    pub fn lose_arrived(&self) {
        *self.arrived.borrow_mut() = VecDeque::new();
    }

    /// Determines the values of the source of entropy.
    pub fn seed(&self, seed: u64) {
        self.entropy.set(seed);
    }

    /// Erases the flash. Call it only without power.
    pub fn erase(&self) {
        // SAFETY: without power nothing refers to the contents.
        unsafe { *self.flash.get() = Vec::new() };
    }

    /// Lets the flash refuse each write, or take writes again.
    pub fn wear(&self, is_worn: bool) {
        self.is_worn.set(is_worn);
    }

    /// Lets all output pins be low.
    pub fn clear_pins(&self) {
        self.pins.set(0);
    }

    /// Lets the readings of a sensor be a value; `None`: the board makes them.
    pub fn set_sensor(&self, channel: u32, value: Option<i32>) {
        if let Some(sensor) = self.sensors.get(channel as usize) {
            sensor.set(value);
        }
    }

    /// Returns the output pins that are high, a bit each.
    pub fn pins(&self) -> u32 {
        self.pins.get()
    }

    /// Lets the power go in the middle of the next write, or not.
    pub fn tear(&self, tears: bool) {
        self.tears.set(tears);
    }

    /// Takes the way to give up the processor, at a boot.
    pub fn attach(&self, yielder: &'static Yielder<(), Pause>) {
        self.yielder.set(Some(yielder));
    }

    /// Ends the firmware until the next reset.
    pub fn fail(&self, cause: &'static str) -> ! {
        self.cause.set(cause);
        if let Some(yielder) = self.yielder.get() {
            yielder.suspend(Pause::Failed);
        }
        unreachable!("a board that has failed was resumed")
    }

    /// Why the firmware failed last.
    pub fn cause(&self) -> &'static str {
        self.cause.get()
    }

    /// Writes a console line without the time before it, for programs to read.
    pub fn say(&self, text: fmt::Arguments<'_>) {
        let _ = writeln!(Line(self), "{text}");
    }
}

struct Line<'a>(&'a Machine);

impl Write for Line<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        outside(|| self.0.written.borrow_mut().extend_from_slice(text.as_bytes()));
        Ok(())
    }
}

impl Port for &'static Machine {
    fn peek(&self) -> Option<u8> {
        self.arrived.borrow().front().copied()
    }

    fn take(&self) {
        self.arrived.borrow_mut().pop_front();
    }

    fn write(&self, byte: u8) -> bool {
        let mut sent = self.sent.borrow_mut();
        let has_room = !self.is_held.get() && sent.len() < MOST_SENT;
        if has_room {
            outside(|| sent.push(byte));
        }
        has_room
    }
}

/// The hardware from the firmware's side, from a boot to the next one.
pub struct Processor {
    machine: &'static Machine,
    yielder: &'static Yielder<(), Pause>,
    link: SerialLink<&'static Machine>,
    /// How many bytes were unread when the firmware last wanted to sleep.
    unread: Cell<usize>,
}

impl Processor {
    /// Starts it; it lives as long as the board's memory.
    pub fn start(machine: &'static Machine, yielder: &'static Yielder<(), Pause>) -> &'static Self {
        let link = SerialLink::new(machine);
        let processor = Box::leak(Box::new(Self { machine, yielder, link, unread: Cell::new(0) }));
        // The reset may have left a connection open.
        processor.link.reset();
        processor
    }

    /// The hardware as the node uses it. Its limits are those of the mps2-an385.
    pub fn hardware(&'static self) -> Hardware {
        Hardware {
            profile: Profile {
                board: BOARD,
                architecture: ARCHITECTURE,
                memory: HEAP as u64,
                largest_module: 1 << 20,
                largest_memory: 6 << 20,
                value_stack: 64 << 10,
                largest_frame: 64 << 10,
                largest_record: 16 << 10,
                applications: 8,
                heap: heap::usage,
            },
            clock: self,
            link: &self.link,
            entropy: self,
            console: self,
            flash: self,
            peripherals: self,
            watchdog: self,
        }
    }
}

impl Clock for Processor {
    fn now(&self) -> u64 {
        self.machine.now.get()
    }

    /// Time passes only between steps. So a firmware that finds bytes in each of its turns may go on while it reads
    /// them, and otherwise gives up the processor until later or, with bytes that it does not read, for an instant.
    fn sleep_until(&self, deadline: u64) {
        if self.link.take_news() {
            return;
        }
        let unread = self.machine.arrived.borrow().len();
        let before = self.unread.replace(unread);
        if unread > 0 && unread < before {
            return;
        }
        let is_waiting = unread == 0 || self.machine.is_held.get();
        self.yielder.suspend(Pause::Until(if is_waiting { deadline } else { self.now() }));
    }
}

impl Entropy for Processor {
    /// SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators).
    fn sample(&self) -> u64 {
        let state = self.machine.entropy.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.machine.entropy.set(state);
        let mixed = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }
}

impl Console for Processor {
    fn write(&self, text: &str) {
        let _ = Line(self.machine).write_str(text);
    }
}

impl Flash for Processor {
    fn contents(&self) -> &[u8] {
        // SAFETY: `replace` is not called while the contents are used: the node copies them.
        unsafe { &*self.machine.flash.get() }
    }

    fn replace(&self, data: &[u8]) -> bool {
        let is_possible = data.len() <= FLASH && !self.machine.is_worn.get();
        if is_possible {
            let is_torn = self.machine.tears.take();
            let written = if is_torn { data.len() / 2 } else { data.len() };
            // SAFETY: the node holds no reference to the contents while it replaces them.
            let flash = unsafe { &mut *self.machine.flash.get() };
            outside(|| {
                flash.clear();
                flash.extend_from_slice(&data[..written]);
            });
            if is_torn {
                self.yielder.suspend(Pause::PowerLost);
            }
        }
        is_possible
    }
}

impl Peripherals for Processor {
    fn gpio_write(&self, pin: i32, high: bool) {
        let Some(bit) = u32::try_from(pin).ok().and_then(|pin| 1_u32.checked_shl(pin)) else { return };
        let pins = self.machine.pins.get();
        self.machine.pins.set(if high { pins | bit } else { pins & !bit });
    }

    fn sensor_read(&self, channel: i32, reading: u32) -> i32 {
        let given = usize::try_from(channel).ok().and_then(|channel| self.machine.sensors.get(channel));
        given.and_then(Cell::get).unwrap_or_else(|| simulated_sensor(channel, reading))
    }
}

impl Watchdog for Processor {
    fn feed(&self) {}
}
