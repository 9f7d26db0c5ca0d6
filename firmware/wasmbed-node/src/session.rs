//! The board's side of one connection to the gateway: enrollment or resumption, heartbeats, and the gateway's requests.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use rand_core::RngCore;
use wasmbed_protocol::messages::{
    DeviceInfo, DeviceMessage, EnrollmentAcknowledgment, EnrollmentRequest, EnrollmentResponse, Error, GatewayMessage,
    Heartbeat, Metrics,
};
use wasmbed_protocol::{Envelope, FrameDecoder, ProtocolError, decode_gateway, encode_device};

use crate::applications::{Applications, Outbox};
use crate::hardware::Hardware;
use crate::random::Random;
use crate::runtime;
use crate::transport::{Ended, Transport};

/// Unanswered heartbeats after which the board gives up the link.
const MISSED_HEARTBEATS: u32 = 3;
/// Milliseconds within which an enrollment request has to be answered.
const RESPONSE_TIME: u64 = 30_000;
const NONCE_SIZE: usize = 16;
/// Bytes of a gateway's endpoint: the longest name of the DNS (RFC 1035) with its final dot, and a port.
const LONGEST_ENDPOINT: usize = 260;

/// State that is kept between connections, until a reset.
#[derive(Debug, Default)]
pub struct Memory {
    /// UUID in text form.
    pub device_id: Option<String>,
    /// Milliseconds between two heartbeats.
    pub heartbeat_interval: u64,
}

/// Facts about the board for its enrollment request.
pub struct Facts<'a> {
    /// For example `mcu`.
    pub device_type: &'a str,
    /// For example `tls`, `cbor`.
    pub capabilities: Vec<&'a str>,
    /// SubjectPublicKeyInfo, DER.
    pub public_key: &'a [u8],
    /// A certification request, DER, with its pairing token; None: the board has a certificate.
    pub request: Option<(Vec<u8>, Option<&'a str>)>,
    /// Milliseconds since the Unix epoch at boot; 0: unknown.
    pub boot_time: u64,
}

/// How a session ended.
#[derive(Debug)]
pub enum Outcome {
    /// The link has ended or cannot be used any more.
    Down(Ended),
    /// The gateway refused to enroll this board.
    Rejected(String),
    /// The gateway broke the protocol, and got an error message.
    Broken(ProtocolError),
    /// A certificate was issued. The node stores it and connects with it.
    Issued(Vec<u8>),
    /// The board is enrolled, and the gateway at this endpoint is to serve it.
    Reassigned(String),
    /// The other end of the link asked the board to shut down.
    Shutdown,
}

/// One connection.
pub struct Session<'s> {
    hardware: Hardware,
    transport: &'s mut dyn Transport,
    random: &'s mut Random,
    memory: &'s mut Memory,
    facts: &'s Facts<'s>,
    out: Vec<u8>,
    next_id: u32,
    enrolling: bool,
    /// When the next heartbeat or the answer to the enrollment request is due.
    due: u64,
    unanswered: u32,
    ended: Option<Ended>,
    /// Whether the gateway has answered a heartbeat.
    pub established: bool,
    /// Milliseconds that the gateway asked for before the next attempt.
    pub retry_after: Option<u64>,
}

impl Outbox for Session<'_> {
    fn send(&mut self, message: &DeviceMessage<'_>, message_id: Option<u32>) -> bool {
        !self.enrolling && self.put(message, message_id)
    }
}

impl<'s> Session<'s> {
    /// Begins a session on an established connection.
    pub fn new(
        hardware: Hardware,
        transport: &'s mut dyn Transport,
        random: &'s mut Random,
        memory: &'s mut Memory,
        facts: &'s Facts<'s>,
    ) -> Self {
        Self {
            hardware,
            transport,
            random,
            memory,
            facts,
            out: Vec::new(),
            next_id: 1,
            enrolling: false,
            due: 0,
            unanswered: 0,
            ended: None,
            established: false,
            retry_after: None,
        }
    }

    /// Serves the connection until it ends. The caller closes the link.
    pub fn run(&mut self, applications: &mut Applications) -> Outcome {
        let outcome = self.serve(applications);
        applications.link_lost();
        if let Outcome::Broken(error) = outcome {
            self.answer_broken(error);
        }
        self.transport.close();
        outcome
    }

