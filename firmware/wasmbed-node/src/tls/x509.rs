//! The part of X.509 (RFC 5280) and PKCS #10 (RFC 2986) that a board needs, read in place: names are compared in their
//! encoding, and nothing is copied. A complete reader would cost a tenth of a small board's flash.

use alloc::vec::Vec;

use der::asn1::{AnyRef, BitStringRef, GeneralizedTime, ObjectIdentifier, OctetStringRef, UtcTime};
use der::{Decode, Reader, Result, SliceReader, Tag, TagNumber, Tagged};

pub const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
pub const ECDSA_WITH_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");
pub const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
pub const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
pub const KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.15");
pub const SUBJECT_ALTERNATIVE_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.17");
pub const BASIC_CONSTRAINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.19");
pub const EXTENDED_KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37");
pub const SERVER_AUTHENTICATION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.1");

/// A certificate; each field is a part of its encoding.
pub struct Certificate<'a> {
    /// The bytes that the signature covers.
    pub signed: &'a [u8],
    pub signature_algorithm: ObjectIdentifier,
    pub signature: &'a [u8],
    pub issuer: &'a [u8],
    pub subject: &'a [u8],
    /// First and last second of validity, since the Unix epoch.
    pub validity: (u64, u64),
    /// SubjectPublicKeyInfo.
    pub public_key_info: &'a [u8],
    pub key_algorithm: ObjectIdentifier,
    pub public_key: &'a [u8],
    extensions: &'a [u8],
}

/// An extension of a certificate.
pub struct Extension<'a> {
    pub id: ObjectIdentifier,
    pub critical: bool,
    pub value: &'a [u8],
}

fn enter<'a>(reader: &mut SliceReader<'a>, tag: Tag) -> Result<SliceReader<'a>> {
    let any = AnyRef::decode(reader)?;
    any.tag().assert_eq(tag)?;
    SliceReader::new(any.value())
}

/// Reads the algorithm of an AlgorithmIdentifier. Its parameters follow from it, or make the key unreadable.
fn algorithm(reader: &mut SliceReader<'_>) -> Result<ObjectIdentifier> {
    ObjectIdentifier::decode(&mut enter(reader, Tag::Sequence)?)
}

fn bits<'a>(reader: &mut SliceReader<'a>) -> Result<&'a [u8]> {
    BitStringRef::decode(reader)?.as_bytes().ok_or_else(|| Tag::BitString.value_error())
}

fn time(reader: &mut SliceReader<'_>) -> Result<u64> {
    let time = match reader.peek_byte() {
        Some(0x17) => UtcTime::decode(reader)?.to_unix_duration(),
        _ => GeneralizedTime::decode(reader)?.to_unix_duration(),
    };
    Ok(time.as_secs())
}

fn context_specific(number: u8) -> Tag {
    Tag::ContextSpecific { constructed: true, number: TagNumber::new(number) }
}

impl<'a> Certificate<'a> {
    /// # Errors
    /// Not a certificate of version 3 in DER.
    pub fn read(der: &'a [u8]) -> Result<Self> {
        let mut file = SliceReader::new(der)?;
        let mut outer = enter(&mut file, Tag::Sequence)?;
        file.finish(())?;
        let signed = outer.tlv_bytes()?;
        let signature_algorithm = outer.tlv_bytes()?;
        let signature = bits(&mut outer)?;
        outer.finish(())?;

        let mut tbs = enter(&mut SliceReader::new(signed)?, Tag::Sequence)?;
        enter(&mut tbs, context_specific(0))?;
        tbs.tlv_bytes()?; // serial number
        if tbs.tlv_bytes()? != signature_algorithm {
            return Err(Tag::ObjectIdentifier.value_error());
        }
        let issuer = tbs.tlv_bytes()?;
        let mut validity = enter(&mut tbs, Tag::Sequence)?;
        let validity = (time(&mut validity)?, time(&mut validity)?);
        let subject = tbs.tlv_bytes()?;
        let public_key_info = tbs.tlv_bytes()?;
        let mut info = enter(&mut SliceReader::new(public_key_info)?, Tag::Sequence)?;
        let (key_algorithm, public_key) = (algorithm(&mut info)?, bits(&mut info)?);
        let mut extensions: &[u8] = &[];
        while !tbs.is_finished() {
            let optional = AnyRef::decode(&mut tbs)?;
            if optional.tag() == context_specific(3) {
                let mut wrapper = SliceReader::new(optional.value())?;
                let sequence = AnyRef::decode(&mut wrapper)?;
                sequence.tag().assert_eq(Tag::Sequence)?;
                extensions = wrapper.finish(sequence.value())?;
            }
        }
        Ok(Self {
            signed,
            signature_algorithm: algorithm(&mut SliceReader::new(signature_algorithm)?)?,
            signature,
            issuer,
            subject,
            validity,
            public_key_info,
            key_algorithm,
            public_key,
            extensions,
        })
    }

    /// Its extensions, in order.
    pub fn extensions(&self) -> impl Iterator<Item = Result<Extension<'a>>> {
        elements(self.extensions).map(|extension| {
            let mut extension = SliceReader::new(extension?.value())?;
            let id = ObjectIdentifier::decode(&mut extension)?;
            let critical = extension.peek_byte() == Some(0x01) && bool::decode(&mut extension)?;
            Ok(Extension { id, critical, value: OctetStringRef::decode(&mut extension)?.as_bytes() })
        })
    }

    /// Whether the subject has this common name.
    pub fn is_called(&self, name: &str) -> bool {
        let attributes = self.subject_attributes();
        attributes.is_ok_and(|attributes| attributes.contains(&(COMMON_NAME, name.as_bytes())))
    }

    fn subject_attributes(&self) -> Result<Vec<(ObjectIdentifier, &'a [u8])>> {
        let mut found = Vec::new();
        for relative in elements(contents(self.subject)?) {
            for attribute in elements(relative?.value()) {
                let mut attribute = SliceReader::new(attribute?.value())?;
                found.push((ObjectIdentifier::decode(&mut attribute)?, AnyRef::decode(&mut attribute)?.value()));
            }
        }
        Ok(found)
    }
}

/// Returns the contents of an element.
pub fn contents(der: &[u8]) -> Result<&[u8]> {
    Ok(AnyRef::decode(&mut SliceReader::new(der)?)?.value())
}

/// Returns the consecutive elements in `der`, up to the first malformed one.
pub fn elements(der: &[u8]) -> impl Iterator<Item = Result<AnyRef<'_>>> {
    let mut rest = der;
    core::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let element = SliceReader::new(rest).and_then(|mut reader| {
            let element = AnyRef::decode(&mut reader)?;
            rest = &rest[usize::try_from(reader.position())?..];
            Ok(element)
        });
        if element.is_err() {
            rest = &[];
        }
        Some(element)
    })
}

/// Encodes an element of DER: tag, length, and the parts of its contents.
pub fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut out = Vec::with_capacity(length + 4);
    out.push(tag);
    match length {
        0..0x80 => out.push(length as u8),
        0x80..0x100 => out.extend([0x81, length as u8]),
        _ => out.extend([0x82, (length >> 8) as u8, length as u8]),
    }
    parts.iter().for_each(|part| out.extend_from_slice(part));
    out
}
