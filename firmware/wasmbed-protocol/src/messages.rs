//! The messages as plain values. Field numbers and tags are those of `wasmbed.cddl`.

use alloc::vec::Vec;

use minicbor::Decoder;

use crate::field::{Fault, Field, Out, ReadError, WriteResult, message, messages, read_pairs, write_pairs};

/// Integers by name; the name ends with the unit (`uptime_ms`, `memory_used_bytes`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metrics<'a>(pub Vec<(&'a str, i64)>);

/// Texts by name, like a process's environment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Texts<'a>(pub Vec<(&'a str, &'a str)>);

/// The state of each application, by application id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct States<'a>(pub Vec<(&'a str, ApplicationState)>);

/// The state of an application on this device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApplicationState {
    /// Its module is being received.
    Receiving,
    /// It is loaded; its entry has not been called yet.
    Deployed,
    /// Its entry was called.
    Running,
    /// It was stopped by a request.
    Stopped,
    /// It could not be deployed.
    Failed,
    /// A call into it failed.
    Error,
}

impl ApplicationState {
    /// The state's text on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Receiving => "receiving",
            Self::Deployed => "deployed",
            Self::Running => "running",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
            Self::Error => "error",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Receiving, Self::Deployed, Self::Running, Self::Stopped, Self::Failed, Self::Error]
            .into_iter()
            .find(|state| state.as_str() == text)
    }
}

/// A message that a module published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publication<'a> {
    /// At most 128 bytes of text.
    pub topic: &'a str,
    /// At most 1024 bytes.
    pub payload: &'a [u8],
}

macro_rules! pairs {
    ($($name:ident)*) => {
        $(impl<'b> Field<'b> for $name<'b> {
            fn write(&self, out: &mut Out<'_>) -> WriteResult {
                write_pairs(&self.0, out)
            }

            fn read(decoder: &mut Decoder<'b>) -> Result<Self, ReadError> {
                read_pairs(decoder).map(Self)
            }
        })*
    };
}

pairs!(Metrics Texts);

impl<'b> Field<'b> for i64 {
    fn write(&self, out: &mut Out<'_>) -> WriteResult {
        out.i64(*self)?.ok()
    }

    fn read(decoder: &mut Decoder<'b>) -> Result<Self, ReadError> {
        Ok(decoder.i64()?)
    }
}

impl<'b> Field<'b> for States<'b> {
    fn write(&self, out: &mut Out<'_>) -> WriteResult {
        write_pairs(&self.0, out)
    }

    fn read(decoder: &mut Decoder<'b>) -> Result<Self, ReadError> {
        let pairs = read_pairs(decoder)?;
        let fit = pairs.iter().all(|(application_id, _)| (1..=253).contains(&application_id.len()));
        if fit { Ok(Self(pairs)) } else { Err(Fault::WrongSize.into()) }
    }
}

impl<'b> Field<'b> for ApplicationState {
    fn write(&self, out: &mut Out<'_>) -> WriteResult {
        out.str(self.as_str())?.ok()
    }

    fn read(decoder: &mut Decoder<'b>) -> Result<Self, ReadError> {
        Self::parse(decoder.str()?).ok_or(Fault::WrongType.into())
    }
}

impl<'b> Field<'b> for Publication<'b> {
    fn write(&self, out: &mut Out<'_>) -> WriteResult {
        out.array(2)?.str(self.topic)?.bytes(self.payload)?.ok()
    }

    fn read(decoder: &mut Decoder<'b>) -> Result<Self, ReadError> {
        if decoder.array()? != Some(2) {
            return Err(Fault::WrongType.into());
        }
        Ok(Self { topic: decoder.str()?, payload: decoder.bytes()? })
    }
}

message! {
    /// The limits of one application.
    #[derive(Copy)]
    Limits {
        /// Linear memory, bytes.
        0 => memory: u64,
        /// Fuel of one call.
        1 => fuel: u64,
        /// Wall time of one call, milliseconds.
        2 => wall_time: u64,
    }
}

