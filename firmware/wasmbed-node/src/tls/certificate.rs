//! Whether a gateway is who it says it is: its certificate, judged against the one authority the board trusts.
//!
//! The authority must have issued the gateway's certificate itself; intermediate certificates are not followed.

use core::fmt;
use core::net::IpAddr;

use ed25519_dalek::Signature as Ed25519Signature;
use ed25519_dalek::VerifyingKey as Ed25519Key;
use p256::ecdsa::{Signature as P256Signature, VerifyingKey as P256Key, signature::Verifier};
use x509_cert::certificate::Certificate;
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::der::oid::AssociatedOid;
use x509_cert::der::oid::db::rfc5280::{ANY_EXTENDED_KEY_USAGE, ID_KP_SERVER_AUTH};
use x509_cert::der::oid::db::rfc5912::{ECDSA_WITH_SHA_256, ID_EC_PUBLIC_KEY};
use x509_cert::der::oid::db::rfc8410::ID_ED_25519;
use x509_cert::der::{Decode, Header, Reader, SliceReader};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAltName};
use x509_cert::spki::SubjectPublicKeyInfoOwned;

/// Why a gateway was not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Distrust(pub &'static str);

impl fmt::Display for Distrust {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0)
    }
}

/// The key in a gateway's certificate that passed.
pub enum PublicKey {
    /// ECDSA on P-256 with SHA-256.
    P256(P256Key),
    /// Ed25519.
    Ed25519(Ed25519Key),
}

impl PublicKey {
    fn new(info: &SubjectPublicKeyInfoOwned) -> Option<Self> {
        let bytes = info.subject_public_key.as_bytes()?;
        match info.algorithm.oid {
            ID_EC_PUBLIC_KEY => P256Key::from_sec1_bytes(bytes).ok().map(Self::P256),
            ID_ED_25519 => Ed25519Key::from_bytes(bytes.try_into().ok()?).ok().map(Self::Ed25519),
            _ => None,
        }
    }

    /// Whether `signature` over `message` was made with this key.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::P256(key) => {
                P256Signature::from_der(signature).is_ok_and(|signature| key.verify(message, &signature).is_ok())
            }
            Self::Ed25519(key) => Ed25519Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify_strict(message, &signature).is_ok()),
        }
    }

    const fn signature_algorithm(&self) -> ObjectIdentifier {
        match self {
            Self::P256(_) => ECDSA_WITH_SHA_256,
            Self::Ed25519(_) => ID_ED_25519,
        }
    }
}

/// Judges a gateway's certificate. `now` is in seconds since the Unix epoch; None: validity is not checked.
///
/// # Errors
/// It is not to be believed.
pub fn check_server(
    certificate: &[u8],
    authority: &[u8],
    server_name: &str,
    now: Option<u64>,
) -> Result<PublicKey, Distrust> {
    let signed = signed_part(certificate).ok_or(Distrust("the gateway's certificate is malformed"))?;
    let certificate =
        Certificate::from_der(certificate).map_err(|_| Distrust("the gateway's certificate is malformed"))?;
    let authority = Certificate::from_der(authority)
        .map_err(|_| Distrust("the provisioned authority is malformed"))?
        .tbs_certificate;
    let authority_key = PublicKey::new(&authority.subject_public_key_info)
        .ok_or(Distrust("the provisioned authority's key is neither P-256 nor Ed25519"))?;
    let subject = &certificate.tbs_certificate;

    let signature = certificate.signature.as_bytes().unwrap_or_default();
    if subject.issuer != authority.subject
        || certificate.signature_algorithm != subject.signature
        || certificate.signature_algorithm.oid != authority_key.signature_algorithm()
        || !authority_key.verifies(signed, signature)
    {
        return Err(Distrust("the gateway's certificate is not from the provisioned authority"));
    }
    if let Some(now) = now {
        for validity in [&subject.validity, &authority.validity] {
            if now < validity.not_before.to_unix_duration().as_secs() {
                return Err(Distrust("the gateway's certificate is not valid yet"));
            }
            if now > validity.not_after.to_unix_duration().as_secs() {
                return Err(Distrust("the gateway's certificate has expired"));
            }
        }
    }
    check_usage(&certificate)?;
    if !names(&certificate, server_name) {
        return Err(Distrust("the gateway's certificate is for another name"));
    }
    PublicKey::new(&subject.subject_public_key_info).ok_or(Distrust("the gateway's key is neither P-256 nor Ed25519"))
}

