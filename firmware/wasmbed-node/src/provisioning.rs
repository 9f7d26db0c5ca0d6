//! The provisioning blob: who the board is and whom it trusts, found in memory and never compiled in.
//!
//! `"WBID"`, a 4-byte big-endian length, that many bytes of CBOR (`provisioning` in `provisioning.cddl`), and the
//! SHA-256 of the CBOR.

use alloc::vec::Vec;
use core::fmt;

use minicbor::Decode;
use sha2::{Digest, Sha256};

/// What the blob begins with.
pub const MAGIC: [u8; 4] = *b"WBID";
/// The version of the map.
pub const VERSION: u8 = 1;
const DIGEST: usize = 32;

/// What a board is told from outside.
#[derive(Clone, Debug, Decode)]
#[cbor(map)]
pub struct Provisioning<'a> {
    /// Of this map.
    #[n(0)]
    pub version: u8,
    /// The device's name: subject common name of its certificate or signing request.
    #[b(1)]
    pub name: &'a str,
    /// PKCS #8, P-256.
    #[cbor(b(2), with = "minicbor::bytes")]
    pub private_key: &'a [u8],
    /// X.509; absent: enroll by signing request.
    #[cbor(b(3), with = "minicbor::bytes")]
    pub certificate: Option<&'a [u8]>,
    /// The certificate of the authority that signs gateways.
    #[cbor(b(4), with = "minicbor::bytes")]
    pub authority: &'a [u8],
    /// `host:port`.
    #[b(5)]
    pub gateway: &'a str,
    /// The name the gateway's certificate must carry.
    #[b(6)]
    pub server_name: &'a str,
    /// Milliseconds since the Unix epoch when the board is switched on; 0: not known, validity is not checked.
    #[n(7)]
    pub boot_time: u64,
    /// At least 32 bytes, never given twice.
    #[cbor(b(8), with = "minicbor::bytes")]
    pub entropy: &'a [u8],
    /// The one-time secret that goes with a signing request.
    #[b(9)]
    pub pairing_token: Option<&'a str>,
    /// What to claim at enrollment instead of the board's own value.
    #[b(10)]
    pub device_type: Option<&'a str>,
    /// Likewise.
    #[b(11)]
    pub capabilities: Option<Vec<&'a str>>,
    /// SubjectPublicKeyInfo of the private key; needed by boards that cannot compute it.
    #[cbor(b(12), with = "minicbor::bytes")]
    pub public_key: Option<&'a [u8]>,
    /// Milliseconds without a sign of life until the watchdog bites.
    #[n(13)]
    pub watchdog: Option<u32>,
    /// A fault to provoke once, to see it reported: `panic`, `hard-fault`, `stack-overflow`, `heap-exhaustion`, `hang`.
    #[b(14)]
    pub self_test: Option<&'a str>,
}

/// Why there is no provisioning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unprovisioned {
    /// There is no blob.
    Absent,
    /// It is longer than its place.
    TooLong,
    /// Its digest does not match: truncated or damaged.
    Damaged,
    /// Not a map of this version, or a field is missing or of the wrong type.
    Malformed,
}

impl fmt::Display for Unprovisioned {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Absent => "there is no provisioning blob",
            Self::TooLong => "the provisioning blob is longer than its place",
            Self::Damaged => "the provisioning blob is truncated or damaged",
            Self::Malformed => "the provisioning blob is not a map of version 1",
        })
    }
}

impl<'a> Provisioning<'a> {
    /// Reads the blob at the beginning of `place`.
    ///
    /// # Errors
    /// There is none, or it is not whole.
    pub fn read(place: &'a [u8]) -> Result<Self, Unprovisioned> {
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
        let provisioning: Self = minicbor::decode(map).map_err(|_| Unprovisioned::Malformed)?;
        if provisioning.version != VERSION || provisioning.entropy.len() < 32 || provisioning.name.is_empty() {
            return Err(Unprovisioned::Malformed);
        }
        Ok(provisioning)
    }
}
