//! The certificate that was issued to the board, in memory that survives a power cut.
//!
//! `"WBCT"`, a 4-byte big-endian length, the certificate, and the SHA-256 of the certificate.

use alloc::vec::Vec;

use sha2::{Digest, Sha256};

use crate::hardware::Flash;

const MAGIC: [u8; 4] = *b"WBCT";
const DIGEST: usize = 32;

/// Returns the stored certificate if it is undamaged.
pub fn load_certificate(flash: &dyn Flash) -> Option<&[u8]> {
    let (magic, rest) = flash.contents().split_first_chunk::<4>()?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let length = u32::from_be_bytes(*length) as usize;
    let certificate = rest.get(..length)?;
    let digest = rest.get(length..length.checked_add(DIGEST)?)?;
    (*magic == MAGIC && Sha256::digest(certificate).as_slice() == digest).then_some(certificate)
}

/// Stores a certificate; false: it does not fit, or the flash refused it.
pub fn store_certificate(flash: &dyn Flash, certificate: &[u8]) -> bool {
    let mut record = Vec::from(MAGIC);
    record.extend_from_slice(&(certificate.len() as u32).to_be_bytes());
    record.extend_from_slice(certificate);
    record.extend_from_slice(&Sha256::digest(certificate));
    flash.replace(&record)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Area([u8; 64]);

    impl Flash for Area {
        fn contents(&self) -> &[u8] {
            &self.0
        }

        fn replace(&self, _: &[u8]) -> bool {
            false
        }
    }

    #[test]
    fn only_a_whole_record_is_a_certificate() {
        let mut area = Area([0; 64]);
        assert_eq!(load_certificate(&area), None);
        area.0[..4].copy_from_slice(&MAGIC);
        area.0[7] = 3;
        area.0[8..11].copy_from_slice(b"abc");
        assert_eq!(load_certificate(&area), None);
        area.0[11..43].copy_from_slice(&Sha256::digest(b"abc"));
        assert_eq!(load_certificate(&area), Some(&b"abc"[..]));
        for damaged in [0, 7, 8, 42] {
            area.0[damaged] ^= 0x40;
            assert_eq!(load_certificate(&area), None, "byte {damaged}");
            area.0[damaged] ^= 0x40;
        }
    }
}
