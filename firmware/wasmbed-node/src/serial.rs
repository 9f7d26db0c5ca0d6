//! Connections over a serial line, which has none of its own. The other end is `harness/boards/bridge`.
//!
//! `0x10` (DLE) begins a mark of two bytes: `10 44` is the data byte `0x10`, `10 4f` requests or confirms a connection,
//! `10 43` ends or refuses one, and `10 53` (to the board) requests a shutdown in order. A DLE is never the second
//! byte, so that an end that is reset in the middle of a mark cannot mistake half of it for another. Bytes outside a
//! connection are ignored.
//!
//! `10 54` before a request for a connection begins the address (`host:port`) to connect to; without it the bridge
//! connects to the provisioned gateway. A bridge that does not know the mark drops the address as noise.
//!
//! `10 41` requests one byte, from a bridge that sends bytes only on request.

use core::cell::Cell;

use crate::hardware::{Link, LinkState};

const DLE: u8 = 0x10;
const DATA: u8 = 0x44;
const OPEN: u8 = 0x4f;
const CLOSE: u8 = 0x43;
const SHUTDOWN: u8 = 0x53;
const ASK: u8 = 0x41;
const ADDRESS: u8 = 0x54;

/// A UART.
pub trait Port {
    /// Returns the next byte that has arrived, without taking it.
    fn peek(&self) -> Option<u8>;

    /// Takes the byte that [`Self::peek`] showed.
    fn take(&self);

    /// Sends a byte, after a wait for room if necessary; false: there was no room.
    fn write(&self, byte: u8) -> bool;
}

/// A [`Link`] over a [`Port`]. Data stays in the port until it is read, so that the board sees it there and does not
/// sleep.
pub struct SerialLink<P> {
    port: P,
    state: Cell<LinkState>,
    /// Whether the byte before the next one was a DLE.
    escaped: Cell<bool>,
    /// Whether the last byte that was sent is a DLE whose second byte is still to be sent.
    half: Cell<bool>,
    hint: Cell<bool>,
    shutdown: Cell<bool>,
    /// Whether a mark has taken effect since the last call of [`Self::take_news`].
    news: Cell<bool>,
}

impl<P: Port> SerialLink<P> {
    /// Makes a closed link.
    pub const fn new(port: P) -> Self {
        Self {
            port,
            state: Cell::new(LinkState::Closed),
            escaped: Cell::new(false),
            half: Cell::new(false),
            hint: Cell::new(false),
            shutdown: Cell::new(false),
            news: Cell::new(false),
        }
    }

    /// Ends a connection that the firmware may have left open before a reset.
    pub fn reset(&self) {
        self.mark(CLOSE);
    }

    /// Whether a mark has taken effect since the last call. Then the node must not sleep: while it looked at one part
    /// of the link's state, a mark may have changed another part that it had looked at before.
    pub fn take_news(&self) -> bool {
        self.news.replace(false)
    }

    /// Requests a byte; false: not possible now.
    pub fn ask(&self) -> bool {
        self.mark(ASK)
    }

    /// Sends a mark: a DLE, unless one was sent already, and `second`.
    fn mark(&self, second: u8) -> bool {
        let begun = self.half.get() || self.port.write(DLE);
        self.half.set(begun && !self.port.write(second));
        begun && !self.half.get()
    }

    /// Requests a connection to `address`; None: to the provisioned gateway.
    fn request(&self, address: Option<&str>) {
        // Bytes that arrived before the request are not its answer.
        self.next();
        self.hint.set(false);
        let is_addressed = address.is_none_or(|it| self.mark(ADDRESS) && it.bytes().all(|byte| self.send(byte)));
        let asked = is_addressed && self.mark(OPEN);
        self.state.set(if asked { LinkState::Opening } else { LinkState::Closed });
    }

    fn send(&self, byte: u8) -> bool {
        if byte == DLE {
            return self.mark(DATA);
        }
        // A DLE that was sent without a second byte becomes a mark without a meaning.
        (!self.half.get() || self.mark(0)) && self.port.write(byte)
    }

    /// Applies the marks before the next data byte and drops noise; returns that byte if it has arrived.
    fn next(&self) -> Option<u8> {
        loop {
            let byte = self.port.peek()?;
            let escaped = self.escaped.get();
            if byte != DLE && self.state.get() == LinkState::Open && (!escaped || byte == DATA) {
                return Some(if escaped { DLE } else { byte });
            }
            self.port.take();
            self.escaped.set(byte == DLE);
            if escaped {
                self.obey(byte);
            }
        }
    }

