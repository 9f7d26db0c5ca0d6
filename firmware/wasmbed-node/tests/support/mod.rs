//! A board in memory, and a gateway that follows a script.
#![allow(dead_code)]

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use wasmbed_node::applications::Applications;
use wasmbed_node::hardware::{
    Clock, Console, Entropy, Flash, Hardware, Link, LinkState, Peripherals, Profile, Watchdog, simulated_sensor,
};
use wasmbed_node::random::Random;
use wasmbed_node::session::{Facts, Memory, Outcome, Session};
use wasmbed_node::transport::{Ended, Transport};
use wasmbed_protocol::messages::{DeviceMessage, GatewayMessage};
use wasmbed_protocol::{FrameDecoder, decode_device, encode_gateway};

pub const DEVICE_ID: &str = "123e4567-e89b-42d3-a456-426614174000";

/// A board in memory. Its time passes only while it sleeps.
#[derive(Default)]
pub struct Bench {
    now: Cell<u64>,
    pub lines: RefCell<String>,
    pub pins: RefCell<Vec<(i32, bool)>>,
    shutdown: Cell<bool>,
    ticking: Cell<bool>,
    arrived: RefCell<VecDeque<u8>>,
    calls: RefCell<Option<VecDeque<Call>>>,
    /// When connections were requested, and to which endpoints.
    pub requests: RefCell<Vec<(u64, String)>>,
}

/// The answer of the board's link to a request for a connection.
pub enum Call {
    Refused,
    /// It carries these messages, and ends.
    Answered(Vec<GatewayMessage<'static>>),
}

impl Bench {
    pub fn new() -> &'static Self {
        Box::leak(Box::default())
    }

