//! This computer as a board.

use std::cell::{Cell, OnceCell, RefCell};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream, ToSocketAddrs};
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};
use std::{fs, io, process, thread};

use wasmbed_node::hardware::{
    Clock, Console, Entropy, Flash, Hardware, Link, LinkState, Peripherals, Profile, Watchdog, simulated_sensor,
};

const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// A board made of a socket and a file.
pub struct Machine {
    booted: Instant,
    stream: RefCell<Option<TcpStream>>,
    flash: Option<PathBuf>,
    contents: OnceCell<Vec<u8>>,
    samples: Cell<u64>,
}

impl Machine {
    /// An issued certificate is kept in the file `flash`; without one it is kept in memory.
    pub fn new(flash: Option<PathBuf>) -> Self {
        Self {
            booted: Instant::now(),
            stream: RefCell::new(None),
            flash,
            contents: OnceCell::new(),
            samples: Cell::new(0),
        }
    }

    /// The hardware as the node uses it.
    pub fn hardware(&'static self) -> Hardware {
        Hardware {
            profile: Profile {
                board: "host",
                architecture: std::env::consts::ARCH,
                memory: 8 << 20,
                largest_module: 1 << 20,
                largest_memory: 8 << 20,
                value_stack: 64 << 10,
                largest_frame: 64 << 10,
                largest_record: 16 << 10,
                applications: 8,
                heap: || (0, 64 << 20),
            },
            clock: self,
            link: self,
            entropy: self,
            console: self,
            flash: self,
            peripherals: self,
            watchdog: self,
        }
    }

    fn connect(endpoint: &str) -> io::Result<TcpStream> {
        let address = endpoint.to_socket_addrs()?.next().ok_or(ErrorKind::NotFound)?;
        let stream = TcpStream::connect_timeout(&address, CONNECT_WITHIN)?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    fn with_stream<T>(&self, nothing: T, act: impl FnOnce(&mut TcpStream) -> io::Result<T>) -> T {
        let mut stream = self.stream.borrow_mut();
        let Some(connected) = stream.as_mut() else { return nothing };
        match act(connected) {
            Ok(result) => result,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => nothing,
            Err(_) => {
                *stream = None;
                nothing
            }
        }
    }
}

impl Clock for Machine {
    fn now(&self) -> u64 {
        self.booted.elapsed().as_millis() as u64
    }

    fn sleep_until(&self, deadline: u64) {
        let pause = Duration::from_millis(deadline.saturating_sub(self.now()));
        if pause.is_zero() {
            return;
        }
        let slept = self.with_stream(false, |stream| {
            stream.set_read_timeout(Some(pause))?;
            match stream.peek(&mut [0]) {
                Err(error) if error.kind() == ErrorKind::TimedOut => Ok(true),
                result => result.map(|_| true),
            }
        });
        if !slept && self.stream.borrow().is_none() {
            thread::sleep(pause);
        }
    }
}

impl Link for Machine {
    fn open(&self, endpoint: &str) {
        *self.stream.borrow_mut() = Self::connect(endpoint).ok();
    }

    fn state(&self) -> LinkState {
        if self.stream.borrow().is_some() { LinkState::Open } else { LinkState::Closed }
    }

    fn read(&self, buffer: &mut [u8]) -> usize {
        self.with_stream(0, |stream| {
            stream.set_nonblocking(true)?;
            let read = stream.read(buffer);
            stream.set_nonblocking(false)?;
            match read? {
                0 if !buffer.is_empty() => Err(ErrorKind::UnexpectedEof.into()),
                count => Ok(count),
            }
        })
    }

    fn write(&self, data: &[u8]) -> usize {
        self.with_stream(0, |stream| stream.write(data))
    }

    fn close(&self) {
        if let Some(stream) = self.stream.borrow_mut().take() {
            let _ = stream.shutdown(Shutdown::Write);
        }
    }
}

impl Entropy for Machine {
    fn sample(&self) -> u64 {
        self.samples.set(self.samples.get() + 1);
        let elapsed = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        elapsed.as_nanos() as u64 ^ u64::from(process::id()) << 40 ^ self.samples.get()
    }
}

impl Console for Machine {
    fn write(&self, text: &str) {
        let mut out = io::stdout().lock();
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }
}

impl Flash for Machine {
    fn contents(&self) -> &[u8] {
        self.contents.get_or_init(|| self.flash.as_ref().and_then(|path| fs::read(path).ok()).unwrap_or_default())
    }

    fn replace(&self, data: &[u8]) -> bool {
        self.flash.as_ref().is_some_and(|path| fs::write(path, data).is_ok())
    }
}

impl Peripherals for Machine {
    fn gpio_write(&self, _: i32, _: bool) {}

    fn sensor_read(&self, channel: i32, reading: u32) -> i32 {
        simulated_sensor(channel, reading)
    }
}

impl Watchdog for Machine {
    fn feed(&self) {}
}
