//! What a session speaks through: bytes in order, with or without TLS under them.

use core::fmt;

use wasmbed_protocol::FrameDecoder;

use crate::hardware::{Hardware, LinkState};

/// Why a transport is of no more use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The other side closed it.
    ByGateway,
    /// The link did not take bytes, or bring them, in time.
    TimedOut,
    /// Something else, in words.
    Broken(&'static str),
}

impl fmt::Display for Ended {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::ByGateway => "the gateway closed the connection",
            Self::TimedOut => "the gateway does not answer",
            Self::Broken(reason) => reason,
        })
    }
}

/// An established connection to the gateway.
pub trait Transport {
    /// Moves what has arrived into `frames`, but no more than the next frame needs: more may arrive for ever. Does not
    /// wait.
    ///
    /// # Errors
    /// Nothing more will come. What came before is in `frames`.
    fn receive(&mut self, frames: &mut FrameDecoder) -> Result<(), Ended>;

    /// Sends `data`, waiting as long as the link may need.
    ///
    /// # Errors
    /// The link took too long, or is gone.
    fn send(&mut self, data: &[u8]) -> Result<(), Ended>;

    /// Says goodbye; the link itself stays for the caller to close.
    fn close(&mut self);
}

/// How long the link may take to accept what is to be sent, milliseconds.
const SEND_WITHIN: u64 = 10_000;

/// Gives all of `data` to the link.
///
/// # Errors
/// As [`Transport::send`].
pub fn send_all(hardware: &Hardware, mut data: &[u8]) -> Result<(), Ended> {
    let deadline = hardware.clock.now() + SEND_WITHIN;
    while !data.is_empty() {
        let taken = hardware.link.write(data);
        data = &data[taken..];
        if taken == 0 {
            let now = hardware.clock.now();
            if hardware.link.state() != LinkState::Open {
                return Err(Ended::ByGateway);
            }
            if now >= deadline {
                return Err(Ended::TimedOut);
            }
            hardware.rest(now + 1);
        }
    }
    Ok(())
}

/// Frames straight on the link, for boards that cannot do TLS and have somebody else to do it.
pub struct Plain(pub Hardware);

impl Transport for Plain {
    fn receive(&mut self, frames: &mut FrameDecoder) -> Result<(), Ended> {
        let mut buffer = [0; 64];
        while frames.wants_more() {
            match self.0.link.read(&mut buffer) {
                0 if self.0.link.state() == LinkState::Open => break,
                0 => return Err(Ended::ByGateway),
                count => frames.push(&buffer[..count]),
            }
        }
        Ok(())
    }

    fn send(&mut self, data: &[u8]) -> Result<(), Ended> {
        send_all(&self.0, data)
    }

    fn close(&mut self) {}
}