    fn serve(&mut self, applications: &mut Applications) -> Outcome {
        match &self.memory.device_id {
            None => self.enroll(),
            Some(device_id) => {
                self.hardware.log(format_args!("link: resuming as {device_id}"));
                self.beat(applications);
            }
        }
        let mut frames = FrameDecoder::new(self.hardware.profile.largest_frame);
        loop {
            if self.hardware.link.shutdown_requested() {
                return Outcome::Shutdown;
            }
            let received = self.transport.receive(&mut frames);
            match self.take_frames(&mut frames, applications) {
                Ok(None) => {}
                Ok(Some(outcome)) => return outcome,
                Err(error) => return Outcome::Broken(error),
            }
            let more = applications.advance(self);
            if let Some(ended) = received.err().or(self.ended) {
                return Outcome::Down(ended);
            }
            if self.hardware.clock.now() >= self.due {
                if self.enrolling {
                    return Outcome::Down(Ended::Broken("no answer to the enrollment request"));
                }
                if self.unanswered >= MISSED_HEARTBEATS {
                    return Outcome::Down(Ended::Broken("3 heartbeats were not answered"));
                }
                self.beat(applications);
            }
            self.hardware.rest(more.min(self.due));
        }
    }

    fn take_frames(
        &mut self,
        frames: &mut FrameDecoder,
        applications: &mut Applications,
    ) -> Result<Option<Outcome>, ProtocolError> {
        while let Some(frame) = frames.peek()? {
            let outcome = match decode_gateway(frame) {
                Ok(envelope) => self.handle(&envelope, applications),
                Err(error @ ProtocolError::UnknownTag { message_id, .. }) => {
                    self.hardware.log(format_args!("link: {error} from the gateway"));
                    self.complain(&error.to_string(), Some(message_id));
                    None
                }
                Err(error) => return Err(error),
            };
            frames.drop_frame();
            if outcome.is_some() {
                return Ok(outcome);
            }
        }
        Ok(None)
    }

    fn handle(&mut self, envelope: &Envelope<GatewayMessage<'_>>, applications: &mut Applications) -> Option<Outcome> {
        let id = envelope.message_id;
        match &envelope.message {
            GatewayMessage::HeartbeatAcknowledgment(_) => self.acknowledged(applications),
            GatewayMessage::Error(error) => return self.refused(error),
            GatewayMessage::EnrollmentResponse(response) if self.enrolling => {
                return self.enrolled(response, id, applications);
            }
            GatewayMessage::DeviceInfoRequest(_) if !self.enrolling => self.inform(id),
            GatewayMessage::Deploy(deploy) if !self.enrolling => applications.deploy(deploy, id, self),
            GatewayMessage::ModuleChunk(chunk) if !self.enrolling => applications.chunk(chunk, id, self),
            GatewayMessage::Stop(stop) if !self.enrolling => applications.stop(stop, id, self),
            GatewayMessage::ApplicationStatusRequest(request) if !self.enrolling => {
                applications.status(request, id, self);
            }
            unexpected => {
                let when = if self.enrolling { "before" } else { "after" };
                let reason = format!("{} {when} the enrollment", unexpected.name());
                self.hardware.log(format_args!("link: unexpected {reason}"));
                self.complain(&reason, Some(id));
            }
        }
        None
    }

    /// Sends a message in any state of the session; false: the link has ended.
    fn put(&mut self, message: &DeviceMessage<'_>, message_id: Option<u32>) -> bool {
        if self.ended.is_some() {
            return false;
        }
        let id = message_id.unwrap_or_else(|| {
            let id = self.next_id;
            self.next_id = self.next_id.wrapping_add(1);
            id
        });
        self.out.clear();
        encode_device(id, message, &mut self.out);
        self.ended = self.transport.send(&self.out).err();
        self.ended.is_none()
    }

    fn complain(&mut self, reason: &str, message_id: Option<u32>) {
        let error = Error { code: "PROTOCOL_ERROR", message: reason, retry_after: None, action: None };
        self.put(&DeviceMessage::Error(error), message_id);
    }

    fn answer_broken(&mut self, error: ProtocolError) {
        self.complain(&error.to_string(), error.message_id());
    }

    fn enroll(&mut self) {
        self.enrolling = true;
        let mut nonce = [0; NONCE_SIZE];
        self.random.fill_bytes(&mut nonce);
        let (facts, profile) = (self.facts, self.hardware.profile);
        let with = if facts.request.is_some() { "signing request" } else { "certificate" };
        self.hardware.log(format_args!("enrollment: requested with {with}"));
        let request = EnrollmentRequest {
            device_type: facts.device_type,
            mcu_type: profile.board,
            architecture: profile.architecture,
            capabilities: facts.capabilities.clone(),
            public_key: facts.public_key,
            firmware_version: env!("CARGO_PKG_VERSION"),
            nonce: &nonce,
            csr: facts.request.as_ref().map(|(csr, _)| csr.as_slice()),
            pairing_token: facts.request.as_ref().and_then(|(_, token)| *token),
            largest_module: Some(profile.largest_module as u64),
        };
        self.put(&DeviceMessage::EnrollmentRequest(request), None);
        self.due = self.hardware.clock.now() + RESPONSE_TIME;
    }