    fn obey(&self, mark: u8) {
        self.news.set(true);
        match mark {
            OPEN if self.state.get() == LinkState::Opening => self.state.set(LinkState::Open),
            CLOSE => {
                let before = self.state.replace(LinkState::Closed);
                self.hint.set(before == LinkState::Closed || self.hint.get());
            }
            SHUTDOWN => self.shutdown.set(true),
            _ => {}
        }
    }
}

impl<P: Port> Link for SerialLink<P> {
    fn open(&self, _endpoint: &str) {
        self.request(None);
    }

    fn open_assigned(&self, endpoint: &str) {
        self.request(Some(endpoint));
    }

    fn state(&self) -> LinkState {
        self.next();
        self.state.get()
    }

    fn read(&self, buffer: &mut [u8]) -> usize {
        let mut count = 0;
        while count < buffer.len() {
            let Some(byte) = self.next() else { break };
            self.port.take();
            self.escaped.set(false);
            buffer[count] = byte;
            count += 1;
        }
        count
    }

    fn write(&self, data: &[u8]) -> usize {
        if self.state.get() != LinkState::Open {
            return 0;
        }
        data.iter().position(|&byte| !self.send(byte)).unwrap_or(data.len())
    }

    fn close(&self) {
        if self.state.replace(LinkState::Closed) != LinkState::Closed {
            self.mark(CLOSE);
        }
    }

    fn take_hint(&self) -> bool {
        self.state();
        self.hint.replace(false)
    }

