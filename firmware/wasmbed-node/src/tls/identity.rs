//! The device's key, and the signing request that it makes for a certificate.

use alloc::vec::Vec;

use p256::ecdsa::{DerSignature, SigningKey, signature::Signer};
use p256::pkcs8::{DecodePrivateKey, EncodePublicKey};

use crate::tls::x509::{COMMON_NAME, Certificate, ECDSA_WITH_SHA256, element};

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OBJECT_IDENTIFIER: u8 = 0x06;
const UTF8_STRING: u8 = 0x0c;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const ATTRIBUTES: u8 = 0xa0;

/// A P-256 key.
pub struct Identity {
    key: SigningKey,
    public_key: Vec<u8>,
}

impl Identity {
    /// Reads a key. None: it is not a P-256 key in PKCS #8 DER.
    pub fn from_pkcs8(private_key: &[u8]) -> Option<Self> {
        let key = SigningKey::from_pkcs8_der(private_key).ok()?;
        let public_key = p256::PublicKey::from(key.verifying_key()).to_public_key_der().ok()?.into_vec();
        Some(Self { key, public_key })
    }

    /// SubjectPublicKeyInfo, DER.
    pub fn public_key(&self) -> &[u8] {
        &self.public_key
    }

    pub(crate) fn signing_key(&self) -> &SigningKey {
        &self.key
    }

    /// A certification request (RFC 2986) for `name`, DER.
    pub fn signing_request(&self, name: &str) -> Vec<u8> {
        let common_name = element(OBJECT_IDENTIFIER, &[COMMON_NAME.as_bytes()]);
        let attribute = element(SEQUENCE, &[&common_name, &element(UTF8_STRING, &[name.as_bytes()])]);
        let subject = element(SEQUENCE, &[&element(SET, &[&attribute])]);
        let version = element(INTEGER, &[&[0]]);
        let info = element(SEQUENCE, &[&version, &subject, &self.public_key, &element(ATTRIBUTES, &[])]);
        let signature: DerSignature = self.key.sign(&info);
        let algorithm = element(SEQUENCE, &[&element(OBJECT_IDENTIFIER, &[ECDSA_WITH_SHA256.as_bytes()])]);
        element(SEQUENCE, &[&info, &algorithm, &element(BIT_STRING, &[&[0], signature.as_bytes()])])
    }

    /// Whether `certificate` (DER) was issued to `name` for this key.
    pub fn owns(&self, certificate: &[u8], name: &str) -> bool {
        Certificate::read(certificate)
            .is_ok_and(|certificate| certificate.public_key_info == self.public_key && certificate.is_called(name))
    }
}
