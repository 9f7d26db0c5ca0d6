//! The traits that a board implements for the node. Implementations are statics with interior mutability, like
//! hardware.

use core::fmt;

/// Time since boot, and sleep.
pub trait Clock {
    /// Milliseconds since boot; never goes back.
    fn now(&self) -> u64;

    /// Sleeps until `deadline` (in the terms of [`Self::now`]) or until something happens, for example bytes arrive.
    /// May return earlier without a reason.
    fn sleep_until(&self, deadline: u64);
}

/// The state of a [`Link`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkState {
    /// No connection.
    Closed,
    /// A connection was requested and is not established yet.
    Opening,
    /// Established.
    Open,
}

/// A byte stream to the gateway that can be opened again and again. No method blocks.
pub trait Link {
    /// Requests a connection to `endpoint` (`host:port`), the provisioned gateway; ends the present one. An endpoint that
    /// the board cannot use leaves the link closed.
    fn open(&self, endpoint: &str);

    /// Like [`Self::open`], to a gateway that another one assigned the board to.
    fn open_assigned(&self, endpoint: &str) {
        self.open(endpoint);
    }

    /// Processes what has arrived, and returns the connection's state.
    fn state(&self) -> LinkState;

    /// Takes bytes that have arrived; 0: none now.
    fn read(&self, buffer: &mut [u8]) -> usize;

    /// Sends bytes; returns how many were accepted. The caller sends the others next, or closes the link.
    fn write(&self, data: &[u8]) -> usize;

    /// Ends the connection.
    fn close(&self);

    /// Whether the other end asked the board to connect without waiting. Each request is returned once.
    fn take_hint(&self) -> bool {
        false
    }

    /// Whether the other end asked the board to shut down in order.
    fn shutdown_requested(&self) -> bool {
        false
    }
}

/// The board's best unpredictable value, which is mixed with the provisioned seed.
pub trait Entropy {
    /// Returns a value that differs at least between boots and between calls.
    fn sample(&self) -> u64;
}

/// Lines for people and for the harness.
pub trait Console {
    /// Appends to the current line.
    fn write(&self, text: &str);
}

/// A small area that survives a power cut.
pub trait Flash {
    /// Returns the whole area.
    fn contents(&self) -> &[u8];

    /// Replaces the start of the area. False: `data` does not fit or cannot be written.
    fn replace(&self, data: &[u8]) -> bool;
}

/// Pins and sensors.
pub trait Peripherals {
    /// Sets an output pin.
    fn gpio_write(&self, pin: i32, high: bool);

    /// Returns the `reading`-th (from 0) reading of a channel, in thousandths of its unit.
    fn sensor_read(&self, channel: i32, reading: u32) -> i32;
}

/// The reading on boards without sensors, the same on every tier.
pub fn simulated_sensor(channel: i32, reading: u32) -> i32 {
    let wave = (u64::from(reading) * 37 % 1000) as i32;
    channel.wrapping_mul(100).wrapping_add(20_000 - 500 + wave)
}

/// Restarts the board when the node has stopped working.
pub trait Watchdog {
    /// Shows that the node is alive.
    fn feed(&self);
}

/// The board's name, and its limits.
#[derive(Clone, Copy, Debug)]
pub struct Profile {
    /// The board, for example `mps2-an385`: `mcu_type` of the enrollment request.
    pub board: &'static str,
    /// For example `armv7m`.
    pub architecture: &'static str,
    /// RAM, bytes.
    pub memory: u64,
    /// Largest module that can be loaded, bytes; 0: no WebAssembly runtime.
    pub largest_module: usize,
    /// Largest linear memory of a module, bytes.
    pub largest_memory: usize,
    /// Cells (of 8 bytes) of the runtime's value stack.
    pub value_stack: usize,
    /// Largest frame from the gateway, bytes.
    pub largest_frame: usize,
    /// Largest plaintext of a TLS record, bytes: 16384, or a length that can be negotiated (RFC 6066, section 4).
    pub largest_record: usize,
    /// The most applications at a time.
    pub applications: usize,
    /// Returns the bytes of heap in use and the bytes free.
    pub heap: fn() -> (usize, usize),
}

/// The board's hardware as the node uses it.
#[derive(Clone, Copy)]
#[allow(missing_docs)]
pub struct Hardware {
    pub profile: Profile,
    pub clock: &'static dyn Clock,
    pub link: &'static dyn Link,
    pub entropy: &'static dyn Entropy,
    pub console: &'static dyn Console,
    pub flash: &'static dyn Flash,
    pub peripherals: &'static dyn Peripherals,
    pub watchdog: &'static dyn Watchdog,
}

impl Hardware {
    /// Writes one line: the seconds since boot, then `text`.
    pub fn log(&self, text: fmt::Arguments<'_>) {
        struct Out(&'static dyn Console);
        impl fmt::Write for Out {
            fn write_str(&mut self, text: &str) -> fmt::Result {
                self.0.write(text);
                Ok(())
            }
        }
        let now = self.clock.now();
        let _ = fmt::Write::write_fmt(
            &mut Out(self.console),
            format_args!("[{:6}.{:03}] {text}\n", now / 1000, now % 1000),
        );
    }

    /// Sleeps until `deadline`, until something happens, or until the watchdog has to be fed.
    pub fn rest(&self, deadline: u64) {
        const LONGEST: u64 = 4_000;
        self.watchdog.feed();
        self.clock.sleep_until(deadline.min(self.clock.now() + LONGEST));
    }
}