message! {
    /// A device's sign of life, with its state.
    Heartbeat<'a> {
        /// UUID in text form.
        0 => device_id: &'a str [36..=36],
        /// Milliseconds since the Unix epoch if the device knows the time, otherwise since boot.
        1 => device_time: u64,
        /// `running` or `degraded`.
        2 => status: &'a str,
        /// Figures of the device.
        3 => metrics: Metrics<'a>,
        /// `ready`, `busy` or `unavailable`.
        4 => runtime_status: &'a str,
        /// The state of every application that the device knows.
        5 => applications: States<'a>,
    }
}

message! {
    /// A device's identity and capabilities.
    EnrollmentRequest<'a> {
        /// For example `mcu`.
        0 => device_type: &'a str,
        /// For example `mps2-an385`.
        1 => mcu_type: &'a str,
        /// For example `armv7m`.
        2 => architecture: &'a str,
        /// For example `tls`, `cbor`, `wasm`.
        3 => capabilities: Vec<&'a str>,
        /// SubjectPublicKeyInfo, DER.
        4 => public_key: &'a [u8],
        /// The firmware's version.
        5 => firmware_version: &'a str,
        /// 8 to 64 bytes, fresh for each request.
        6 => nonce: &'a [u8] [8..=64],
        /// Certification request, DER (RFC 2986).
        7 => csr: Option<&'a [u8]>,
        /// One-time secret for the certification request.
        8 => pairing_token: Option<&'a str>,
        /// Size of the largest module that it can load, bytes.
        9 => largest_module: Option<u64>,
    }
}

message! {
    /// The device has stored its id.
    EnrollmentAcknowledgment<'a> {
        /// UUID in text form.
        0 => device_id: &'a str [36..=36],
    }
}

message! {
    /// The state of an application, and what it published since the last status.
    ApplicationStatus<'a> {
        /// Which application.
        0 => application_id: &'a str [1..=253],
        /// Its state.
        1 => state: ApplicationState,
        /// Figures of the application.
        2 => metrics: Metrics<'a>,
        /// Why it failed.
        3 => error: Option<&'a str>,
        /// Oldest first.
        4 => publications: Option<Vec<Publication<'a>>>,
    }
}

message! {
    /// How a deployment ended.
    DeploymentResult<'a> {
        /// Which application.
        0 => application_id: &'a str [1..=253],
        /// Whether it is loaded.
        1 => ok: bool,
        /// Why not, as text.
        2 => error: Option<&'a str>,
        /// Figures of the application.
        3 => metrics: Metrics<'a>,
        /// Why not, as a code.
        4 => code: Option<&'a str>,
    }
}

message! {
    /// How stopping an application ended.
    StopResult<'a> {
        /// Which application.
        0 => application_id: &'a str [1..=253],
        /// Whether it is stopped.
        1 => ok: bool,
        /// Why not.
        2 => error: Option<&'a str>,
    }
}

message! {
    /// The device's resources.
    DeviceInfo<'a> {
        /// RAM, bytes.
        0 => memory: u64,
        /// For example `armv7m`.
        1 => architecture: &'a str,
        /// The WebAssembly proposals that its runtime supports.
        2 => runtime_features: Vec<&'a str>,
        /// Size of the largest module that it can load, bytes.
        3 => largest_module: u64,
    }
}

message! {
    /// A call into a module failed: `runtime-error` of the contract.
    RuntimeFault<'a> {
        /// Which application.
        0 => application_id: &'a str [1..=253],
        /// `TRAP`, `OUT_OF_FUEL`, `TIME_LIMIT` or `MEMORY_LIMIT`.
        1 => code: &'a str,
        /// The same as text.
        2 => message: &'a str,
        /// Innermost first.
        3 => backtrace: Vec<&'a str>,
        /// The resources that the call used.
        4 => resource_use: Metrics<'a>,
    }
}

message! {
    /// A chunk has arrived.
    ChunkAcknowledgment<'a> {
        /// Which application.
        0 => application_id: &'a str [1..=253],
        /// Which chunk, from 0.
        1 => index: u64,
    }
}

