//! The provisioning blob: the board's identity and the authorities that it trusts, found in memory, never compiled in.
//!
//! `"WBID"`, a 4-byte big-endian length, that many bytes of CBOR (`provisioning` in `provisioning.cddl`), and the
//! SHA-256 of the CBOR.

use core::fmt;

use sha2::{Digest, Sha256};
pub use wasmbed_protocol::provisioning::Provisioning;

/// The blob's first bytes.
pub const MAGIC: [u8; 4] = *b"WBID";
const DIGEST: usize = 32;

/// Why the board has no provisioning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unprovisioned {
    /// The magic bytes are missing.
    Absent,
    /// The blob is longer than its memory.
    TooLong,
    /// The digest does not match: the blob is truncated or damaged.
    Damaged,
    /// Not a map of this version, or a field is missing or of the wrong type or size.
    Malformed,
}

impl fmt::Display for Unprovisioned {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Absent => "there is no provisioning blob",
            Self::TooLong => "the provisioning blob is longer than the memory for it",
            Self::Damaged => "the provisioning blob is truncated or damaged",
            Self::Malformed => "the provisioning blob is not a map of version 1 with all required fields",
        })
    }
}

/// Reads the blob at the start of `place`.
///
/// # Errors
/// The blob is absent or invalid.
pub fn read(place: &[u8]) -> Result<Provisioning<'_>, Unprovisioned> {
    let (magic, rest) = place.split_first_chunk::<4>().ok_or(Unprovisioned::Absent)?;
    if *magic != MAGIC {
        return Err(Unprovisioned::Absent);
    }
    let (length, rest) = rest.split_first_chunk::<4>().ok_or(Unprovisioned::Damaged)?;
    let length = u32::from_be_bytes(*length) as usize;
    let end = length.checked_add(DIGEST).filter(|&end| end <= rest.len()).ok_or(Unprovisioned::TooLong)?;
    let (map, digest) = rest[..end].split_at(length);
    if Sha256::digest(map).as_slice() != digest {
        return Err(Unprovisioned::Damaged);
    }
    Provisioning::decode(map).ok_or(Unprovisioned::Malformed)
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    fn blob(map: &[u8]) -> Vec<u8> {
        let mut blob = Vec::from(MAGIC);
        blob.extend((map.len() as u32).to_be_bytes());
        blob.extend(map);
        blob.extend(Sha256::digest(map));
        blob
    }

    fn provisioning() -> Provisioning<'static> {
        Provisioning {
            version: 1,
            name: "board-1",
            private_key: b"key",
            certificate: None,
            authorities: b"authorities",
            gateway: "gateway:1",
            server_name: "gateway",
            boot_time: 1,
            entropy: &[7; 32],
            pairing_token: Some("token"),
            device_type: None,
            capabilities: Some(Vec::from(["tls", "cbor"])),
            public_key: None,
            watchdog: Some(500),
            self_test: None,
            recorded: None,
            ethernet: None,
        }
    }

    #[test]
    fn a_whole_blob_is_read() {
        let mut place = blob(&provisioning().encode());
        place.resize(4096, 0xff);
        assert_eq!(read(&place), Ok(provisioning()));
    }

    #[test]
    fn anything_else_is_told_apart() {
        let good = blob(&provisioning().encode());
        assert_eq!(read(&[0; 64]), Err(Unprovisioned::Absent));
        assert_eq!(read(&good[..3]), Err(Unprovisioned::Absent));
        assert_eq!(read(&good[..good.len() - 1]), Err(Unprovisioned::TooLong));
        let mut truncated = good.clone();
        truncated[40..].fill(0);
        assert_eq!(read(&truncated), Err(Unprovisioned::Damaged));
        assert_eq!(read(&blob(b"\xa0")), Err(Unprovisioned::Malformed));
        for wrong in [
            Provisioning { version: 2, ..provisioning() },
            Provisioning { entropy: b"short", ..provisioning() },
            Provisioning { name: "", ..provisioning() },
        ] {
            assert_eq!(read(&blob(&wrong.encode())), Err(Unprovisioned::Malformed));
        }
    }
}