    fn shutdown_requested(&self) -> bool {
        self.state();
        self.shutdown.get()
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::VecDeque;
    use alloc::vec::Vec;
    use core::cell::RefCell;

    use super::*;

    struct Wire {
        to_board: RefCell<VecDeque<u8>>,
        from_board: RefCell<Vec<u8>>,
        /// The number of bytes that it still accepts.
        room: Cell<usize>,
    }

    impl Default for Wire {
        fn default() -> Self {
            Self { to_board: RefCell::default(), from_board: RefCell::default(), room: Cell::new(usize::MAX) }
        }
    }

    impl Port for &Wire {
        fn peek(&self) -> Option<u8> {
            self.to_board.borrow().front().copied()
        }

        fn take(&self) {
            self.to_board.borrow_mut().pop_front();
        }

        fn write(&self, byte: u8) -> bool {
            let room = self.room.get();
            if room > 0 {
                self.from_board.borrow_mut().push(byte);
                self.room.set(room - 1);
            }
            room > 0
        }
    }

    impl Wire {
        fn say(&self, bytes: &[u8]) {
            self.to_board.borrow_mut().extend(bytes);
        }
    }

    fn connected(wire: &Wire) -> SerialLink<&Wire> {
        let link = SerialLink::new(wire);
        link.open("gateway:1");
        wire.say(b"\x10\x4f");
        assert_eq!(link.state(), LinkState::Open);
        link
    }

    fn read(link: &impl Link) -> Vec<u8> {
        let mut buffer = [0; 64];
        let count = link.read(&mut buffer);
        buffer[..count].to_vec()
    }

    #[test]
    fn data_passes_only_inside_a_connection_and_unchanged() {
        let wire = Wire::default();
        let link = SerialLink::new(&wire);
        wire.say(b"noise");
        assert_eq!(link.state(), LinkState::Closed);
        link.open("gateway:1");
        wire.say(b"old\x10\x4fA\x10\x44B");
        assert_eq!(link.state(), LinkState::Open);
        assert_eq!(read(&link), b"A\x10B");
        assert_eq!(link.write(b"a\x10b"), 3);
        link.close();
        assert_eq!(*wire.from_board.borrow(), b"\x10\x4fa\x10\x44b\x10\x43");
    }

    #[test]
    fn what_came_before_the_end_can_still_be_read() {
        let wire = Wire::default();
        let link = SerialLink::new(&wire);
        link.open("gateway:1");
        wire.say(b"\x10\x4flast\x10\x43gone");
        assert_eq!(link.state(), LinkState::Open);
        assert_eq!(read(&link), b"last");
        assert_eq!(link.state(), LinkState::Closed);
        assert_eq!(link.write(b"x"), 0);
    }

    #[test]
    fn looking_at_the_state_takes_no_data() {
        let wire = Wire::default();
        let link = SerialLink::new(&wire);
        link.open("gateway:1");
        wire.say(b"\x10\x4f\x10\x44A");
        assert_eq!(link.state(), LinkState::Open);
        assert_eq!(wire.to_board.borrow().len(), 2);
        assert_eq!(link.state(), LinkState::Open);
        assert_eq!(read(&link), b"\x10A");
    }

    #[test]
    fn a_mark_may_be_split_and_an_unknown_one_is_noise() {
        let wire = Wire::default();
        let link = SerialLink::new(&wire);
        link.open("gateway:1");
        wire.say(b"\x10");
        assert_eq!(link.state(), LinkState::Opening);
        wire.say(b"\x4f\x10\x7fA\x10");
        assert_eq!(read(&link), b"A");
        wire.say(b"\x43");
        assert_eq!(link.state(), LinkState::Closed);
        assert!(!link.take_hint());
    }

    #[test]
    fn what_was_for_the_board_before_its_reset_is_no_answer() {
        let wire = Wire::default();
        let link = SerialLink::new(&wire);
        wire.say(b"\x10\x4fdata");
        link.open("gateway:1");
        assert_eq!(link.state(), LinkState::Opening);
        wire.say(b"\x10\x10\x4fA");
        assert_eq!(link.state(), LinkState::Open);
        assert_eq!(read(&link), b"A");
    }

    #[test]
    fn a_wire_that_is_full_at_any_byte_loses_none() {
        let whole = b"a\x10\x10b\x10";
        for room in 0..=8 {
            let wire = Wire::default();
            let link = connected(&wire);
            wire.room.set(room);
            let sent = link.write(whole);
            wire.room.set(usize::MAX);
            assert_eq!(sent + link.write(&whole[sent..]), whole.len());
            assert_eq!(*wire.from_board.borrow(), b"\x10\x4fa\x10\x44\x10\x44b\x10\x44", "room for {room}");
        }
    }

    #[test]
    fn an_assigned_gateway_is_named_before_the_request() {
        let wire = Wire::default();
        let link = SerialLink::new(&wire);
        link.open_assigned("second:1\x10");
        assert_eq!(link.state(), LinkState::Opening);
        assert_eq!(*wire.from_board.borrow(), b"\x10\x54second:1\x10\x44\x10\x4f");
    }

    #[test]
    fn a_wire_without_room_for_the_whole_address_requests_nothing() {
        for room in 0..b"\x10\x54g:1\x10\x4f".len() {
            let wire = Wire::default();
            let link = SerialLink::new(&wire);
            wire.room.set(room);
            link.open_assigned("g:1");
            assert_eq!(link.state(), LinkState::Closed, "room for {room}");
        }
    }

    #[test]
    fn what_was_begun_and_given_up_is_not_taken_for_something_else() {
        for given_up in [b"\x10", b"a"] {
            let wire = Wire::default();
            let link = connected(&wire);
            wire.room.set(1);
            link.write(given_up);
            assert!(!link.ask());
            wire.room.set(usize::MAX);
            link.close();
            link.open("gateway:1");
            let sent: &[u8] = if given_up == b"a" { b"a\x10\x43" } else { b"\x10\x43" };
            assert_eq!(*wire.from_board.borrow(), [b"\x10\x4f", sent, b"\x10\x4f"].concat());
        }
    }

    #[test]
    fn a_question_that_is_half_asked_leaves_the_data_whole() {
        let wire = Wire::default();
        let link = connected(&wire);
        wire.room.set(1);
        assert!(!link.ask());
        wire.room.set(usize::MAX);
        assert_eq!(link.write(b"a\x10"), 2);
        assert!(link.ask());
        assert_eq!(*wire.from_board.borrow(), b"\x10\x4f\x10\0a\x10\x44\x10\x41");
    }

    #[test]
    fn what_one_question_has_found_is_news_for_the_others() {
        let wire = Wire::default();
        let link = SerialLink::new(&wire);
        link.open("gateway:1");
        assert_eq!(link.state(), LinkState::Opening);
        assert!(!link.take_news());
        wire.say(b"\x10\x4f");
        assert!(!link.shutdown_requested());
        assert!(link.take_news());
        assert!(!link.take_news());
        assert_eq!(link.state(), LinkState::Open);
    }

    #[test]
    fn a_closed_link_hears_hints_and_the_request_to_stop() {
        let wire = Wire::default();
        let link = SerialLink::new(&wire);
        wire.say(b"\x10\x43");
        assert!(link.take_hint());
        assert!(!link.take_hint());
        assert!(!link.shutdown_requested());
        wire.say(b"\x10\x53");
        assert!(link.shutdown_requested());
    }
}