    pub fn hardware(&'static self) -> Hardware {
        Hardware {
            profile: Profile {
                board: "bench",
                architecture: "none",
                memory: 1 << 20,
                largest_module: 4096,
                largest_memory: 256 << 10,
                value_stack: 4096,
                largest_frame: 4096,
                largest_record: 16 << 10,
                applications: 2,
                heap: || (0, 16 << 20),
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

    pub fn shut_down(&self) {
        self.shutdown.set(true);
    }

    /// From now on a millisecond passes at each read of the clock.
    pub fn tick_on_look(&self) {
        self.ticking.set(true);
    }

    /// Puts bytes on the link, for a transport that uses it.
    pub fn arrive(&self, data: &[u8]) {
        self.arrived.borrow_mut().extend(data);
    }

    /// Lets the link do this at each request for a connection; afterwards the board is asked to shut down.
    pub fn expect(&self, calls: Vec<Call>) {
        self.calls.replace(Some(calls.into()));
    }

    /// The endpoints to which connections were requested.
    pub fn endpoints(&self) -> Vec<String> {
        self.requests.borrow().iter().map(|(_, endpoint)| endpoint.clone()).collect()
    }

    pub fn said(&self, text: &str) -> bool {
        self.lines.borrow().contains(text)
    }
}

impl Clock for Bench {
    fn now(&self) -> u64 {
        self.now.replace(self.now.get() + u64::from(self.ticking.get()))
    }

    fn sleep_until(&self, deadline: u64) {
        if !self.arrived.borrow().is_empty() {
            return;
        }
        self.now.set(self.now.get().max(deadline));
    }
}

impl Link for Bench {
    fn open(&self, endpoint: &str) {
        self.requests.borrow_mut().push((self.now.get(), endpoint.into()));
        let mut out = Vec::new();
        if let Some(calls) = &mut *self.calls.borrow_mut() {
            match calls.pop_front() {
                Some(Call::Refused) => {}
                Some(Call::Answered(messages)) => {
                    for message in messages {
                        let mut frame = Vec::new();
                        encode_gateway(1, &message, &mut frame);
                        out.extend(frame);
                    }
                }
                None => self.shutdown.set(true),
            }
        }
        self.arrived.replace(out.into());
    }

    fn state(&self) -> LinkState {
        let has_ended = self.calls.borrow().is_some() && self.arrived.borrow().is_empty();
        if has_ended { LinkState::Closed } else { LinkState::Open }
    }

    fn read(&self, buffer: &mut [u8]) -> usize {
        let mut arrived = self.arrived.borrow_mut();
        let count = buffer.len().min(arrived.len());
        buffer.iter_mut().zip(arrived.drain(..count)).for_each(|(place, byte)| *place = byte);
        count
    }

    fn write(&self, data: &[u8]) -> usize {
        data.len()
    }

    fn close(&self) {}

    fn shutdown_requested(&self) -> bool {
        self.shutdown.get()
    }
}

impl Entropy for Bench {
    fn sample(&self) -> u64 {
        0
    }
}

impl Console for Bench {
    fn write(&self, text: &str) {
        self.lines.borrow_mut().push_str(text);
    }
}

impl Flash for Bench {
    fn contents(&self) -> &[u8] {
        &[]
    }

    fn replace(&self, _: &[u8]) -> bool {
        false
    }
}

impl Peripherals for Bench {
    fn gpio_write(&self, pin: i32, high: bool) {
        self.pins.borrow_mut().push((pin, high));
    }

    fn sensor_read(&self, channel: i32, reading: u32) -> i32 {
        simulated_sensor(channel, reading)
    }
}

impl Watchdog for Bench {
    fn feed(&self) {}
}

/// A step of the gateway's script.
pub enum Move {
    /// Sends a message with that id.
    Say(u32, GatewayMessage<'static>),
    /// Sends raw bytes.
    Bytes(Vec<u8>),
    /// Waits until the device has sent a message of that name since the last wait.
    Await(&'static str),
    /// Waits until that time.
    Until(u64),
    /// Closes the connection.
    Hang,
    /// Asks the board to shut down.
    Shutdown,
}

/// A transport whose other end follows a script and then closes the connection.
pub struct Script {
    bench: &'static Bench,
    moves: VecDeque<Move>,
    /// The messages from the device: ids and descriptions.
    pub sent: Rc<RefCell<Vec<(u32, String)>>>,
    seen: usize,
    pub closed: Rc<Cell<bool>>,
}

impl Transport for Script {
    fn receive(&mut self, frames: &mut FrameDecoder) -> Result<(), Ended> {
        loop {
            match self.moves.pop_front() {
                None | Some(Move::Hang) => return Err(Ended::ByGateway),
                Some(Move::Say(id, message)) => {
                    let mut out = Vec::new();
                    encode_gateway(id, &message, &mut out);
                    frames.push(&out);
                }
                Some(Move::Bytes(data)) => frames.push(&data),
                Some(Move::Await(name)) => {
                    let sent = self.sent.borrow();
                    match sent[self.seen..].iter().position(|(_, message)| message.starts_with(name)) {
                        Some(at) => self.seen += at + 1,
                        None if self.bench.now() > 3_600_000 => {
                            panic!("no {name} within an hour; the device sent {sent:#?}")
                        }
                        None => {
                            drop(sent);
                            self.moves.push_front(Move::Await(name));
                            return Ok(());
                        }
                    }
                }
                Some(Move::Until(time)) if self.bench.now() < time => {
                    self.moves.push_front(Move::Until(time));
                    return Ok(());
                }
                Some(Move::Until(_)) => {}
                Some(Move::Shutdown) => self.bench.shut_down(),
            }
        }
    }

    fn send(&mut self, data: &[u8]) -> Result<(), Ended> {
        let mut frames = FrameDecoder::new(1 << 20);
        frames.push(data);
        let envelope = decode_device(frames.peek().unwrap().unwrap()).unwrap();
        self.sent.borrow_mut().push((envelope.message_id, describe(&envelope.message)));
        Ok(())
    }

    fn close(&mut self) {
        self.closed.set(true);
    }
}

/// Describes a message as `Name { fields }`: its `Debug` form without the enum.
fn describe(message: &DeviceMessage<'_>) -> String {
    let text = format!("{message:?}");
    text[text.find('(').unwrap() + 1..text.len() - 1].to_owned()
}

/// A board with its applications, for several sessions.
pub struct Board {
    pub bench: &'static Bench,
    pub memory: Memory,
    pub applications: Applications,
    pub random: Random,
}

/// The outcome of a session.
pub struct Report {
    pub outcome: Outcome,
    pub established: bool,
    pub retry_after: Option<u64>,
    pub sent: Vec<(u32, String)>,
    pub closed: bool,
}

impl Report {
    /// Descriptions of the messages of that name.
    pub fn messages(&self, name: &str) -> Vec<&str> {
        self.sent.iter().map(|(_, text)| text.as_str()).filter(|text| text.starts_with(name)).collect()
    }

    /// The messages' names, in order.
    pub fn names(&self) -> Vec<&str> {
        self.sent.iter().map(|(_, text)| text.split(' ').next().unwrap()).collect()
    }
}

impl Board {
    pub fn new() -> Self {
        let bench = Bench::new();
        let random = Random::new(&[1; 32], b"", bench);
        let applications = Applications::new(bench.hardware(), 4096);
        Self { bench, memory: Memory::default(), applications, random }
    }

    /// A board that has enrolled before and sends a heartbeat every `interval` milliseconds.
    pub fn enrolled(interval: u64) -> Self {
        let memory = Memory { device_id: Some(DEVICE_ID.into()), heartbeat_interval: interval };
        Self { memory, ..Self::new() }
    }

    pub fn session(&mut self, request: Option<(Vec<u8>, Option<&'static str>)>, moves: Vec<Move>) -> Report {
        let facts = Facts {
            device_type: "mcu",
            capabilities: vec!["tls", "cbor"],
            public_key: b"key",
            request,
            boot_time: 1_000_000,
        };
        let (sent, closed) = (Rc::default(), Rc::new(Cell::new(false)));
        let mut script = Script {
            bench: self.bench,
            moves: moves.into(),
            sent: Rc::clone(&sent),
            seen: 0,
            closed: Rc::clone(&closed),
        };
        let hardware = self.bench.hardware();
        let mut session = Session::new(hardware, &mut script, &mut self.random, &mut self.memory, &facts);
        let outcome = session.run(&mut self.applications);
        let (established, retry_after) = (session.established, session.retry_after);
        Report { outcome, established, retry_after, sent: sent.take(), closed: closed.get() }
    }
}
