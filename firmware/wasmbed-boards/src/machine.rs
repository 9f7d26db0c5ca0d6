//! The board as the node sees it.

use core::cell::{Cell, UnsafeCell};
use core::fmt::{self, Write};
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

use wasmbed_node::hardware::{
    Clock, Console, Entropy, Flash, Hardware, Link, Peripherals, Profile, Watchdog, simulated_sensor,
};
use wasmbed_node::serial::{Port, SerialLink};

use crate::ethernet::Network;
use crate::watchdog::CmsdkWatchdog;
use crate::{Board, heap, layout, processor, retained};

/// Milliseconds without a sign of life until the watchdog bites, where the blob does not say.
const WATCHDOG: u64 = 30_000;
/// Bytes that can wait to be read from the link; a power of two.
const RING: usize = if cfg!(feature = "plain") { 128 } else { 2048 };

/// The one board there is.
pub static MACHINE: Machine = Machine::new();

/// Which output pins are high, one bit each; there for a debugger to look at.
#[unsafe(no_mangle)]
pub static WASMBED_PINS: AtomicU32 = AtomicU32::new(0);

/// Everything that is not the node.
pub struct Machine {
    board: Cell<Option<&'static Board>>,
    link: SerialLink<LinkPort>,
    /// What is the link instead.
    network: Cell<Option<&'static dyn Network>>,
    clock: processor::Clock,
    watchdog: Cell<Option<CmsdkWatchdog>>,
    /// Where there is no watchdog, the clock's interrupt is: milliseconds without a sign of life, 0 for any number.
    patience: AtomicU32,
    /// When the last sign of life was: the low bits of the milliseconds since boot.
    alive: AtomicU32,
    /// Whether the emulator records.
    is_recorded: Cell<bool>,
    /// Whether a byte was asked for and has not come yet.
    has_asked: AtomicBool,
    /// When it was, in ticks.
    asked: Cell<u64>,
    ring: UnsafeCell<[u8; RING]>,
    /// Bytes ever put into the ring, by the interrupt.
    head: AtomicUsize,
    /// Bytes ever taken from it.
    tail: AtomicUsize,
    /// Whether the interrupt is off because the ring is full.
    deaf: AtomicBool,
}

// SAFETY: there is one core and one thread. What interrupts use as well: the ring, whose indices are atomic and which
// is written at the head and read at the tail only; the board, set before there are any; and the clock, which the
// thread uses with interrupts disabled.
unsafe impl Sync for Machine {}

impl Machine {
    const fn new() -> Self {
        Self {
            board: Cell::new(None),
            link: SerialLink::new(LinkPort),
            network: Cell::new(None),
            clock: processor::Clock::new(),
            watchdog: Cell::new(None),
            patience: AtomicU32::new(0),
            alive: AtomicU32::new(0),
            is_recorded: Cell::new(false),
            has_asked: AtomicBool::new(false),
            asked: Cell::new(0),
            ring: UnsafeCell::new([0; RING]),
            head: AtomicUsize::new(0),
            tail: AtomicUsize::new(0),
            deaf: AtomicBool::new(false),
        }
    }

    /// To be called once, before anything else here.
    pub fn init(&self, board: &'static Board) {
        self.board.set(Some(board));
        processor::free(|| self.clock.init(board.ticks));
        board.console.init(false);
        board.link.init(true);
        // A reset in the middle of traffic leaves bytes in a UART that it does not reset, and they announce no more.
        LinkPort::listen(board);
        self.link.reset();
    }

    /// The watchdog, with the time that the blob says.
    pub fn start_watchdog(&self, milliseconds: Option<u64>) {
        let milliseconds = milliseconds.unwrap_or(WATCHDOG);
        if let Some((base, frequency)) = self.board.get().and_then(|board| board.watchdog) {
            let watchdog = CmsdkWatchdog::new(base, frequency);
            watchdog.start(milliseconds);
            self.watchdog.set(Some(watchdog));
        } else {
            self.feed();
            self.patience.store(u32::try_from(milliseconds).unwrap_or(u32::MAX), Ordering::Relaxed);
        }
    }

