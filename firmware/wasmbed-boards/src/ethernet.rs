//! The link over Ethernet: one TCP connection at a time, by smoltcp. The requests to connect again and to shut down
//! have no place in a TCP connection; they still come over the serial line.

use alloc::vec;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::net::SocketAddrV4;
use core::str::FromStr;
use core::sync::atomic::{AtomicBool, Ordering};

use smoltcp::iface::{Config, Interface, PollResult, SocketHandle, SocketSet};
use smoltcp::socket::tcp::{Socket, SocketBuffer, State};
use smoltcp::time::Instant;
use smoltcp::wire::{IpCidr, Ipv4Cidr};
use wasmbed_node::hardware::{Clock, Link, LinkState};

use crate::lan9118::{Frames, Lan9118};
use crate::machine::MACHINE;
use crate::network::Network;

/// Size of the receive buffer, bytes: smaller than the controller's, so that the controller drops no frame.
const RECEIVED: usize = 8192;
const SENT: usize = 4096;
const FIRST_PORT: u16 = 0xc000;

/// A LAN9118 controller.
pub struct EthernetPort {
    /// Address of its registers.
    pub address: usize,
    /// The number of its interrupt.
    pub interrupt: u16,
}

/// The link over a LAN9118.
pub struct Ethernet {
    controller: Lan9118,
    number: u16,
    stack: RefCell<Option<Stack>>,
    has_arrived: AtomicBool,
}

// SAFETY: only the one thread uses the stack. The interrupt uses the other fields, which are atomic or never change.
unsafe impl Sync for Ethernet {}

struct Stack {
    frames: Frames,
    interface: Interface,
    sockets: SocketSet<'static>,
    handle: SocketHandle,
    /// The local port of the next connection.
    port: u16,
    /// Whether the node waits for a connection or reads from it.
    is_wanted: bool,
    /// Whether the connection may have changed since the node looked at it. Then the node must not sleep.
    has_changed: bool,
}

impl Ethernet {
    /// A link over the controller at this port.
    pub const fn new(EthernetPort { address, interrupt }: EthernetPort) -> Self {
        let controller = Lan9118::new(address);
        Self { controller, number: interrupt, stack: RefCell::new(None), has_arrived: AtomicBool::new(false) }
    }

    fn with<T>(&self, nothing: T, act: impl FnOnce(&mut Stack) -> T) -> T {
        self.stack.borrow_mut().as_mut().map_or(nothing, act)
    }

    /// Like [`Self::with`], after the frames that have arrived were processed.
    fn with_news<T>(&self, nothing: T, act: impl FnOnce(&mut Stack) -> T) -> T {
        if self.has_arrived.swap(false, Ordering::Relaxed) {
            // Before the frames are taken, so that a frame that arrives meanwhile interrupts again.
            self.controller.listen();
        }
        self.with(nothing, |stack| {
            stack.poll();
            act(stack)
        })
    }
}

impl Stack {
    fn poll(&mut self) {
        let changed = self.interface.poll(now(), &mut self.frames, &mut self.sockets);
        self.has_changed |= changed == PollResult::SocketStateChanged;
    }

    fn socket(&mut self) -> &mut Socket<'static> {
        self.sockets.get_mut(self.handle)
    }

    fn connect(&mut self, gateway: SocketAddrV4) {
        self.socket().abort();
        self.poll();
        if !self.interface.ip_addrs().iter().any(|own| own.contains_addr(&(*gateway.ip()).into())) {
            return; // There is no router, so nothing outside of the board's own network can be reached.
        }
        self.is_wanted = true;
        self.port = self.port.wrapping_add(1) | FIRST_PORT;
        let socket = self.sockets.get_mut::<Socket>(self.handle);
        // It fails only for an invalid address; then the link stays closed.
        let _ = socket.connect(self.interface.context(), (*gateway.ip(), gateway.port()), self.port);
        self.poll();
    }
}

impl Network for Ethernet {
    fn start(&'static self, address: &str, seed: u64) -> bool {
        let Ok(address) = Ipv4Cidr::from_str(address) else { return false };
        let mut config = Config::new(self.controller.start().into());
        config.random_seed = seed;
        let mut frames = Frames::new(self.controller);
        let mut interface = Interface::new(config, &mut frames, now());
        interface.update_ip_addrs(|addresses| {
            // The list is empty, so there is room for one.
            let _ = addresses.push(IpCidr::Ipv4(address));
        });
        let mut socket = Socket::new(SocketBuffer::new(vec![0; RECEIVED]), SocketBuffer::new(vec![0; SENT]));
        socket.set_nagle_enabled(false);
        let mut sockets = SocketSet::new(Vec::new());
        let handle = sockets.add(socket);
        let port = seed as u16;
        self.stack.replace(Some(Stack {
            frames,
            interface,
            sockets,
            handle,
            port,
            is_wanted: false,
            has_changed: false,
        }));
        true
    }

    fn advance(&self) -> u64 {
        self.with_news(u64::MAX, |stack| {
            if stack.is_wanted && stack.has_changed {
                return 0;
            }
            let due = stack.interface.poll_at(now(), &stack.sockets);
            due.map_or(u64::MAX, |due| due.total_millis() as u64)
        })
    }

    fn has_arrived(&self) -> bool {
        self.has_arrived.load(Ordering::Relaxed)
    }

    fn number(&self) -> u16 {
        self.number
    }

    fn interrupt(&self) {
        self.controller.ignore();
        self.has_arrived.store(true, Ordering::Relaxed);
    }
}

impl Link for Ethernet {
    fn open(&self, endpoint: &str) {
        // The firmware has no name resolution: the endpoint is an address.
        if let Ok(gateway) = SocketAddrV4::from_str(endpoint) {
            self.with((), |stack| stack.connect(gateway));
        }
    }

    fn state(&self) -> LinkState {
        self.with_news(LinkState::Closed, |stack| match stack.socket().state() {
            State::SynSent | State::SynReceived => {
                stack.has_changed = false;
                LinkState::Opening
            }
            State::Established => LinkState::Open,
            // Bytes that arrived before the end can still be read.
            State::CloseWait if stack.socket().can_recv() => LinkState::Open,
            _ => LinkState::Closed,
        })
    }

    fn read(&self, buffer: &mut [u8]) -> usize {
        self.with_news(0, |stack| {
            let count = stack.socket().recv_slice(buffer).unwrap_or(0);
            stack.has_changed &= count > 0;
            count
        })
    }

    fn write(&self, data: &[u8]) -> usize {
        self.with_news(0, |stack| {
            let taken = stack.socket().send_slice(data).unwrap_or(0);
            stack.poll();
            taken
        })
    }

    fn close(&self) {
        self.with((), |stack| {
            stack.is_wanted = false;
            stack.socket().close();
            stack.poll();
        });
    }

    fn take_hint(&self) -> bool {
        MACHINE.serial().take_hint()
    }

    fn shutdown_requested(&self) -> bool {
        MACHINE.serial().shutdown_requested()
    }
}

fn now() -> Instant {
    Instant::from_millis(MACHINE.now() as i64)
}
