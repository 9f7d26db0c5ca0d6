//! The map in a board's provisioning blob (`provisioning.cddl`): its identity, its gateway, and how to start.

use alloc::vec::Vec;

use minicbor::Decoder;

use crate::deterministic::check_item;
use crate::field::{Field, Out, ReadError, WriteResult, message};

/// The version of the map.
pub const VERSION: u64 = 1;

message! {
    /// The board's identity, the authorities that it trusts, and how to start.
    Provisioning<'a> {
        /// Version of this map.
        0 => version: u64,
        /// The device's name: subject common name of its certificate or signing request.
        1 => name: &'a str [1..=253],
        /// PKCS #8, P-256.
        2 => private_key: &'a [u8],
        /// X.509; absent: enroll by signing request.
        3 => certificate: Option<&'a [u8]>,
        /// The certificates of the authorities that sign gateways, one after the other.
        4 => authorities: &'a [u8],
        /// `host:port`.
        5 => gateway: &'a str,
        /// The name the gateway's certificate must carry.
        6 => server_name: &'a str,
        /// Milliseconds since the Unix epoch at power-on; 0: unknown, and validity is not checked.
        7 => boot_time: u64,
        /// Random bytes, different at every power-on.
        8 => entropy: &'a [u8] [32..=64],
        /// The one-time secret that goes with a signing request.
        9 => pairing_token: Option<&'a str>,
        /// The device type that the board claims at enrollment instead of its own.
        10 => device_type: Option<&'a str>,
        /// The capabilities that it claims instead of its own.
        11 => capabilities: Option<Vec<&'a str>>,
        /// SubjectPublicKeyInfo of the private key; for boards that cannot compute it.
        12 => public_key: Option<&'a [u8]>,
        /// Milliseconds without a sign of life after which the watchdog resets the board.
        13 => watchdog: Option<u64>,
        /// A fault to provoke once, to see it reported: `panic`, `hard-fault`, `stack-overflow`, `heap-exhaustion`,
        /// `hang`.
        14 => self_test: Option<&'a str>,
        /// Whether the board is being recorded. Then it wakes often, and asks for each byte of the link.
        15 => recorded: Option<bool>,
        /// The board's own address on Ethernet with its prefix length, `10.0.2.15/24`. Then Ethernet is the link.
        16 => ethernet: Option<&'a str>,
    }
}

impl<'a> Provisioning<'a> {
    /// Decodes the map. None: not a map of this version, or a field is missing or has the wrong type or size.
    pub fn decode(map: &'a [u8]) -> Option<Self> {
        check_item(map).ok()?;
        Self::read(&mut Decoder::new(map)).ok().filter(|provisioning| provisioning.version == VERSION)
    }

    /// Encodes the map deterministically.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        // Writing to a vector cannot fail.
        let _ = self.write(&mut Out::new(&mut out));
        out
    }
}