    /// Whether there was no sign of life for too long; for the clock's interrupt to ask.
    pub fn is_overdue(&self) -> bool {
        let patience = self.patience.load(Ordering::Relaxed);
        patience > 0 && (self.now() as u32).wrapping_sub(self.alive.load(Ordering::Relaxed)) > patience
    }

    /// Behaves as an emulator that records wants it: QEMU delivers a byte only when the processor wakes for another
    /// reason, and the next one without asking whether there is room.
    pub fn be_recorded(&self) {
        self.is_recorded.set(true);
    }

    /// Makes Ethernet the link, with the board's own address there; false: it has none, or the address is none.
    pub fn use_ethernet(&self, address: &str) -> bool {
        let Some(network) = self.board.get().and_then(|board| board.ethernet) else { return false };
        if !network.start(address, self.sample()) {
            return false;
        }
        self.network.set(Some(network));
        processor::unmask(network.number());
        true
    }

    /// The link over the serial line.
    pub fn serial(&self) -> &dyn Link {
        &self.link
    }

    /// As the node wants it.
    pub fn hardware(&'static self) -> Hardware {
        let (name, architecture) = self.board.get().map_or(("", ""), |board| (board.name, board.architecture));
        Hardware {
            profile: Profile {
                board: name,
                architecture,
                memory: layout::ram_size() as u64,
                largest_module: layout::largest_module(),
                largest_memory: layout::largest_memory(),
                value_stack: layout::value_stack(),
                largest_frame: layout::largest_frame(),
                largest_record: layout::largest_record(),
                applications: layout::applications(),
                heap: heap::usage,
            },
            clock: self,
            link: self.network.get().map_or(&self.link, |network| network as &dyn Link),
            entropy: self,
            console: self,
            flash: self,
            peripherals: self,
            watchdog: self,
        }
    }

    /// Writes a line for programs: without the time before it.
    pub fn say(&self, text: fmt::Arguments<'_>) {
        struct Out<'a>(&'a Machine);
        impl Write for Out<'_> {
            fn write_str(&mut self, text: &str) -> fmt::Result {
                self.0.write_console(text);
                Ok(())
            }
        }
        let _ = writeln!(Out(self), "{text}");
    }

    /// Writes to the console, whatever state the rest is in.
    pub fn write_console(&self, text: &str) {
        if let Some(board) = self.board.get() {
            for byte in text.bytes() {
                board.console.send(byte);
            }
        }
    }

    /// Sees to an interrupt of one of the links; false: it is of none.
    pub fn interrupted(&self, interrupt: u16) -> bool {
        if self.board.get().is_some_and(|board| board.link_interrupt == interrupt) {
            self.link_interrupt();
        } else if let Some(network) = self.network.get().filter(|network| network.number() == interrupt) {
            network.interrupt();
        } else {
            return false;
        }
        true
    }

    /// Bytes have arrived.
    fn link_interrupt(&self) {
        let Some(board) = self.board.get() else { return };
        board.link.acknowledge();
        self.has_asked.store(false, Ordering::Relaxed);
        while board.link.has_byte() {
            let head = self.head.load(Ordering::Relaxed);
            if head.wrapping_sub(self.tail.load(Ordering::Acquire)) == RING {
                // The sender has to wait until there is room. (QEMU's STM32 goes on interrupting if only told not to.)
                processor::silence(board.link_interrupt);
                self.deaf.store(true, Ordering::Relaxed);
                return;
            }
            let byte = board.link.take();
            // SAFETY: this place is not read before the head has moved past it.
            unsafe { self.ring.get().cast::<u8>().add(head % RING).write(byte) };
            self.head.store(head.wrapping_add(1), Ordering::Release);
        }
    }

    pub fn clock_interrupted(&self) {
        self.clock.interrupted();
    }

    fn has_bytes(&self) -> bool {
        self.head.load(Ordering::Acquire) != self.tail.load(Ordering::Relaxed)
    }

    fn has_news(&self) -> bool {
        self.has_bytes() || self.network.get().is_some_and(Network::has_arrived)
    }

    fn ticks(&self) -> u64 {
        processor::free(|| self.clock.ticks())
    }
}

