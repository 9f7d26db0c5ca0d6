//! Frames on a byte stream: a 4-byte big-endian length, then that many bytes.

use alloc::vec::Vec;

use crate::error::ProtocolError;

/// Bytes before a frame's payload.
pub const HEADER_SIZE: usize = 4;

/// Cuts a byte stream into frames, wherever the stream was split on its way.
///
/// It holds only bytes that have arrived; a length in a header reserves no memory.
#[derive(Debug)]
pub struct FrameDecoder {
    limit: usize,
    buffer: Vec<u8>,
}

impl FrameDecoder {
    /// A decoder for payloads of at most `limit` bytes.
    pub const fn new(limit: usize) -> Self {
        Self { limit, buffer: Vec::new() }
    }

    /// Appends bytes that have arrived.
    pub fn push(&mut self, data: &[u8]) {
        self.buffer.extend_from_slice(data);
    }

    /// Returns the next frame's payload; None until it is complete.
    ///
    /// # Errors
    /// The stream announced an empty frame, or one above the limit. Nothing after it can be read.
    pub fn peek(&self) -> Result<Option<&[u8]>, ProtocolError> {
        Ok(self.length()?.and_then(|length| self.buffer.get(HEADER_SIZE..length)))
    }

    /// Whether the next frame is not complete, and may still become so.
    pub fn wants_more(&self) -> bool {
        matches!(self.peek(), Ok(None))
    }

    /// Drops the frame that [`Self::peek`] showed.
    pub fn drop_frame(&mut self) {
        if let Ok(Some(length)) = self.length() {
            self.buffer.drain(..length.min(self.buffer.len()));
        }
        if self.buffer.is_empty() {
            // On a small board, the module from a large frame needs the memory that the frame took.
            self.buffer = Vec::new();
        }
    }

    /// Forgets everything, for a new stream.
    pub fn clear(&mut self) {
        self.buffer.clear();
    }

    fn length(&self) -> Result<Option<usize>, ProtocolError> {
        let Some(header) = self.buffer.first_chunk::<HEADER_SIZE>() else { return Ok(None) };
        match u32::from_be_bytes(*header) as usize {
            0 => Err(ProtocolError::BadFrame("a frame of length zero")),
            size if size > self.limit => Err(ProtocolError::BadFrame("a frame above the limit")),
            size => Ok(Some(HEADER_SIZE + size)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_survive_any_split() {
        let stream = [0, 0, 0, 2, 7, 8, 0, 0, 0, 1, 9];
        for split in 0..=stream.len() {
            let mut decoder = FrameDecoder::new(2);
            let mut frames = Vec::new();
            for part in [&stream[..split], &stream[split..]] {
                decoder.push(part);
                while let Some(frame) = decoder.peek().unwrap() {
                    frames.push(frame.to_vec());
                    decoder.drop_frame();
                }
            }
            assert_eq!(frames, [alloc::vec![7, 8], alloc::vec![9]], "split at {split}");
        }
    }

    #[test]
    fn a_bad_length_is_an_error_at_once() {
        for header in [[0, 0, 0, 0], [0, 0, 0, 3], [255; 4]] {
            let mut decoder = FrameDecoder::new(2);
            decoder.push(&header[..3]);
            assert_eq!(decoder.peek(), Ok(None));
            decoder.push(&header[3..]);
            assert!(decoder.peek().is_err(), "{header:?}");
        }
    }
}