message! {
    /// Something was refused; sent by either side.
    Error<'a> {
        /// For example `ENROLLMENT_FAILED`.
        0 => code: &'a str,
        /// The same as text.
        1 => message: &'a str,
        /// Milliseconds to wait before the next attempt.
        2 => retry_after: Option<u64>,
        /// The action that the device should take, for example `RENEW_CERTIFICATE`.
        3 => action: Option<&'a str>,
    }
}

message! {
    /// The gateway has received the heartbeat.
    HeartbeatAcknowledgment {
        /// Milliseconds since the Unix epoch.
        0 => gateway_time: u64,
    }
}

message! {
    /// The device is enrolled: its id and settings.
    EnrollmentResponse<'a> {
        /// UUID in text form.
        0 => device_id: &'a str [36..=36],
        /// The gateway's name.
        1 => gateway_name: &'a str,
        /// `host:port`.
        2 => gateway_endpoint: &'a str,
        /// Milliseconds between two heartbeats.
        3 => heartbeat_interval: u64,
        /// The certificate issued for the device's certification request, DER.
        4 => certificate: Option<&'a [u8]>,
        /// Whether that gateway is another one than the sender.
        5 => reassigned: Option<bool>,
    }
}

message! {
    /// Announces a module, which follows in chunks.
    Deploy<'a> {
        /// Which application.
        0 => application_id: &'a str [1..=253],
        /// The name that people read.
        1 => name: &'a str,
        /// Size of the module, bytes.
        2 => size: u64,
        /// SHA-256 of the module.
        3 => sha256: [u8; 32],
        /// Size of a chunk, bytes; the last one may be shorter.
        4 => chunk_size: u64,
        /// The limits of the application.
        5 => limits: Limits,
        /// The exported function to call.
        6 => entry: &'a str,
        /// Arguments, which the module reads by index.
        7 => arguments: Vec<&'a str>,
        /// Environment variables, which the module reads by name.
        8 => environment: Option<Texts<'a>>,
    }
}

message! {
    /// Stops an application.
    Stop<'a> {
        /// Which application.
        0 => application_id: &'a str [1..=253],
    }
}

message! {
    /// Asks for [`DeviceInfo`].
    DeviceInfoRequest {
    }
}

message! {
    /// Asks for [`ApplicationStatus`], of one application or of all.
    ApplicationStatusRequest<'a> {
        /// Which application; absent: all.
        0 => application_id: Option<&'a str> [1..=253],
    }
}

message! {
    /// A part of a module.
    ModuleChunk<'a> {
        /// Which application.
        0 => application_id: &'a str [1..=253],
        /// Which chunk, from 0.
        1 => index: u64,
        /// The bytes.
        2 => data: &'a [u8],
    }
}

messages! {
    /// The messages that a device sends.
    DeviceMessage {
        0 => Heartbeat(Heartbeat<'a>),
        1 => EnrollmentRequest(EnrollmentRequest<'a>),
        2 => Error(Error<'a>),
        3 => EnrollmentAcknowledgment(EnrollmentAcknowledgment<'a>),
        4 => ApplicationStatus(ApplicationStatus<'a>),
        5 => DeploymentResult(DeploymentResult<'a>),
        6 => StopResult(StopResult<'a>),
        7 => DeviceInfo(DeviceInfo<'a>),
        8 => RuntimeFault(RuntimeFault<'a>),
        9 => ChunkAcknowledgment(ChunkAcknowledgment<'a>),
    }
}

messages! {
    /// The messages that a gateway sends.
    GatewayMessage {
        0 => HeartbeatAcknowledgment(HeartbeatAcknowledgment),
        1 => EnrollmentResponse(EnrollmentResponse<'a>),
        2 => Error(Error<'a>),
        5 => Deploy(Deploy<'a>),
        6 => Stop(Stop<'a>),
        7 => DeviceInfoRequest(DeviceInfoRequest),
        8 => ApplicationStatusRequest(ApplicationStatusRequest<'a>),
        9 => ModuleChunk(ModuleChunk<'a>),
    }
}
