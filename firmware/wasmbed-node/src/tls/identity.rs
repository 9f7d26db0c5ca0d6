//! The device's key: what it proves, and the signing request by which it asks for a certificate.

use alloc::string::ToString;
use alloc::vec::Vec;

use p256::ecdsa::{DerSignature, SigningKey, signature::Signer};
use p256::pkcs8::{DecodePrivateKey, EncodePublicKey};
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::certificate::Certificate;
use x509_cert::der::asn1::{BitString, SetOfVec, Utf8StringRef};
use x509_cert::der::oid::db::rfc4519::COMMON_NAME;
use x509_cert::der::oid::db::rfc5912::ECDSA_WITH_SHA_256;
use x509_cert::der::{self, Decode, Encode};
use x509_cert::name::{RdnSequence, RelativeDistinguishedName};
use x509_cert::request::{CertReq, CertReqInfo, Version};
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};

/// A P-256 key.
pub struct Identity {
    key: SigningKey,
    public_key: Vec<u8>,
}

impl Identity {
    /// None: not a P-256 key in PKCS #8 DER.
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
    ///
    /// # Errors
    /// `name` is no text a certificate can carry.
    pub fn signing_request(&self, name: &str) -> der::Result<Vec<u8>> {
        let info = CertReqInfo {
            version: Version::V1,
            subject: common_name(name)?,
            public_key: SubjectPublicKeyInfoOwned::from_der(&self.public_key)?,
            attributes: SetOfVec::default(),
        };
        let signature: DerSignature = self.key.sign(&info.to_der()?);
        let algorithm = AlgorithmIdentifierOwned { oid: ECDSA_WITH_SHA_256, parameters: None };
        CertReq { info, algorithm, signature: BitString::from_bytes(signature.as_bytes())? }.to_der()
    }

    /// Whether `certificate` (DER) was issued to `name` for this key.
    pub fn owns(&self, certificate: &[u8], name: &str) -> bool {
        let Ok(certificate) = Certificate::from_der(certificate) else { return false };
        let certificate = certificate.tbs_certificate;
        let key_matches =
            certificate.subject_public_key_info.to_der().is_ok_and(|public_key| public_key == self.public_key);
        key_matches
            && certificate
                .subject
                .0
                .iter()
                .flat_map(|relative| relative.0.iter())
                .any(|attribute| attribute.oid == COMMON_NAME && attribute.value.value() == name.to_string().as_bytes())
    }
}

fn common_name(name: &str) -> der::Result<RdnSequence> {
    let value = der::Any::from(Utf8StringRef::new(name)?);
    let attribute = AttributeTypeAndValue { oid: COMMON_NAME, value };
    Ok(RdnSequence(Vec::from([RelativeDistinguishedName(SetOfVec::try_from([attribute])?)])))
}
