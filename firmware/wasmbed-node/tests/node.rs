//! The node from boot to shutdown, without TLS, on a link that follows a script: which gateway it connects to.
#![cfg(not(feature = "tls"))]

mod support;

use support::{Bench, Call, DEVICE_ID};
use wasmbed_node::node::Node;
use wasmbed_node::provisioning::Provisioning;
use wasmbed_protocol::messages::{EnrollmentResponse, Error, GatewayMessage, HeartbeatAcknowledgment};

const PROVISIONED: &str = "first:1";
/// Milliseconds: less than any pause after a failure, more than the closing of a link.
const AT_ONCE: u64 = 100;

fn assigned(endpoint: &'static str) -> GatewayMessage<'static> {
    GatewayMessage::EnrollmentResponse(EnrollmentResponse {
        device_id: DEVICE_ID,
        gateway_name: "other",
        gateway_endpoint: endpoint,
        heartbeat_interval: 1000,
        certificate: None,
        reassigned: Some(true),
    })
}

fn served() -> GatewayMessage<'static> {
    GatewayMessage::HeartbeatAcknowledgment(HeartbeatAcknowledgment { gateway_time: 0 })
}

fn refusal(code: &'static str) -> GatewayMessage<'static> {
    GatewayMessage::Error(Error { code, message: "no", retry_after: None, action: None })
}

/// Runs a board whose link does this.
fn run(calls: Vec<Call>) -> &'static Bench {
    let bench = Bench::new();
    bench.expect(calls);
    let provisioning = Provisioning {
        version: 1,
        name: "board-1",
        private_key: b"",
        certificate: Some(b"certificate"),
        authorities: b"",
        gateway: PROVISIONED,
        server_name: "gateway",
        boot_time: 0,
        entropy: &[1; 32],
        pairing_token: None,
        device_type: None,
        capabilities: None,
        public_key: None,
        watchdog: None,
        self_test: None,
        recorded: None,
        ethernet: None,
    };
    Node::new(bench.hardware(), &provisioning).unwrap().run();
    bench
}

/// The pauses before the second and each further request, milliseconds.
fn pauses(bench: &Bench) -> Vec<u64> {
    bench.requests.borrow().windows(2).map(|pair| pair[1].0 - pair[0].0).collect()
}

#[test]
fn an_assigned_board_connects_there_at_once_and_stays_while_it_is_served() {
    let assignment = Call::Answered(vec![assigned("second:2")]);
    let bench = run(vec![assignment, Call::Answered(vec![served()]), Call::Answered(vec![served()])]);
    assert_eq!(bench.endpoints(), [PROVISIONED, "second:2", "second:2", "second:2"]);
    assert!(pauses(bench)[0] < AT_ONCE, "{:?}", pauses(bench));
}

#[test]
fn a_board_that_is_not_served_there_goes_back() {
    for elsewhere in [Call::Refused, Call::Answered(vec![refusal("GATEWAY_FULL")])] {
        let bench = run(vec![Call::Answered(vec![assigned("second:2")]), elsewhere, Call::Answered(vec![served()])]);
        assert_eq!(bench.endpoints(), [PROVISIONED, "second:2", PROVISIONED, PROVISIONED]);
        assert!(bench.said("not served there, back to the provisioned gateway"));
    }
}

#[test]
fn a_board_that_could_connect_once_goes_back_when_it_cannot_any_more() {
    let assignment = Call::Answered(vec![assigned("second:2")]);
    let bench = run(vec![assignment, Call::Answered(vec![served()]), Call::Refused]);
    assert_eq!(bench.endpoints(), [PROVISIONED, "second:2", "second:2", PROVISIONED]);
}

#[test]
fn a_chain_of_assignments_is_followed_with_growing_pauses() {
    let chain = |_| Call::Answered(vec![refusal("ENROLLMENT_FAILED"), assigned("next:3")]);
    let mut calls = vec![Call::Answered(vec![assigned("second:2")])];
    calls.extend((0..6).map(chain));
    let bench = run(calls);
    let pauses = pauses(bench);
    assert!(pauses[0] < AT_ONCE, "{pauses:?}");
    for (failures, pause) in pauses[1..].iter().enumerate() {
        assert!(*pause >= 125 << failures, "{pauses:?}");
    }
}

#[test]
fn gateways_that_send_a_board_to_one_that_is_away_cannot_keep_it_busy() {
    let round = || [Call::Answered(vec![refusal("ENROLLMENT_FAILED"), assigned("second:2")]), Call::Refused];
    let mut calls = vec![Call::Answered(vec![assigned("second:2")]), Call::Refused];
    calls.extend((0..5).flat_map(|_| round()));
    let bench = run(calls);
    assert_eq!(bench.endpoints()[..4], [PROVISIONED, "second:2", PROVISIONED, "second:2"]);
    let waited: Vec<u64> = pauses(bench).into_iter().filter(|&pause| pause >= AT_ONCE).collect();
    for (failures, pause) in waited.iter().enumerate() {
        assert!(*pause >= 125 << failures, "{waited:?}");
    }
}
