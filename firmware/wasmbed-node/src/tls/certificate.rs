//! Judges a gateway's certificate against the authorities that the board trusts.
//!
//! One of them must have issued the certificate itself; intermediate certificates are not supported.

use core::fmt;
use core::net::IpAddr;

use der::asn1::{BitStringRef, ObjectIdentifier};
use der::{Decode, Reader, SliceReader, Tag, TagNumber, Tagged};
use ed25519_dalek::Signature as Ed25519Signature;
use ed25519_dalek::VerifyingKey as Ed25519Key;
use p256::ecdsa::{Signature as P256Signature, VerifyingKey as P256Key, signature::Verifier};

use crate::tls::x509::{self, Certificate, contents, elements};

/// Why a gateway is not trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Distrust(pub &'static str);

impl fmt::Display for Distrust {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0)
    }
}

/// The key in a trusted gateway certificate.
pub enum PublicKey {
    /// ECDSA on P-256 with SHA-256.
    P256(P256Key),
    /// Ed25519.
    Ed25519(Ed25519Key),
}

impl PublicKey {
    fn new(certificate: &Certificate<'_>) -> Option<Self> {
        let key = certificate.public_key;
        match certificate.key_algorithm {
            x509::EC_PUBLIC_KEY => P256Key::from_sec1_bytes(key).ok().map(Self::P256),
            x509::ED25519 => Ed25519Key::from_bytes(key.try_into().ok()?).ok().map(Self::Ed25519),
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
            Self::P256(_) => x509::ECDSA_WITH_SHA256,
            Self::Ed25519(_) => x509::ED25519,
        }
    }
}

/// Judges a gateway's certificate. `authorities` are certificates in DER, one after the other. `now` is in seconds
/// since the Unix epoch; None: validity is not checked.
///
/// # Errors
/// The certificate is not trusted.
pub fn check_server(
    certificate: &[u8],
    authorities: &[u8],
    server_name: &str,
    now: Option<u64>,
) -> Result<PublicKey, Distrust> {
    const MALFORMED: Distrust = Distrust("the gateway's certificate is malformed");
    let certificate = Certificate::read(certificate).map_err(|_| MALFORMED)?;
    let authority = issuer(&certificate, authorities)?;
    if let Some(now) = now {
        for (first, last) in [certificate.validity, authority.validity] {
            if now < first {
                return Err(Distrust("the gateway's certificate is not valid yet"));
            }
            if now > last {
                return Err(Distrust("the gateway's certificate has expired"));
            }
        }
    }
    if !check_extensions(&certificate, server_name).map_err(|_| MALFORMED)?? {
        return Err(Distrust("the gateway's certificate is for another name"));
    }
    PublicKey::new(&certificate).ok_or(Distrust("the gateway's key is neither P-256 nor Ed25519"))
}

/// Finds the authority that issued the certificate.
fn issuer<'a>(certificate: &Certificate<'_>, authorities: &'a [u8]) -> Result<Certificate<'a>, Distrust> {
    const MALFORMED: Distrust = Distrust("the provisioned authority is malformed");
    let mut rest = SliceReader::new(authorities).map_err(|_| MALFORMED)?;
    loop {
        let authority = rest.tlv_bytes().and_then(Certificate::read).map_err(|_| MALFORMED)?;
        let key = PublicKey::new(&authority)
            .ok_or(Distrust("the provisioned authority's key is neither P-256 nor Ed25519"))?;
        if certificate.issuer == authority.subject
            && certificate.signature_algorithm == key.signature_algorithm()
            && key.verifies(certificate.signed, certificate.signature)
        {
            return Ok(authority);
        }
        if rest.is_finished() {
            return Err(Distrust("the gateway's certificate is not from the provisioned authority"));
        }
    }
}

/// Checks that the extensions name `server_name` and allow this use of the certificate.
fn check_extensions(certificate: &Certificate<'_>, server_name: &str) -> der::Result<Result<bool, Distrust>> {
    let mut is_named = false;
    for extension in certificate.extensions() {
        let extension = extension?;
        match extension.id {
            x509::KEY_USAGE => {
                let usage = BitStringRef::from_der(extension.value)?.raw_bytes();
                if usage.first().is_none_or(|usage| usage & 0x80 == 0) {
                    return Ok(Err(Distrust("the gateway's certificate is not for signatures")));
                }
            }
            x509::EXTENDED_KEY_USAGE => {
                let mut is_for_servers = false;
                for purpose in elements(contents(extension.value)?) {
                    let purpose: ObjectIdentifier = purpose?.try_into()?;
                    is_for_servers |= purpose == x509::SERVER_AUTHENTICATION;
                }
                if !is_for_servers {
                    return Ok(Err(Distrust("the gateway's certificate is not for a server")));
                }
            }
            x509::SUBJECT_ALTERNATIVE_NAME => is_named = names(extension.value, server_name)?,
            x509::BASIC_CONSTRAINTS => {}
            _ if extension.critical => {
                let reason = "the gateway's certificate has a critical extension that is not understood";
                return Ok(Err(Distrust(reason)));
            }
            _ => {}
        }
    }
    Ok(Ok(is_named))
}

/// Whether the subject alternative names cover `server_name` (RFC 9525; the common name does not count).
fn names(alternatives: &[u8], server_name: &str) -> der::Result<bool> {
    const DNS_NAME: Tag = Tag::ContextSpecific { constructed: false, number: TagNumber::N2 };
    const IP_ADDRESS: Tag = Tag::ContextSpecific { constructed: false, number: TagNumber::N7 };
    let address: Option<IpAddr> = server_name.parse().ok();
    for name in elements(contents(alternatives)?) {
        let name = name?;
        let (tag, value) = (name.tag(), name.value());
        let is_it = match address {
            None => tag == DNS_NAME && core::str::from_utf8(value).is_ok_and(|pattern| covers(pattern, server_name)),
            Some(IpAddr::V4(address)) => tag == IP_ADDRESS && value == address.octets(),
            Some(IpAddr::V6(address)) => tag == IP_ADDRESS && value == address.octets(),
        };
        if is_it {
            return Ok(true);
        }
    }
    Ok(false)
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
