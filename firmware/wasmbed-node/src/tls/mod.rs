//! TLS 1.3 over the link with embedded-tls, and the provisioned authorities.

mod certificate;
mod identity;
mod records;
mod x509;

use alloc::vec;
use alloc::vec::Vec;
use core::cell::RefCell;

use embedded_io::ErrorKind;
use embedded_tls::blocking::{
    Aes128GcmSha256, CertificateEntryRef, CertificateRef, CertificateVerifyRef, TlsConnection, TlsVerifier,
};
use embedded_tls::{
    Certificate, CryptoProvider, CryptoRngCore, MaxFragmentLength, SignatureScheme, TlsConfig, TlsContext, TlsError,
};
use p256::ecdsa::{DerSignature, SigningKey};
use sha2::{Digest, Sha256};
use wasmbed_protocol::FrameDecoder;

pub use self::certificate::{Distrust, PublicKey, check_server};
pub use self::identity::Identity;
use self::records::{Mode, Records, Stream};
use crate::hardware::Hardware;
use crate::random::Random;
use crate::transport::{Ended, Transport};

/// Milliseconds that a handshake may take.
const HANDSHAKE_WITHIN: u64 = 15_000;
/// Largest plaintext of a record that the board sends, bytes.
const LARGEST_SENT: usize = 2048;
const CLOSED: Ended = Ended::Broken("the connection was closed");
/// Header, content type, authentication tag, and the padding that a server may add, bytes.
const RECORD_OVERHEAD: usize = 5 + 256;

/// The board's identity, and the input for judging the gateway's.
#[derive(Clone, Copy)]
pub struct Credentials<'a> {
    /// The board's key.
    pub identity: &'a Identity,
    /// The board's certificate, DER; None: connect without one.
    pub certificate: Option<&'a [u8]>,
    /// The certificates of the authorities that sign gateways, DER, one after the other.
    pub authorities: &'a [u8],
    /// The name that the gateway's certificate must have.
    pub server_name: &'a str,
    /// Seconds since the Unix epoch; None: unknown.
    pub now: Option<u64>,
}

/// Why a handshake failed.
#[derive(Clone, Copy, Debug)]
pub enum HandshakeFailed {
    /// The connection ended.
    Ended(Ended),
    /// The gateway is not trusted.
    Distrusted(Distrust),
    /// The gateway refused, or broke TLS 1.3.
    Tls(TlsError),
}

impl core::fmt::Display for HandshakeFailed {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Ended(ended) => ended.fmt(formatter),
            Self::Distrusted(distrust) => distrust.fmt(formatter),
            Self::Tls(TlsError::HandshakeAborted(_, alert)) => write!(formatter, "the gateway sent alert {alert:?}"),
            Self::Tls(error) => write!(formatter, "{error:?}"),
        }
    }
}

/// The buffers of a connection, reused by the next one.
pub struct Buffers {
    stream: Vec<u8>,
    read: Vec<u8>,
    write: Vec<u8>,
}

impl Buffers {
    /// Makes buffers for records of at most `largest_record` bytes of plaintext.
    pub fn new(largest_record: usize) -> Self {
        let size = largest_record + RECORD_OVERHEAD;
        Self { stream: vec![0; size], read: vec![0; size], write: vec![0; LARGEST_SENT + RECORD_OVERHEAD] }
    }
}

/// Performs the handshake, then calls `then` with the connection.
///
/// # Errors
/// The handshake failed.
pub fn with_connection<T>(
    hardware: &Hardware,
    buffers: &mut Buffers,
    random: &mut Random,
    credentials: Credentials<'_>,
    then: impl FnOnce(&mut dyn Transport, &mut Random) -> T,
) -> Result<T, HandshakeFailed> {
    let deadline = hardware.clock.now() + HANDSHAKE_WITHIN;
    let records = RefCell::new(Records::new(*hardware, &mut buffers.stream, deadline));
    let mut config = TlsConfig::new();
    if credentials.server_name.parse::<core::net::IpAddr>().is_err() {
        config = config.with_server_name(credentials.server_name);
    }
    match hardware.profile.largest_record {
        ..1024 => config = config.with_max_fragment_length(MaxFragmentLength::Bits9),
        1024..2048 => config = config.with_max_fragment_length(MaxFragmentLength::Bits10),
        2048..4096 => config = config.with_max_fragment_length(MaxFragmentLength::Bits11),
        4096..16384 => config = config.with_max_fragment_length(MaxFragmentLength::Bits12),
        _ => {}
    }
    let mut connection: TlsConnection<'_, _, Aes128GcmSha256> =
        TlsConnection::new(Stream(&records), &mut buffers.read, &mut buffers.write);
    let mut provider = Provider { credentials, random: &mut *random, judge: Judge::new(credentials) };
    let opened = connection.open(TlsContext::new(&config, &mut provider));
    let judge = provider.judge;
    if let Some(distrust) = judge.distrust {
        return Err(HandshakeFailed::Distrusted(distrust));
    }
    opened.map_err(|error| match records.borrow().ended() {
        Some(ended) => HandshakeFailed::Ended(ended),
        None => HandshakeFailed::Tls(error),
    })?;
    // embedded-tls accepts a server that sends Finished without a proof of its key.
    if !judge.proven {
        return Err(HandshakeFailed::Distrusted(Distrust(
            "the gateway did not prove that it holds its certificate's key",
        )));
    }
    records.borrow_mut().set_mode(Mode::Session);
    Ok(then(&mut Tls { connection: Some(connection), records: &records }, random))
}

