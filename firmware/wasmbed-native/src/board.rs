//! One board: its power, and its steps.

use alloc::boxed::Box;
use core::mem::transmute;
use core::ptr;

use corosensei::{Coroutine, CoroutineResult, Yielder};

use crate::firmware::{self, Boot};
use crate::heap::Heap;
use crate::machine::{Machine, Pause};
use crate::memory::{BoardStack, Memory};
use crate::panic::on_behalf_of;

/// A board, with power or without.
pub struct Board {
    machine: &'static Machine,
    power: Option<Power>,
    /// The time of the latest step, milliseconds.
    now: u64,
    /// Whether its heap is said to be full.
    is_exhausted: bool,
    /// Whether the power went in the middle of a write, in the latest step.
    is_torn: bool,
}

/// The state of a board that is on.
struct Power {
    blob: Box<[u8]>,
    boot: Boot,
    run: Option<Run>,
}

/// The firmware between two boots.
struct Run {
    coroutine: Coroutine<(), Pause, (), BoardStack>,
    heap: Box<Heap>,
    /// The time of the boot.
    began: u64,
    /// Dropped last: the others lie in it.
    _memory: Memory,
}

impl Drop for Run {
    fn drop(&mut self) {
        // SAFETY: nothing on the coroutine's stack has to be dropped: all that it owns lies in the board's memory,
        // except buffers of the machine, which the machine owns.
        unsafe { self.coroutine.force_reset() };
    }
}

impl Board {
    /// Makes a board without power.
    pub fn new() -> Self {
        Self { machine: Box::leak(Box::default()), power: None, now: 0, is_exhausted: false, is_torn: false }
    }

    /// Switches it on; false: it is on.
    pub fn power_on(&mut self, blob: Box<[u8]>, seed: u64) -> bool {
        let is_off = self.power.is_none();
        if is_off {
            self.machine.clear_pins();
            self.machine.seed(seed);
            self.power = Some(Power { blob, boot: Boot { cause: "power-on", count: 0, failures: 0 }, run: None });
        }
        is_off
    }

    /// Cuts the power.
    pub fn cut_power(&mut self, keep_flash: bool) {
        self.power = None;
        self.machine.lose_arrived();
        if !keep_flash {
            self.machine.erase();
        }
    }

    /// Leaves the firmware no memory for another application, or gives it back.
    pub fn exhaust_memory(&mut self, is_exhausted: bool) {
        self.is_exhausted = is_exhausted;
    }

    /// Lets its flash refuse each write, or take writes again.
    pub fn wear_flash(&mut self, is_worn: bool) {
        self.machine.wear(is_worn);
    }

    /// Lets the readings of a sensor be a value; `None`: the board makes them.
    pub fn set_sensor(&mut self, channel: u32, value: Option<i32>) {
        self.machine.set_sensor(channel, value);
    }

    /// Returns the output pins that are high, a bit each.
    pub fn pins(&self) -> u32 {
        self.machine.pins()
    }

    /// Lets the power go in the middle of the next write to its flash, or not.
    pub fn tear_write(&mut self, tears: bool) {
        self.machine.tear(tears);
    }

    /// Resets it from outside.
    pub fn reset(&mut self) {
        self.machine.clear_pins();
        if let Some(power) = &mut self.power {
            power.reset("external");
        }
    }

    /// Lets it run until it sleeps; returns when it wants to run again.
    pub fn step(&mut self, now: u64, arrived: &[u8], is_held: bool) -> u64 {
        self.now = self.now.max(now);
        self.is_torn = false;
        let Some(power) = &mut self.power else {
            self.machine.begin(0, &[], is_held);
            return u64::MAX;
        };
        if power.run.is_none() {
            power.run = Run::begin(self.machine, &power.blob, power.boot, self.now);
        }
        let Some(run) = &mut power.run else {
            // The caller tries again later; see `Memory::new`.
            return self.now + 1000;
        };
        self.machine.begin(self.now - run.began, arrived, is_held);
        run.heap.exhaust(self.is_exhausted);
        match run.resume(self.machine) {
            Pause::Until(time) => run.began.saturating_add(time),
            Pause::Failed => {
                power.reset(self.machine.cause());
                self.now
            }
            Pause::PowerLost => {
                self.power = None;
                self.is_torn = true;
                u64::MAX
            }
        }
    }

    /// The results of the latest step.
    pub fn results(&self) -> (&[u8], &[u8], usize) {
        // SAFETY: a step needs the board exclusively.
        unsafe { self.machine.results() }
    }

    /// Whether the power went in the middle of a write, in the latest step.
    pub fn is_torn(&self) -> bool {
        self.is_torn
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        self.power = None;
        // SAFETY: `new` leaked it, and nothing else refers to it: the firmware has no power.
        drop(unsafe { Box::from_raw(ptr::from_ref(self.machine).cast_mut()) });
    }
}

impl Power {
    fn reset(&mut self, cause: &'static str) {
        let failures = if cause == "external" { 0 } else { self.boot.failures.wrapping_add(1) };
        self.boot = Boot { cause, count: self.boot.count.wrapping_add(1), failures };
        self.run = None;
    }
}

impl Run {
    fn begin(machine: &'static Machine, blob: &[u8], boot: Boot, now: u64) -> Option<Self> {
        let memory = Memory::new()?;
        // SAFETY: the part of the new memory is the heap's alone.
        let heap = Box::new(unsafe { Heap::new(memory.heap()) });
        // SAFETY: the blob is dropped after the firmware: `Power` and `Run::drop` see to that.
        let blob: &'static [u8] = unsafe { transmute(blob) };
        let firmware = move |yielder: &Yielder<(), Pause>, ()| {
            // SAFETY: the yielder lies on the coroutine's stack, and nothing uses it once that is gone.
            let yielder: &'static Yielder<(), Pause> = unsafe { transmute(yielder) };
            machine.attach(yielder);
            firmware::run(machine, yielder, blob, boot);
        };
        let coroutine = Coroutine::with_stack(memory.stack(), firmware);
        Some(Self { coroutine, heap, began: now, _memory: memory })
    }

    fn resume(&mut self, machine: &'static Machine) -> Pause {
        let (coroutine, heap) = (&mut self.coroutine, &self.heap);
        match on_behalf_of(machine, || heap.within(|| coroutine.resume(()))) {
            CoroutineResult::Yield(pause) => pause,
            CoroutineResult::Return(()) => Pause::Failed,
        }
    }
}