/// The link's UART, through the ring.
struct LinkPort;

impl LinkPort {
    /// There is room again: lets bytes come.
    fn listen(board: &Board) {
        MACHINE.deaf.store(false, Ordering::Relaxed);
        processor::unmask(board.link_interrupt);
        // One that has come while nobody listened does not interrupt any more.
        processor::free(|| MACHINE.link_interrupt());
    }
}

impl Port for LinkPort {
    fn peek(&self) -> Option<u8> {
        let machine = &MACHINE;
        let tail = machine.tail.load(Ordering::Relaxed);
        let waiting = machine.head.load(Ordering::Acquire).wrapping_sub(tail);
        if waiting <= RING / 2
            && machine.deaf.load(Ordering::Relaxed)
            && let Some(board) = machine.board.get()
        {
            Self::listen(board);
        }
        // SAFETY: the head has moved past this place, and the interrupt will not write it before the tail has.
        (waiting > 0).then(|| unsafe { machine.ring.get().cast::<u8>().add(tail % RING).read() })
    }

    fn take(&self) {
        if MACHINE.has_bytes() {
            MACHINE.tail.fetch_add(1, Ordering::Release);
        }
    }

    fn write(&self, byte: u8) -> bool {
        MACHINE.board.get().is_some_and(|board| board.link.send(byte))
    }
}

impl Clock for Machine {
    fn now(&self) -> u64 {
        self.ticks() * 1000 / u64::from(self.clock.frequency())
    }

    fn sleep_until(&self, deadline: u64) {
        if self.link.take_news() {
            return;
        }
        let deadline = self.network.get().map_or(deadline, |network| deadline.min(network.advance()));
        let mut deadline = deadline.saturating_mul(u64::from(self.clock.frequency())).div_ceil(1000);
        if self.is_recorded.get() && !self.has_bytes() {
            let (now, second) = (self.ticks(), u64::from(self.clock.frequency()));
            if !self.has_asked.swap(true, Ordering::Relaxed) {
                self.asked.set(now);
                if !self.link.ask() {
                    self.has_asked.store(false, Ordering::Relaxed);
                }
            }
            // Waking costs the host much: the longer nothing has come, the more seldom.
            let pause = ((now - self.asked.get()) / 8).clamp(second / 10_000, second / 100);
            deadline = deadline.min(now + pause);
        }
        processor::free(|| {
            if !self.has_news() && self.clock.wake_at(deadline) {
                processor::wait();
            }
        });
    }
}

impl Entropy for Machine {
    fn sample(&self) -> u64 {
        // No board here has a source of true randomness: the blob's seed is the secret, this keeps boots apart.
        self.ticks() ^ u64::from(processor::counter()) << 24 ^ u64::from(retained::count()) << 48
    }
}

impl Console for Machine {
    fn write(&self, text: &str) {
        self.write_console(text);
    }
}

impl Flash for Machine {
    fn contents(&self) -> &[u8] {
        layout::storage()
    }

    fn replace(&self, data: &[u8]) -> bool {
        layout::replace_storage(data)
    }
}

impl Peripherals for Machine {
    fn gpio_write(&self, pin: i32, high: bool) {
        let Some(bit) = u32::try_from(pin).ok().and_then(|pin| 1_u32.checked_shl(pin)) else { return };
        let before = WASMBED_PINS.load(Ordering::Relaxed);
        let pins = if high { before | bit } else { before & !bit };
        WASMBED_PINS.store(pins, Ordering::Relaxed);
        if let Some(lights) = self.board.get().and_then(|board| board.lights) {
            // SAFETY: a register that the board says is there.
            unsafe { (lights as *mut u32).write_volatile(pins & 0b11) };
        }
    }

    fn sensor_read(&self, channel: i32, reading: u32) -> i32 {
        simulated_sensor(channel, reading)
    }
}

impl Watchdog for Machine {
    fn feed(&self) {
        if let Some(watchdog) = self.watchdog.get() {
            watchdog.feed();
        }
        self.alive.store(self.now() as u32, Ordering::Relaxed);
    }
}
