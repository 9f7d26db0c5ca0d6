//! Random numbers, seeded by provisioning and by the board.
//!
//! With TLS they become keys, and the generator is HMAC_DRBG (NIST SP 800-90A) over SHA-256. A board without TLS needs
//! only nonces, and has memory only for a chain of hashes.

use rand_core::{CryptoRng, RngCore};
use sha2::{Digest, Sha256};

use crate::hardware::Entropy;

#[cfg(feature = "tls")]
type Generator = rfc6979::HmacDrbg<Sha256>;

/// The node's generator.
pub struct Random(Generator);

impl Random {
    /// `seed` is the secret. `salt` makes boards differ that got the same seed by mistake.
    pub fn new(seed: &[u8], salt: &[u8], entropy: &dyn Entropy) -> Self {
        let mut sampled = Sha256::new();
        sampled.update(salt);
        for _ in 0..8 {
            sampled.update(entropy.sample().to_be_bytes());
        }
        Self(Generator::new(&Sha256::digest(seed), &sampled.finalize(), &[]))
    }

    /// Returns a number below `bound`, uniform enough for jitter.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next_u64() % bound.max(1)
    }
}

#[cfg(not(feature = "tls"))]
struct Generator([u8; 32]);

#[cfg(not(feature = "tls"))]
impl Generator {
    fn new(seed: &[u8], nonce: &[u8], _: &[u8]) -> Self {
        Self(Sha256::new().chain_update(seed).chain_update(nonce).finalize().into())
    }

    fn fill_bytes(&mut self, out: &mut [u8]) {
        for block in out.chunks_mut(32) {
            block.copy_from_slice(&Sha256::new().chain_update([0]).chain_update(self.0).finalize()[..block.len()]);
            self.0 = Sha256::new().chain_update([1]).chain_update(self.0).finalize().into();
        }
    }
}

impl RngCore for Random {
    fn next_u32(&mut self) -> u32 {
        rand_core::impls::next_u32_via_fill(self)
    }

    fn next_u64(&mut self) -> u64 {
        rand_core::impls::next_u64_via_fill(self)
    }

    fn fill_bytes(&mut self, out: &mut [u8]) {
        self.0.fill_bytes(out);
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), rand_core::Error> {
        self.fill_bytes(out);
        Ok(())
    }
}

impl CryptoRng for Random {}

#[cfg(test)]
mod tests {
    use core::cell::Cell;

    use super::*;

    struct Counter(Cell<u64>);

    impl Entropy for Counter {
        fn sample(&self) -> u64 {
            self.0.replace(self.0.get() + 1)
        }
    }

    #[test]
    fn a_second_boot_with_the_same_seed_is_another_sequence() {
        let entropy = Counter(Cell::new(0));
        let first = Random::new(&[7; 32], b"a", &entropy).next_u64();
        let second = Random::new(&[7; 32], b"a", &entropy).next_u64();
        assert_ne!(first, second);
        entropy.0.set(0);
        assert_eq!(Random::new(&[7; 32], b"a", &entropy).next_u64(), first);
        entropy.0.set(0);
        assert_ne!(Random::new(&[7; 32], b"b", &entropy).next_u64(), first);
    }
}