    fn enrolled(
        &mut self,
        response: &EnrollmentResponse<'_>,
        message_id: u32,
        applications: &mut Applications,
    ) -> Option<Outcome> {
        if self.facts.request.is_some() {
            return Some(match response.certificate {
                Some(certificate) => Outcome::Issued(certificate.to_vec()),
                None => Outcome::Rejected("no usable certificate: the gateway sent none".into()),
            });
        }
        let EnrollmentResponse { device_id, gateway_name, heartbeat_interval, .. } = *response;
        if heartbeat_interval == 0 {
            return Some(Outcome::Rejected("a heartbeat interval of 0 ms".into()));
        }
        self.hardware.log(format_args!(
            "enrollment: enrolled at {gateway_name} as {device_id}, heartbeat every {heartbeat_interval} ms"
        ));
        self.enrolling = false;
        self.memory.device_id = Some(device_id.into());
        self.memory.heartbeat_interval = heartbeat_interval;
        let acknowledgment = EnrollmentAcknowledgment { device_id };
        self.put(&DeviceMessage::EnrollmentAcknowledgment(acknowledgment), Some(message_id));
        if response.reassigned == Some(true) && is_endpoint(response.gateway_endpoint) {
            return Some(Outcome::Reassigned(response.gateway_endpoint.into()));
        }
        self.beat(applications);
        None
    }

    fn refused(&mut self, error: &Error<'_>) -> Option<Outcome> {
        let (code, message) = (error.code, error.message);
        match error.action {
            Some(action) => self.hardware.log(format_args!("error from gateway: {code}: {message} ({action})")),
            None => self.hardware.log(format_args!("error from gateway: {code}: {message}")),
        }
        self.retry_after = error.retry_after.or(self.retry_after);
        if self.enrolling {
            return Some(Outcome::Rejected(format!("enrollment refused: {code}")));
        }
        if code == "ENROLLMENT_FAILED" {
            self.memory.device_id = None;
            self.unanswered = 0;
            self.enroll();
        }
        None
    }

    fn acknowledged(&mut self, applications: &mut Applications) {
        self.unanswered = 0;
        if !self.established && !self.enrolling {
            self.established = true;
            self.hardware.log(format_args!("link: heartbeat answered"));
            applications.link_restored(self);
        }
    }

    /// Sends a heartbeat. The next one is due one interval after the start of this call.
    fn beat(&mut self, applications: &Applications) {
        let Some(device_id) = self.memory.device_id.clone() else { return };
        let now = self.hardware.clock.now();
        let (heap_used, heap_free) = (self.hardware.profile.heap)();
        let heartbeat = Heartbeat {
            device_id: &device_id,
            device_time: self.facts.boot_time + now,
            status: if applications.failed() > 0 { "degraded" } else { "running" },
            metrics: Metrics(Vec::from([
                ("uptime_ms", now as i64),
                ("memory_used_bytes", applications.memory_bytes() as i64),
                ("applications_running", applications.running() as i64),
                ("errors", applications.errors() as i64),
                ("heap_used_bytes", heap_used as i64),
                ("heap_free_bytes", heap_free as i64),
            ])),
            runtime_status: if self.hardware.profile.largest_module == 0 {
                "unavailable"
            } else if applications.is_busy() {
                "busy"
            } else {
                "ready"
            },
            applications: applications.states(),
        };
        self.unanswered += 1;
        self.due = now + self.memory.heartbeat_interval;
        self.put(&DeviceMessage::Heartbeat(heartbeat), None);
    }

    fn inform(&mut self, message_id: u32) {
        let profile = self.hardware.profile;
        let information = DeviceInfo {
            memory: profile.memory,
            architecture: profile.architecture,
            runtime_features: if profile.largest_module == 0 {
                Vec::new()
            } else {
                runtime::limits::PROPOSALS.to_vec()
            },
            largest_module: profile.largest_module as u64,
        };
        self.put(&DeviceMessage::DeviceInfo(information), Some(message_id));
    }
}

/// Whether `text` is `host:port`, of visible characters and not too long.
fn is_endpoint(text: &str) -> bool {
    let text = text.as_bytes();
    let Some(colon) = text.iter().rposition(|&byte| byte == b':') else { return false };
    let (host, port) = (&text[..colon], &text[colon + 1..]);
    let is_host = !host.is_empty() && text.len() <= LONGEST_ENDPOINT && host.iter().all(u8::is_ascii_graphic);
    let is_number = port.len() <= 5 && port.iter().all(u8::is_ascii_digit);
    let number = |number: u32, digit: &u8| 10 * number + u32::from(digit - b'0');
    is_host && is_number && (1..1 << 16).contains(&port.iter().fold(0, number))
}