struct Provider<'a, 'r> {
    credentials: Credentials<'a>,
    random: &'r mut Random,
    judge: Judge<'a>,
}

impl CryptoProvider for Provider<'_, '_> {
    type CipherSuite = Aes128GcmSha256;
    type Signature = DerSignature;

    fn rng(&mut self) -> impl CryptoRngCore {
        &mut *self.random
    }

    fn verifier(&mut self) -> Result<&mut impl TlsVerifier<Aes128GcmSha256>, TlsError> {
        Ok(&mut self.judge)
    }

    fn signer(
        &mut self,
    ) -> Result<(impl p256::ecdsa::signature::SignerMut<Self::Signature>, SignatureScheme), TlsError> {
        let key: SigningKey = self.credentials.identity.signing_key().clone();
        Ok((key, SignatureScheme::EcdsaSecp256r1Sha256))
    }

    fn client_cert(&mut self) -> Option<Certificate<impl AsRef<[u8]>>> {
        self.credentials.certificate.map(Certificate::X509)
    }
}

/// Verifies the gateway: first its certificate, then its signature with the certificate's key.
struct Judge<'a> {
    credentials: Credentials<'a>,
    key: Option<(PublicKey, Sha256)>,
    distrust: Option<Distrust>,
    proven: bool,
}

impl<'a> Judge<'a> {
    fn new(credentials: Credentials<'a>) -> Self {
        Self { credentials, key: None, distrust: None, proven: false }
    }

    fn refuse(&mut self, distrust: Distrust) -> TlsError {
        self.distrust = Some(distrust);
        TlsError::InvalidCertificate
    }
}

impl TlsVerifier<Aes128GcmSha256> for Judge<'_> {
    fn set_hostname_verification(&mut self, _: &str) -> Result<(), TlsError> {
        Ok(())
    }

    fn verify_certificate(&mut self, transcript: &Sha256, chain: CertificateRef<'_>) -> Result<(), TlsError> {
        let Some(CertificateEntryRef::X509(certificate)) = chain.entries.first() else {
            return Err(self.refuse(Distrust("the gateway sent no certificate")));
        };
        let Credentials { authorities, server_name, now, .. } = self.credentials;
        match check_server(certificate, authorities, server_name, now) {
            Ok(key) => self.key = Some((key, transcript.clone())),
            Err(distrust) => return Err(self.refuse(distrust)),
        }
        Ok(())
    }

    fn verify_signature(&mut self, verify: CertificateVerifyRef<'_>) -> Result<(), TlsError> {
        let scheme = verify.signature_scheme;
        let proven = self.key.take().is_some_and(|(key, transcript)| {
            let expected = match key {
                PublicKey::P256(_) => SignatureScheme::EcdsaSecp256r1Sha256,
                PublicKey::Ed25519(_) => SignatureScheme::Ed25519,
            };
            let mut message = Vec::from([b' '; 64]);
            message.extend_from_slice(b"TLS 1.3, server CertificateVerify\0");
            message.extend_from_slice(&transcript.finalize());
            scheme == expected && key.verifies(&message, verify.signature)
        });
        if !proven {
            return Err(self.refuse(Distrust("the gateway does not hold its certificate's key")));
        }
        self.proven = true;
        Ok(())
    }
}

struct Tls<'a, 'b> {
    /// None after it was closed.
    connection: Option<TlsConnection<'a, Stream<'a, 'b>, Aes128GcmSha256>>,
    records: &'a RefCell<Records<'b>>,
}

fn why(records: &RefCell<Records<'_>>, error: TlsError) -> Ended {
    match error {
        TlsError::ConnectionClosed => Ended::ByGateway,
        _ => records.borrow().ended().unwrap_or(Ended::Broken("the gateway broke TLS")),
    }
}

impl Transport for Tls<'_, '_> {
    fn receive(&mut self, frames: &mut FrameDecoder) -> Result<(), Ended> {
        while frames.wants_more() && self.records.borrow_mut().is_complete()? {
            let Some(connection) = &mut self.connection else { return Err(CLOSED) };
            match connection.read_buffered() {
                Ok(mut data) => frames.push(data.pop_all()),
                // The record carried no application data, and no other record has arrived.
                Err(TlsError::Io(ErrorKind::Interrupted)) => {}
                Err(error) => return Err(why(self.records, error)),
            }
        }
        Ok(())
    }

    fn send(&mut self, mut data: &[u8]) -> Result<(), Ended> {
        let Some(connection) = &mut self.connection else { return Err(CLOSED) };
        let mut result = Ok(());
        while result.is_ok() && !data.is_empty() {
            result = connection.write(data).map(|count| data = &data[count..]);
        }
        result.and_then(|()| connection.flush()).map_err(|error| why(self.records, error))
    }

    fn close(&mut self) {
        if let Some(connection) = self.connection.take() {
            // The link may have ended already; then nothing can be sent.
            let _ = connection.close();
        }
    }
}
