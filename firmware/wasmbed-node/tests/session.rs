//! One connection at a time, against a gateway that follows a script.

mod support;

use support::{Bench, Board, DEVICE_ID, Move};
use wasmbed_node::session::Outcome;
use wasmbed_node::transport::{Ended, Plain, Transport};
use wasmbed_protocol::messages::{
    DeviceInfoRequest, EnrollmentResponse, Error, GatewayMessage, HeartbeatAcknowledgment, Stop,
};
use wasmbed_protocol::{FrameDecoder, encode_gateway};

fn response(certificate: Option<&'static [u8]>) -> GatewayMessage<'static> {
    GatewayMessage::EnrollmentResponse(EnrollmentResponse {
        device_id: DEVICE_ID,
        gateway_name: "gateway-1",
        gateway_endpoint: "gateway:1",
        heartbeat_interval: 1000,
        certificate,
        reassigned: None,
    })
}

fn acknowledgment() -> GatewayMessage<'static> {
    GatewayMessage::HeartbeatAcknowledgment(HeartbeatAcknowledgment { gateway_time: 0 })
}

fn error(code: &'static str, retry_after: Option<u64>) -> GatewayMessage<'static> {
    GatewayMessage::Error(Error { code, message: "no", retry_after, action: None })
}

#[test]
fn a_board_with_a_certificate_enrolls_and_sends_heartbeats() {
    let mut board = Board::new();
    let report = board.session(
        None,
        vec![
            Move::Await("EnrollmentRequest"),
            Move::Say(1, response(None)),
            Move::Await("Heartbeat"),
            Move::Say(2, acknowledgment()),
            Move::Await("Heartbeat"),
            Move::Say(3, acknowledgment()),
        ],
    );
    assert_eq!(report.names(), ["EnrollmentRequest", "EnrollmentAcknowledgment", "Heartbeat", "Heartbeat"]);
    assert_eq!(report.sent[1].0, 1, "the acknowledgment carries the response's id");
    assert!(report.messages("Heartbeat")[0].contains("device_time: 1000000,"), "{:?}", report.sent);
    assert!(report.messages("Heartbeat")[1].contains("device_time: 1001000,"), "{:?}", report.sent);
    assert!(report.established);
    assert!(report.closed);
    assert!(matches!(report.outcome, Outcome::Down(Ended::ByGateway)));
    assert_eq!(board.memory.device_id.as_deref(), Some(DEVICE_ID));
}

fn assignment(endpoint: &'static str) -> GatewayMessage<'static> {
    GatewayMessage::EnrollmentResponse(EnrollmentResponse {
        device_id: DEVICE_ID,
        gateway_name: "gateway-2",
        gateway_endpoint: endpoint,
        heartbeat_interval: 1000,
        certificate: None,
        reassigned: Some(true),
    })
}

#[test]
fn a_board_that_is_assigned_to_another_gateway_acknowledges_and_leaves() {
    for endpoint in ["10.0.2.2:4433", "second.example:65535", "[::1]:1"] {
        let mut board = Board::new();
        let report = board.session(None, vec![Move::Await("EnrollmentRequest"), Move::Say(1, assignment(endpoint))]);
        assert_eq!(report.names(), ["EnrollmentRequest", "EnrollmentAcknowledgment"]);
        assert!(matches!(report.outcome, Outcome::Reassigned(home) if home == endpoint));
        assert!(report.closed);
        assert_eq!(board.memory.device_id.as_deref(), Some(DEVICE_ID));
    }
}

#[test]
fn a_board_that_is_assigned_to_no_address_stays() {
    let long: &'static str = format!("{}:4433", "a".repeat(256)).leak();
    let none = ["", "gateway", "gateway:", ":1", "gateway:0", "gateway:65536", "gateway:+1", "gate way:1", "g\x10:1"];
    for endpoint in none.into_iter().chain([long]) {
        let moves =
            vec![Move::Await("EnrollmentRequest"), Move::Say(1, assignment(endpoint)), Move::Await("Heartbeat")];
        let report = Board::new().session(None, moves);
        assert!(matches!(report.outcome, Outcome::Down(Ended::ByGateway)), "{endpoint}: {:?}", report.outcome);
    }
}

#[test]
fn a_board_without_a_certificate_asks_for_one() {
    let mut board = Board::new();
    let moves = vec![Move::Await("EnrollmentRequest"), Move::Say(1, response(Some(b"certificate")))];
    let report = board.session(Some((b"csr".to_vec(), Some("token"))), moves);
    let request = report.messages("EnrollmentRequest")[0];
    assert!(request.contains("pairing_token: Some(\"token\")"), "{request}");
    assert!(matches!(report.outcome, Outcome::Issued(certificate) if certificate == b"certificate"));
    assert_eq!(report.sent.len(), 1);
    assert_eq!(board.memory.device_id, None);
}

#[test]
fn each_request_has_a_new_nonce() {
    let mut board = Board::new();
    let mut nonce = || {
        let report = board.session(None, vec![Move::Await("EnrollmentRequest")]);
        let request = report.messages("EnrollmentRequest")[0].to_owned();
        request[request.find("nonce").unwrap()..].to_owned()
    };
    assert_ne!(nonce(), nonce());
}

#[test]
fn a_refused_board_remembers_when_to_connect_again() {
    let mut board = Board::new();
    let moves = vec![Move::Await("EnrollmentRequest"), Move::Say(1, error("DUPLICATE_DEVICE", Some(9000)))];
    let report = board.session(None, moves);
    assert!(matches!(report.outcome, Outcome::Rejected(_)));
    assert_eq!(report.retry_after, Some(9000));
    assert!(board.bench.said("error from gateway: DUPLICATE_DEVICE: no"));
}

#[test]
fn a_known_board_resumes_and_an_unknown_one_enrolls_again() {
    let mut board = Board::enrolled(1000);
    let report = board.session(
        None,
        vec![
            Move::Await("Heartbeat"),
            Move::Say(1, error("ENROLLMENT_FAILED", None)),
            Move::Await("EnrollmentRequest"),
            Move::Say(2, response(None)),
            Move::Await("Heartbeat"),
            Move::Say(3, acknowledgment()),
        ],
    );
    assert_eq!(report.names(), ["Heartbeat", "EnrollmentRequest", "EnrollmentAcknowledgment", "Heartbeat"]);
    assert!(report.established);
}

#[test]
fn unanswered_heartbeats_end_the_session() {
    let mut board = Board::enrolled(1000);
    let report = board.session(None, vec![Move::Until(60_000)]);
    assert_eq!(report.names(), ["Heartbeat"; 3]);
    assert!(matches!(report.outcome, Outcome::Down(Ended::Broken(_))));
    assert!(!report.established);
}

#[test]
fn an_unanswered_enrollment_request_ends_the_session() {
    let report = Board::new().session(None, vec![Move::Until(60_000)]);
    assert_eq!(report.names(), ["EnrollmentRequest"]);
    assert!(matches!(report.outcome, Outcome::Down(Ended::Broken(_))));
}

#[test]
fn a_broken_frame_is_answered_and_ends_the_session() {
    for broken in [&b"\xff\xff\xff\xff"[..], b"\0\0\0\x01\xff", b"\0\0\0\x05\x83\x02\x01\x82\x00"] {
        let report = Board::enrolled(1000).session(None, vec![Move::Bytes(broken.to_vec()), Move::Until(60_000)]);
        assert!(matches!(report.outcome, Outcome::Broken(_)), "{broken:?}: {:?}", report.outcome);
        assert!(report.messages("Error")[0].contains("PROTOCOL_ERROR"));
    }
}

#[test]
fn an_unknown_tag_is_answered_and_the_session_continues() {
    let unknown = b"\0\0\0\x07\x83\x01\x07\x82\x18\x2a\xa0".to_vec();
    let report = Board::enrolled(1000).session(
        None,
        vec![
            Move::Bytes(unknown),
            Move::Say(8, GatewayMessage::DeviceInfoRequest(DeviceInfoRequest {})),
            Move::Await("DeviceInfo"),
        ],
    );
    assert_eq!(report.names(), ["Heartbeat", "Error", "DeviceInfo"]);
    assert_eq!((report.sent[1].0, report.sent[2].0), (7, 8));
}

#[test]
fn commands_before_the_enrollment_are_refused() {
    let stop = GatewayMessage::Stop(Stop { application_id: "a" });
    let report = Board::new().session(None, vec![Move::Say(5, stop), Move::Await("Error")]);
    assert_eq!(report.names(), ["EnrollmentRequest", "Error"]);
    assert!(report.messages("Error")[0].contains("Stop before the enrollment"));
}

#[test]
fn the_board_shuts_down_in_order_on_request() {
    let report = Board::enrolled(1000).session(None, vec![Move::Await("Heartbeat"), Move::Shutdown, Move::Until(9000)]);
    assert!(matches!(report.outcome, Outcome::Shutdown));
    assert!(report.closed);
}

#[test]
fn a_board_takes_no_more_of_a_flood_than_the_next_frame_needs() {
    let (bench, mut message) = (Bench::new(), Vec::new());
    encode_gateway(1, &acknowledgment(), &mut message);
    bench.arrive(&message.repeat(1000));
    let (mut transport, mut frames) = (Plain(bench.hardware()), FrameDecoder::new(4096));
    let mut taken = Vec::new();
    while taken.iter().sum::<usize>() < 1000 {
        transport.receive(&mut frames).unwrap();
        let mut count = 0;
        while frames.peek().unwrap().is_some() {
            frames.drop_frame();
            count += 1;
        }
        taken.push(count);
    }
    assert!(*taken.iter().max().unwrap() < 10, "{taken:?}");
}
