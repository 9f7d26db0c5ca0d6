//! The golden vectors that every implementation of the protocol is tested against.

use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};
use wasmbed_protocol::messages::{DeviceMessage, GatewayMessage, Metrics, Publication, States, Texts};
use wasmbed_protocol::{FrameDecoder, ProtocolError, decode_device, decode_gateway, encode_device, encode_gateway};

fn vectors(file: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/protocol/vectors").join(file);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap()
}

fn bytes(hex: &Value) -> Vec<u8> {
    let hex = hex.as_str().unwrap();
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn hex(data: &[u8]) -> Value {
    Value::from(data.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

fn metrics(metrics: &Metrics<'_>) -> Value {
    metrics.0.iter().map(|&(name, value)| (name.to_owned(), Value::from(value))).collect::<Map<_, _>>().into()
}

fn texts(texts: &Texts<'_>) -> Value {
    texts.0.iter().map(|&(name, value)| (name.to_owned(), Value::from(value))).collect::<Map<_, _>>().into()
}

fn states(states: &States<'_>) -> Value {
    states.0.iter().map(|(name, state)| ((*name).to_owned(), Value::from(state.as_str()))).collect::<Map<_, _>>().into()
}

fn publications(publications: &[Publication<'_>]) -> Value {
    publications.iter().map(|publication| json!([publication.topic, hex(publication.payload)])).collect()
}

/// A message as the `decoded` member of a vector describes it, without absent optional fields.
fn described(message_id: u32, name: &str, fields: Value) -> Value {
    let Value::Object(mut fields) = fields else { unreachable!() };
    fields.retain(|_, value| !value.is_null());
    json!({"message_id": message_id, "message": name, "fields": fields})
}

fn describe_device(message_id: u32, message: &DeviceMessage<'_>) -> Value {
    let fields = match message {
        DeviceMessage::Heartbeat(m) => json!({
            "device_id": m.device_id, "device_time": m.device_time, "status": m.status, "metrics": metrics(&m.metrics),
            "runtime_status": m.runtime_status, "applications": states(&m.applications),
        }),
        DeviceMessage::EnrollmentRequest(m) => json!({
            "device_type": m.device_type, "mcu_type": m.mcu_type, "architecture": m.architecture,
            "capabilities": m.capabilities, "public_key": hex(m.public_key), "firmware_version": m.firmware_version,
            "nonce": hex(m.nonce), "csr": m.csr.map(hex), "pairing_token": m.pairing_token,
            "largest_module": m.largest_module,
        }),
        DeviceMessage::Error(m) => json!({
            "code": m.code, "message": m.message, "retry_after": m.retry_after, "action": m.action,
        }),
        DeviceMessage::EnrollmentAcknowledgment(m) => json!({"device_id": m.device_id}),
        DeviceMessage::ApplicationStatus(m) => json!({
            "application_id": m.application_id, "state": m.state.as_str(), "metrics": metrics(&m.metrics),
            "error": m.error, "publications": m.publications.as_deref().map(publications),
        }),
        DeviceMessage::DeploymentResult(m) => json!({
            "application_id": m.application_id, "ok": m.ok, "error": m.error, "metrics": metrics(&m.metrics),
            "code": m.code,
        }),
        DeviceMessage::StopResult(m) => json!({"application_id": m.application_id, "ok": m.ok, "error": m.error}),
        DeviceMessage::DeviceInfo(m) => json!({
            "memory": m.memory, "architecture": m.architecture, "runtime_features": m.runtime_features,
            "largest_module": m.largest_module,
        }),
        DeviceMessage::RuntimeFault(m) => json!({
            "application_id": m.application_id, "code": m.code, "message": m.message, "backtrace": m.backtrace,
            "resource_use": metrics(&m.resource_use),
        }),
        DeviceMessage::ChunkAcknowledgment(m) => json!({"application_id": m.application_id, "index": m.index}),
    };
    described(message_id, message.name(), fields)
}

fn describe_gateway(message_id: u32, message: &GatewayMessage<'_>) -> Value {
    let fields = match message {
        GatewayMessage::HeartbeatAcknowledgment(m) => json!({"gateway_time": m.gateway_time}),
        GatewayMessage::EnrollmentResponse(m) => json!({
            "device_id": m.device_id, "gateway_name": m.gateway_name, "gateway_endpoint": m.gateway_endpoint,
            "heartbeat_interval": m.heartbeat_interval, "certificate": m.certificate.map(hex),
            "reassigned": m.reassigned,
        }),
        GatewayMessage::Error(m) => json!({
            "code": m.code, "message": m.message, "retry_after": m.retry_after, "action": m.action,
        }),
        GatewayMessage::Deploy(m) => json!({
            "application_id": m.application_id, "name": m.name, "size": m.size, "sha256": hex(&m.sha256[..]),
            "chunk_size": m.chunk_size, "entry": m.entry, "arguments": m.arguments,
            "limits": {"memory": m.limits.memory, "fuel": m.limits.fuel, "wall_time": m.limits.wall_time},
            "environment": m.environment.as_ref().map(texts),
        }),
        GatewayMessage::Stop(m) => json!({"application_id": m.application_id}),
        GatewayMessage::DeviceInfoRequest(_) => json!({}),
        GatewayMessage::ApplicationStatusRequest(m) => json!({"application_id": m.application_id}),
        GatewayMessage::ModuleChunk(m) => json!({
            "application_id": m.application_id, "index": m.index, "data": hex(m.data),
        }),
    };
    described(message_id, message.name(), fields)
}

/// Decodes a vector; returns its description and the bytes that it encodes to again.
fn read(vector: &Value) -> Result<(Value, Vec<u8>), ProtocolError> {
    let data = bytes(&vector["hex"]);
    let mut again = Vec::new();
    let decoded = if vector["direction"] == "device" {
        let envelope = decode_device(&data)?;
        encode_device(envelope.message_id, &envelope.message, &mut again);
        describe_device(envelope.message_id, &envelope.message)
    } else {
        let envelope = decode_gateway(&data)?;
        encode_gateway(envelope.message_id, &envelope.message, &mut again);
        describe_gateway(envelope.message_id, &envelope.message)
    };
    Ok((decoded, again))
}

#[test]
fn every_message_is_decoded_and_encoded_to_the_same_bytes() {
    for vector in [vectors("device.json"), vectors("gateway.json")].concat() {
        let (decoded, again) = read(&vector).unwrap_or_else(|error| panic!("{}: {error}", vector["name"]));
        assert_eq!(decoded, vector["decoded"], "{}", vector["name"]);
        let payload = bytes(&vector["hex"]);
        assert_eq!(again[..4], (payload.len() as u32).to_be_bytes());
        assert_eq!(again[4..], payload, "{}", vector["name"]);
    }
}

#[test]
fn unknown_fields_are_ignored() {
    for vector in vectors("tolerated.json") {
        let (decoded, _) = read(&vector).unwrap_or_else(|error| panic!("{}: {error}", vector["name"]));
        assert_eq!(decoded, vector["decoded"], "{}", vector["name"]);
    }
}

#[test]
fn messages_that_break_the_contract_are_refused() {
    for vector in vectors("invalid.json") {
        let error = match read(&vector) {
            Ok((decoded, _)) => panic!("{} was read as {decoded}", vector["name"]),
            Err(error) => error,
        };
        let (kind, field, at) = match error {
            ProtocolError::BadFrame(_) => ("frame", None, None),
            ProtocolError::Malformed { at, .. } => ("protocol", None, Some(at)),
            ProtocolError::UnsupportedVersion => ("unsupported_version", None, Some(1)),
            ProtocolError::Invalid { field, at, .. } => ("protocol", field, Some(at)),
            ProtocolError::UnknownTag { .. } => ("unknown_tag", None, None),
        };
        let expected = |name: &str| vector.get(name).cloned();
        assert_eq!(kind, vector["error"], "{}: {error}", vector["name"]);
        assert_eq!(error.message_id().map(Value::from), expected("message_id"), "{}: {error}", vector["name"]);
        assert_eq!(field.map(Value::from), expected("field"), "{}: {error}", vector["name"]);
        assert_eq!(at.map(Value::from), expected("offset"), "{}: {error}", vector["name"]);
    }
}

#[test]
fn streams_are_cut_into_frames() {
    for vector in vectors("frames.json") {
        let mut decoder = FrameDecoder::new(vector["limit"].as_u64().unwrap() as usize);
        let mut frames = Vec::new();
        let mut failed = false;
        for byte in bytes(&vector["hex"]) {
            decoder.push(&[byte]);
            match decoder.peek() {
                Ok(Some(frame)) => {
                    frames.push(hex(frame));
                    decoder.drop_frame();
                }
                Ok(None) => {}
                Err(_) => failed = true,
            }
        }
        assert_eq!(Value::from(frames), vector["frames"], "{}", vector["name"]);
        assert_eq!(failed, vector.get("error").is_some(), "{}", vector["name"]);
    }
}
