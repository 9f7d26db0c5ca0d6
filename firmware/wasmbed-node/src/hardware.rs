//! What the node needs of a board. Implementations are statics with interior mutability, as hardware is.

use core::fmt;

/// Time since boot, and the way to let it pass.
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
    /// Asked for, not there yet.
    Opening,
    /// Bytes go through.
    Open,
}

/// A byte stream to the gateway that can be opened again and again. Nothing here waits.
pub trait Link {
    /// Asks for a connection to `endpoint` (`host:port`); ends the one there is.
    fn open(&self, endpoint: &str);

    /// What has become of the connection. Looks at what has arrived.
    fn state(&self) -> LinkState;

    /// Takes bytes that have arrived; 0: none now.
    fn read(&self, buffer: &mut [u8]) -> usize;

    /// Gives bytes to be sent; returns how many were taken. The others are to be given next, or the link closed.
    fn write(&self, data: &[u8]) -> usize;

    /// Ends the connection.
    fn close(&self);

    /// Whether the link is worth a new try before its time: told once, then forgotten.
    fn take_hint(&self) -> bool {
        false
    }

    /// Whether the other side asked the board to stop in order.
    fn shutdown_requested(&self) -> bool {
        false
    }
}

/// Something unpredictable, as good as the board has it. Mixed with the provisioned seed.
pub trait Entropy {
    /// Different at each boot and each call, at the least.
    fn sample(&self) -> u64;
}

/// Lines for people and for the harness.
pub trait Console {
    /// Appends to the current line.
    fn write(&self, text: &str);
}

/// A small area that survives a power cut.
pub trait Flash {
    /// All of it.
    fn contents(&self) -> &[u8];

    /// Replaces the beginning of it. Returns false if `data` does not fit or cannot be written.
    fn replace(&self, data: &[u8]) -> bool;
}

/// Pins and sensors.
pub trait Peripherals {
    /// Sets an output pin.
    fn gpio_write(&self, pin: i32, high: bool);

    /// The `reading`-th (from 0) reading of a channel, in thousandths of its unit.
    fn sensor_read(&self, channel: i32, reading: u32) -> i32;
}

/// What `sensor_read` returns on boards without sensors, as documented for every tier.
pub fn simulated_sensor(channel: i32, reading: u32) -> i32 {
    let wave = (u64::from(reading) * 37 % 1000) as i32;
    channel.wrapping_mul(100).wrapping_add(20_000 - 500 + wave)
}

/// Restarts the board when the node has stopped working.
pub trait Watchdog {
    /// The node is alive.
    fn feed(&self);
}

/// What the board is and how much of everything it has.
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
    /// Applications at once.
    pub applications: usize,
    /// Bytes of heap in use, and bytes free.
    pub heap: fn() -> (usize, usize),
}

/// Everything the node has to work with.
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

    /// Sleeps until `deadline`, something happens, or the watchdog wants to be fed.
    pub fn rest(&self, deadline: u64) {
        const LONGEST: u64 = 4_000;
        self.watchdog.feed();
        self.clock.sleep_until(deadline.min(self.clock.now() + LONGEST));
    }
}
