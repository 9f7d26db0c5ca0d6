//! The board's hardware behind the traits that the node uses.

use core::cell::{Cell, UnsafeCell};
use core::fmt::{self, Write};
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

use wasmbed_node::hardware::{
    Clock, Console, Entropy, Flash, Hardware, Link, Peripherals, Profile, Watchdog, simulated_sensor,
};
use wasmbed_node::serial::{Port, SerialLink};

use crate::board::{Board, WatchdogTimer};
use crate::network::Network;
use crate::{heap, layout, peripherals, processor, registers, retained};

/// Milliseconds without a sign of life after which the watchdog resets the board, unless the blob has another value.
const WATCHDOG: u64 = 30_000;
/// Size of the buffer for bytes from the link; a power of two.
const RING: usize = if cfg!(feature = "plain") { 128 } else { 2048 };

/// The one board that this firmware runs on.
pub static MACHINE: Machine = Machine::new();

/// The output pins that are high, one bit each, for a debugger to read.
#[unsafe(no_mangle)]
pub static WASMBED_PINS: AtomicU32 = AtomicU32::new(0);

/// The board's state, except the node.
pub struct Machine {
    board: Cell<Option<&'static Board>>,
    link: SerialLink<LinkPort>,
    /// The link that replaces the serial one.
    network: Cell<Option<&'static dyn Network>>,
    clock: processor::Clock,
    watchdog: Cell<Option<WatchdogTimer>>,
    /// For a board without a watchdog in hardware: milliseconds without a sign of life after which the clock's
    /// interrupt resets the board; 0: never.
    patience: AtomicU32,
    /// Time of the last sign of life: the low bits of the milliseconds since boot.
    alive: AtomicU32,
    /// Whether the emulator records.
    is_recorded: Cell<bool>,
    /// Whether a byte was requested and has not arrived yet.
    has_asked: AtomicBool,
    /// When it was requested, in ticks.
    asked: Cell<u64>,
    ring: UnsafeCell<[u8; RING]>,
    /// Number of bytes that the interrupt has put into the ring since boot.
    head: AtomicUsize,
    /// Number of bytes that the thread has taken from it since boot.
    tail: AtomicUsize,
    /// Whether the interrupt is off because the ring is full.
    deaf: AtomicBool,
}

// SAFETY: there is one core and one thread. Interrupts share these fields with it: the ring, whose indices are atomic,
// and which is written only at the head and read only at the tail; the atomics; `board` and `network`, which are set
// before an interrupt that reads them is enabled; and the clock, which the thread uses with interrupts disabled.
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

    /// Initialises the machine. Call it once, before every other method.
    pub fn init(&self, board: &'static Board) {
        self.board.set(Some(board));
        processor::free(|| self.clock.init(board.ticks));
        board.console.init(false);
        board.link.init(true);
        // A reset in the middle of traffic may leave bytes in the UART, and such bytes do not interrupt again.
        LinkPort::listen(board);
        self.link.reset();
    }

    /// Starts the watchdog; `milliseconds` is the blob's value.
    pub fn start_watchdog(&self, milliseconds: Option<u64>) {
        let milliseconds = milliseconds.unwrap_or(WATCHDOG);
        if let Some(watchdog) = self.board.get().and_then(|board| board.watchdog) {
            watchdog.start(milliseconds);
            self.watchdog.set(Some(watchdog));
        } else {
            self.feed();
            self.patience.store(u32::try_from(milliseconds).unwrap_or(u32::MAX), Ordering::Relaxed);
        }
    }

    /// Whether the last sign of life was too long ago. The clock's interrupt calls it.
    pub fn is_overdue(&self) -> bool {
        let patience = self.patience.load(Ordering::Relaxed);
        patience > 0 && (self.now() as u32).wrapping_sub(self.alive.load(Ordering::Relaxed)) > patience
    }

    /// Adapts to an emulator that records: QEMU then delivers a byte only when the processor wakes for another reason,
    /// and the next byte whether there is room or not.
    pub fn be_recorded(&self) {
        self.is_recorded.set(true);
    }

    /// Makes Ethernet the link, with the board's own address on it; false: the board has no Ethernet, or `address` is
    /// not an address.
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

    /// The hardware as the node uses it.
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

    /// Writes a console line without the time before it, for programs to read.
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

    /// Writes to the console, whatever state the rest of the firmware is in.
    pub fn write_console(&self, text: &str) {
        if let Some(board) = self.board.get() {
            for byte in text.bytes() {
                board.console.send(byte);
            }
        }
    }

    /// Handles an interrupt of a link; false: it belongs to neither.
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

    /// Puts the bytes that have arrived into the ring.
    fn link_interrupt(&self) {
        let Some(board) = self.board.get() else { return };
        board.link.acknowledge();
        self.has_asked.store(false, Ordering::Relaxed);
        while board.link.has_byte() {
            let head = self.head.load(Ordering::Relaxed);
            if head.wrapping_sub(self.tail.load(Ordering::Acquire)) == RING {
                // The sender waits until there is room. (QEMU's STM32 ignores its own interrupt enable bit here.)
                processor::silence(board.link_interrupt);
                self.deaf.store(true, Ordering::Relaxed);
                return;
            }
            let byte = board.link.take();
            // SAFETY: the index is below RING, and the thread does not read this byte before the head has moved past
            // it.
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

    /// Requests the next byte of the link, unless that was done; returns when to look for it, in ticks.
    fn ask_for_a_byte(&self) -> u64 {
        let (now, second) = (self.ticks(), u64::from(self.clock.frequency()));
        if !self.has_asked.swap(true, Ordering::Relaxed) {
            self.asked.set(now);
            if !self.link.ask() {
                self.has_asked.store(false, Ordering::Relaxed);
            }
        }
        // Each wake-up is expensive for the host: the longer nothing has arrived, the longer the pause.
        now + ((now - self.asked.get()) / 8).clamp(second / 10_000, second / 100)
    }
}

/// The link's UART, through the ring.
struct LinkPort;

impl LinkPort {
    /// Lets bytes arrive again.
    fn listen(board: &Board) {
        MACHINE.deaf.store(false, Ordering::Relaxed);
        processor::unmask(board.link_interrupt);
        // A byte that has arrived meanwhile does not interrupt any more.
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
        // SAFETY: the index is below RING, the head has moved past this byte, and the interrupt does not write it
        // before the tail has moved past it.
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
            deadline = deadline.min(self.ask_for_a_byte());
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
        // No board here has a true random source. The blob's seed is the secret; this value makes boots differ.
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
        peripherals::show_pins(pins);
        if let Some(lights) = self.board.get().and_then(|board| board.lights) {
            registers::write(lights, pins & 0b11);
        }
    }

    fn sensor_read(&self, channel: i32, reading: u32) -> i32 {
        peripherals::sensor(channel).unwrap_or_else(|| simulated_sensor(channel, reading))
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