/// The encoding of the first element of the outer sequence.
fn signed_part(certificate: &[u8]) -> Option<&[u8]> {
    let mut reader = SliceReader::new(certificate).ok()?;
    Header::decode(&mut reader).ok()?;
    reader.tlv_bytes().ok()
}

fn extension<'a, T: Decode<'a> + AssociatedOid>(certificate: &'a Certificate) -> Result<Option<T>, Distrust> {
    let extensions = certificate.tbs_certificate.extensions.as_deref().unwrap_or_default();
    let Some(extension) = extensions.iter().find(|extension| extension.extn_id == T::OID) else { return Ok(None) };
    T::from_der(extension.extn_value.as_bytes())
        .map(Some)
        .map_err(|_| Distrust("the gateway's certificate has a malformed extension"))
}

fn check_usage(certificate: &Certificate) -> Result<(), Distrust> {
    const UNDERSTOOD: [ObjectIdentifier; 4] =
        [KeyUsage::OID, ExtendedKeyUsage::OID, SubjectAltName::OID, BasicConstraints::OID];
    let extensions = certificate.tbs_certificate.extensions.as_deref().unwrap_or_default();
    if extensions.iter().any(|extension| extension.critical && !UNDERSTOOD.contains(&extension.extn_id)) {
        return Err(Distrust("the gateway's certificate has a critical extension that is not understood"));
    }
    if extension::<KeyUsage>(certificate)?.is_some_and(|usage| !usage.digital_signature()) {
        return Err(Distrust("the gateway's certificate is not for signatures"));
    }
    if extension::<ExtendedKeyUsage>(certificate)?.is_some_and(|usage| {
        !usage.0.iter().any(|&purpose| purpose == ID_KP_SERVER_AUTH || purpose == ANY_EXTENDED_KEY_USAGE)
    }) {
        return Err(Distrust("the gateway's certificate is not for a server"));
    }
    Ok(())
}

/// Whether the certificate's subject alternative names (RFC 9525; the common name does not count) cover `server_name`.
fn names(certificate: &Certificate, server_name: &str) -> bool {
    let Ok(Some(names)) = extension::<SubjectAltName>(certificate) else { return false };
    let address: Option<IpAddr> = server_name.parse().ok();
    names.0.iter().any(|name| match (name, address) {
        (GeneralName::DnsName(name), None) => covers(name.as_str(), server_name),
        (GeneralName::IpAddress(bytes), Some(IpAddr::V4(address))) => bytes.as_bytes() == address.octets(),
        (GeneralName::IpAddress(bytes), Some(IpAddr::V6(address))) => bytes.as_bytes() == address.octets(),
        _ => false,
    })
}

fn covers(pattern: &str, name: &str) -> bool {
    match pattern.strip_prefix("*.") {
        Some(parent) => {
            name.split_once('.').is_some_and(|(label, rest)| !label.is_empty() && rest.eq_ignore_ascii_case(parent))
        }
        None => pattern.eq_ignore_ascii_case(name),
    }
}

#[cfg(test)]
mod tests {
    use super::covers;

    #[test]
    fn a_wildcard_covers_one_label() {
        assert!(covers("Gateway.example", "gateway.EXAMPLE"));
        assert!(covers("*.example", "gateway.example"));
        assert!(!covers("*.example", "a.b.example"));
        assert!(!covers("*.example", ".example"));
        assert!(!covers("*.example", "example"));
        assert!(!covers("other.example", "gateway.example"));
    }
}
