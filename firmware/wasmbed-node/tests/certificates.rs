//! Which gateways a board trusts, and how it identifies itself. `certificates/make.py` makes the certificates.

use std::fs;
use std::path::Path;

use p256::SecretKey;
use p256::pkcs8::EncodePrivateKey;
use wasmbed_node::tls::{Identity, PublicKey, check_server};

macro_rules! der {
    ($name:literal) => {
        include_bytes!(concat!("certificates/", $name, ".der")).as_slice()
    };
}

const NOW: u64 = 1_800_000_000; // 2027
const P256: &[u8] = der!("authority-p256");
const ED25519: &[u8] = der!("authority-ed25519");

/// The identity with the key that `make.py` gives the device.
fn identity() -> Identity {
    let mut scalar = [0; 32];
    scalar[31] = 42;
    let key = SecretKey::from_slice(&scalar).unwrap().to_pkcs8_der().unwrap();
    Identity::from_pkcs8(key.as_bytes()).unwrap()
}

fn reason(certificate: &[u8], authorities: &[u8], name: &str, now: u64) -> &'static str {
    check_server(certificate, authorities, name, Some(now)).err().map_or("believed", |distrust| distrust.0)
}

#[test]
fn a_gateway_of_the_authority_is_trusted_under_each_of_its_names() {
    for name in ["gateway.example", "GATEWAY.example", "a.wild.example", "127.0.0.1"] {
        assert!(matches!(check_server(der!("server-p256"), P256, name, Some(NOW)), Ok(PublicKey::P256(_))), "{name}");
        let edwards = check_server(der!("server-ed25519"), ED25519, name, Some(NOW));
        assert!(matches!(edwards, Ok(PublicKey::Ed25519(_))), "{name}");
    }
    assert!(check_server(der!("server-p256"), P256, "gateway.example", None).is_ok());
}

#[test]
fn each_of_several_authorities_is_trusted() {
    let both = [P256, ED25519].concat();
    for server in [der!("server-p256"), der!("server-ed25519")] {
        assert_eq!(reason(server, &both, "gateway.example", NOW), "believed");
    }
    let cut = &both[..both.len() - 1];
    assert_eq!(reason(der!("server-p256"), cut, "gateway.example", NOW), "believed");
    assert_eq!(reason(der!("server-ed25519"), cut, "gateway.example", NOW), "the provisioned authority is malformed");
}

#[test]
fn key_usages_are_judged_as_by_virtual_boards() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/certificates");
    let table = fs::read_to_string(folder.join("usages.txt")).unwrap();
    for line in table.lines().filter(|line| !line.starts_with('#')) {
        let (file, expected) = line.split_once(": ").unwrap();
        let certificate = fs::read(folder.join(file).with_extension("der")).unwrap();
        assert_eq!(reason(&certificate, P256, "127.0.0.1", NOW), expected, "{file}");
    }
}

#[test]
fn any_other_name_is_refused() {
    for name in ["gateway", "other.example", "wild.example", "a.b.wild.example", "127.0.0.2", "::1", ""] {
        assert_eq!(reason(der!("server-p256"), P256, name, NOW), "the gateway's certificate is for another name");
    }
    let nameless = reason(der!("server-without-names"), P256, "gateway.example", NOW);
    assert_eq!(nameless, "the gateway's certificate is for another name");
}

#[test]
fn a_certificate_from_another_authority_is_refused() {
    let stranger = "the gateway's certificate is not from the provisioned authority";
    for authority in [ED25519, der!("authority-other-name"), der!("device")] {
        assert_eq!(reason(der!("server-p256"), authority, "gateway.example", NOW), stranger);
    }
    let mut forged = der!("server-p256").to_vec();
    let name = forged.windows(15).position(|part| part == b"gateway.example").unwrap();
    forged[name] = b'G';
    assert_eq!(reason(&forged, P256, "gateway.example", NOW), stranger);
}

#[test]
fn validity_is_checked_if_the_time_is_known() {
    let server = der!("server-p256");
    assert_eq!(reason(server, P256, "127.0.0.1", 1_500_000_000), "the gateway's certificate is not valid yet");
    assert_eq!(reason(server, P256, "127.0.0.1", 2_600_000_000), "the gateway's certificate has expired");
}

#[test]
fn a_certificate_for_another_use_is_refused() {
    for (certificate, expected) in [
        (
            der!("server-with-strange-extension"),
            "the gateway's certificate has a critical extension that is not understood",
        ),
        (der!("server-with-other-curve"), "the gateway's key is neither P-256 nor Ed25519"),
    ] {
        assert_eq!(reason(certificate, P256, "127.0.0.1", NOW), expected);
    }
}

#[test]
fn damaged_certificates_are_refused_with_any_damage() {
    let good = der!("server-p256");
    for cut in 0..good.len() {
        assert_ne!(reason(&good[..cut], P256, "127.0.0.1", NOW), "believed", "cut at {cut}");
    }
    for at in 0..good.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut damaged = good.to_vec();
            damaged[at] ^= flip;
            assert_ne!(reason(&damaged, P256, "127.0.0.1", NOW), "believed", "byte {at} ^ {flip:#x}");
        }
    }
    assert_eq!(reason(good, b"", "127.0.0.1", NOW), "the provisioned authority is malformed");
}

#[test]
fn a_board_recognises_its_own_certificate() {
    let identity = identity();
    assert!(identity.owns(der!("device"), "board-1"));
    assert!(!identity.owns(der!("device"), "board-2"));
    assert!(!identity.owns(der!("authority-p256"), "Authority"));
    assert!(!identity.owns(b"", "board-1"));
    assert!(Identity::from_pkcs8(b"no key").is_none());
}

#[test]
fn a_signing_request_names_the_board_and_its_key() {
    let identity = identity();
    let request = identity.signing_request("board-1");
    assert_eq!(request, identity.signing_request("board-1"), "signatures are deterministic (RFC 6979)");
    let contains = |part: &[u8]| request.windows(part.len()).any(|window| window == part);
    assert!(contains(identity.public_key()));
    assert!(contains(b"\x06\x03\x55\x04\x03\x0c\x07board-1"));
    assert_eq!(request[..2], [0x30, 0x81]);
    assert_eq!(usize::from(request[2]) + 3, request.len());
}
