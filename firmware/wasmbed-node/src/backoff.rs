//! The pauses between attempts to connect.

use crate::random::Random;

const FIRST: u64 = 250;
const LONGEST: u64 = 30_000;
/// The longest pause that a gateway can ask for, milliseconds.
const PATIENCE: u64 = 600_000;

/// A pause that doubles with each failure up to a limit, with jitter of up to half of it. Times are in milliseconds.
#[derive(Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// Starts again from the first pause, after a success.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// Returns the pause after one more failure; the pause that the gateway asked for counts if it is longer.
    pub fn next(&mut self, retry_after: Option<u64>, random: &mut Random) -> u64 {
        let base = LONGEST.min(FIRST << self.failures.min(16));
        self.failures += 1;
        let delay = base / 2 + random.below(base);
        match retry_after {
            Some(wish) => delay.max(wish.min(PATIENCE) + random.below(FIRST / 2)),
            None => delay,
        }
    }
}

/// Returns the pause before the start of a firmware that has failed `failures` times in a row: longer each time, up to
/// ten seconds.
pub const fn pause_after_failures(failures: u32) -> u64 {
    const FIRST: u64 = 100;
    const LONGEST: u64 = 10_000;
    match failures.checked_sub(3) {
        Some(0..=6) => FIRST << (failures - 3),
        Some(_) => LONGEST,
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hardware::Entropy;

    struct Zero;

    impl Entropy for Zero {
        fn sample(&self) -> u64 {
            0
        }
    }

    #[test]
    fn the_wait_grows_to_a_limit_and_follows_the_gateways_wish() {
        let mut random = Random::new(&[0; 32], b"", &Zero);
        let mut backoff = Backoff::default();
        for failures in 0..40 {
            let base = LONGEST.min(FIRST << failures.min(16));
            let delay = backoff.next(None, &mut random);
            assert!((base / 2..base + base / 2).contains(&delay), "{delay} after {failures} failures");
        }
        assert!(backoff.next(Some(90_000), &mut random) >= 90_000);
        assert!(backoff.next(Some(u64::MAX), &mut random) < PATIENCE + FIRST);
        backoff.reset();
        assert!(backoff.next(None, &mut random) < 2 * FIRST);
    }
}
