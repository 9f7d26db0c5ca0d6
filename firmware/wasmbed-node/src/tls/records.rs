//! Collects whole TLS records for embedded-tls.
//!
//! embedded-tls waits for whole records, and loses the start of a record's header if the wait is broken off. That is
//! fine during the handshake. During a session nothing may block, so a record is collected here first, and embedded-tls
//! reads only complete records.

use core::cell::RefCell;

use embedded_io::{ErrorKind, ErrorType, Read, Write};

use crate::hardware::{Hardware, LinkState};
use crate::transport::{Ended, send_all};

const HEADER: usize = 5;

/// Whether reading may block.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Reading may block until the deadline.
    Handshake,
    /// Reading must not block.
    Session,
}

/// The link as a stream of records.
pub struct Records<'b> {
    hardware: Hardware,
    mode: Mode,
    deadline: u64,
    /// Buffer for one record; `filled` bytes have arrived, `taken` bytes were read.
    buffer: &'b mut [u8],
    filled: usize,
    taken: usize,
    ended: Option<Ended>,
}

impl<'b> Records<'b> {
    /// Prepares for a handshake that has to end by `deadline`.
    pub fn new(hardware: Hardware, buffer: &'b mut [u8], deadline: u64) -> Self {
        Self { hardware, mode: Mode::Handshake, deadline, buffer, filled: 0, taken: 0, ended: None }
    }

    pub fn set_mode(&mut self, mode: Mode) {
        self.mode = mode;
    }

    /// Why the link ended, if that made reading or writing fail.
    pub fn ended(&self) -> Option<Ended> {
        self.ended
    }

    fn end(&mut self, ended: Ended) -> Ended {
        self.ended = Some(ended);
        ended
    }

    /// Reads what the link has; true: a whole record is complete.
    pub fn is_complete(&mut self) -> Result<bool, Ended> {
        loop {
            let wanted = match self.buffer[..self.filled].first_chunk::<HEADER>() {
                None => HEADER,
                Some(header) => HEADER + usize::from(u16::from_be_bytes([header[3], header[4]])),
            };
            if self.filled >= HEADER && self.filled == wanted {
                return Ok(true);
            }
            let Some(room) = self.buffer.get_mut(self.filled..wanted) else {
                return Err(
                    self.end(Ended::Broken("the gateway sent a TLS record that is larger than this board's buffer"))
                );
            };
            match self.hardware.link.read(room) {
                0 if self.hardware.link.state() == LinkState::Open => return Ok(false),
                0 => return Err(self.end(Ended::ByGateway)),
                count => self.filled += count,
            }
        }
    }

    fn read_collected(&mut self, out: &mut [u8]) -> Result<usize, ErrorKind> {
        if !matches!(self.is_complete(), Ok(true)) {
            return Err(ErrorKind::Interrupted);
        }
        let count = out.len().min(self.filled - self.taken);
        out[..count].copy_from_slice(&self.buffer[self.taken..self.taken + count]);
        self.taken += count;
        if self.taken == self.filled {
            (self.filled, self.taken) = (0, 0);
        }
        Ok(count)
    }

    fn wait(&mut self, out: &mut [u8]) -> Result<usize, ErrorKind> {
        loop {
            let count = self.hardware.link.read(out);
            if count > 0 {
                return Ok(count);
            }
            if self.hardware.link.state() != LinkState::Open {
                self.end(Ended::ByGateway);
                return Err(ErrorKind::ConnectionReset);
            }
            if self.hardware.clock.now() >= self.deadline {
                self.end(Ended::TimedOut);
                return Err(ErrorKind::TimedOut);
            }
            self.hardware.rest(self.deadline);
        }
    }
}

/// A handle on [`Records`] for embedded-tls to own.
pub struct Stream<'a, 'b>(pub &'a RefCell<Records<'b>>);

impl ErrorType for Stream<'_, '_> {
    type Error = ErrorKind;
}

impl Read for Stream<'_, '_> {
    fn read(&mut self, out: &mut [u8]) -> Result<usize, ErrorKind> {
        let mut records = self.0.borrow_mut();
        match records.mode {
            Mode::Handshake => records.wait(out),
            Mode::Session => records.read_collected(out),
        }
    }
}

impl Write for Stream<'_, '_> {
    fn write(&mut self, data: &[u8]) -> Result<usize, ErrorKind> {
        let hardware = self.0.borrow().hardware;
        match send_all(&hardware, data) {
            Ok(()) => Ok(data.len()),
            Err(ended) => {
                self.0.borrow_mut().end(ended);
                Err(ErrorKind::BrokenPipe)
            }
        }
    }

    fn flush(&mut self) -> Result<(), ErrorKind> {
        Ok(())
    }
}
