//! The byte stream under a session, with or without TLS.

use core::fmt;

use wasmbed_protocol::FrameDecoder;

use crate::hardware::{Hardware, LinkState};

/// Why a transport has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The gateway closed it.
    ByGateway,
    /// The link did not accept or deliver bytes in time.
    TimedOut,
    /// Another reason, as text.
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
    /// Moves bytes that have arrived into `frames`, but only as many as the next frame needs, because a flood may never
    /// end. Does not block.
    ///
    /// # Errors
    /// The transport has ended. The bytes that came before are in `frames`.
    fn receive(&mut self, frames: &mut FrameDecoder) -> Result<(), Ended>;

    /// Sends `data`; blocks while the link accepts nothing.
    ///
    /// # Errors
    /// The link took too long, or has ended.
    fn send(&mut self, data: &[u8]) -> Result<(), Ended>;

    /// Ends the stream in order. The caller closes the link.
    fn close(&mut self);
}

/// Milliseconds within which the link has to accept the bytes.
const SEND_WITHIN: u64 = 10_000;

/// Writes all of `data` to the link.
///
/// # Errors
/// Like [`Transport::send`].
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

/// Frames directly on the link, for boards that cannot do TLS: the bridge does it for them.
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
