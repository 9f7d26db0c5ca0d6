//! What embedded-tls reads from and writes to.
//!
//! embedded-tls waits for whole records, and forgets the beginning of a record's header if the wait is broken off.
//! During the handshake that is fine. During a session nothing may wait, so a record is collected here first, and
//! embedded-tls is only asked to read when all of it is there.

use core::cell::RefCell;

use embedded_io::{ErrorKind, ErrorType, Read, Write};

use crate::hardware::{Hardware, LinkState};
use crate::transport::{Ended, send_all};

const HEADER: usize = 5;

/// Whether reading may wait.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// It may.
    Handshake,
    /// It may not.
    Session,
}

/// The link, as records.
pub struct Records<'b> {
    hardware: Hardware,
    mode: Mode,
    deadline: u64,
    /// Room for one record, of which `filled` bytes have arrived and `taken` bytes were read.
    buffer: &'b mut [u8],
    filled: usize,
    taken: usize,
    ended: Option<Ended>,
}

impl<'b> Records<'b> {
    /// For a handshake that has to be done by `deadline`.
    pub fn new(hardware: Hardware, buffer: &'b mut [u8], deadline: u64) -> Self {
        Self { hardware, mode: Mode::Handshake, deadline, buffer, filled: 0, taken: 0, ended: None }
    }

    pub fn set_mode(&mut self, mode: Mode) {
        self.mode = mode;
    }

    /// Why reading or writing failed, if it was the link's doing.
    pub fn ended(&self) -> Option<Ended> {
        self.ended
    }

    fn end(&mut self, ended: Ended) -> Ended {
        self.ended = Some(ended);
        ended
    }

    /// Takes in what the link has; true: a whole record is here.
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
                return Err(self.end(Ended::Broken("the gateway sent a TLS record larger than this board can take")));
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
