//! The messages as plain values. Field numbers and tags are those of `wasmbed.cddl`.

use alloc::vec::Vec;

use minicbor::Decoder;

use crate::field::{Fault, Field, Out, ReadError, WriteResult, message, messages, read_pairs, write_pairs};

/// Whole numbers by name; the unit is in the name (`uptime_ms`, `memory_used_bytes`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metrics<'a>(pub Vec<(&'a str, i64)>);

/// Texts by name, as in a process's environment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Texts<'a>(pub Vec<(&'a str, &'a str)>);

/// What each application is doing, by application id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct States<'a>(pub Vec<(&'a str, ApplicationState)>);

/// What an application is doing on this device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApplicationState {
    /// Its module is on the way.
    Receiving,
    /// Loaded; its entry was not called yet.
    Deployed,
    /// Its entry was called.
    Running,
    /// It was stopped on request.
    Stopped,
    /// It could not be deployed.
    Failed,
    /// A call into it ended early.
    Error,
}

impl ApplicationState {
    /// The word on the wire.
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

    fn parse(word: &str) -> Option<Self> {
        [Self::Receiving, Self::Deployed, Self::Running, Self::Stopped, Self::Failed, Self::Error]
            .into_iter()
            .find(|state| state.as_str() == word)
    }
}

/// What a module published.
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
    /// What a module may use.
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
    /// A sign of life.
    Heartbeat<'a> {
        /// UUID in text form.
        0 => device_id: &'a str [36..=36],
        /// Milliseconds since the Unix epoch where the device knows it, else since boot.
        1 => device_time: u64,
        /// `running` or `degraded`.
        2 => status: &'a str,
        /// About the device.
        3 => metrics: Metrics<'a>,
        /// `ready`, `busy` or `unavailable`.
        4 => runtime_status: &'a str,
        /// Of every application the device knows.
        5 => applications: States<'a>,
    }
}

message! {
    /// Who the device is and what it can do.
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
        /// Of the firmware.
        5 => firmware_version: &'a str,
        /// 8 to 64 bytes, fresh for each request.
        6 => nonce: &'a [u8] [8..=64],
        /// Certification request, DER (RFC 2986).
        7 => csr: Option<&'a [u8]>,
        /// One-time secret that goes with the certification request.
        8 => pairing_token: Option<&'a str>,
        /// Bytes.
        9 => largest_module: Option<u64>,
    }
}

message! {
    /// The device has taken its id.
    EnrollmentAcknowledgment<'a> {
        /// UUID in text form.
        0 => device_id: &'a str [36..=36],
    }
}

message! {
    /// What an application is doing, and what it published since the last status.
    ApplicationStatus<'a> {
        /// Which application.
        0 => application_id: &'a str [1..=253],
        /// What it is doing.
        1 => state: ApplicationState,
        /// About the application.
        2 => metrics: Metrics<'a>,
        /// Why it is not doing better.
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
        /// What was wrong, in words.
        2 => error: Option<&'a str>,
        /// About the application.
        3 => metrics: Metrics<'a>,
        /// What was wrong, as a code.
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
        /// What was wrong.
        2 => error: Option<&'a str>,
    }
}

message! {
    /// What the device has.
    DeviceInfo<'a> {
        /// Bytes.
        0 => memory: u64,
        /// For example `armv7m`.
        1 => architecture: &'a str,
        /// Of the WebAssembly runtime.
        2 => runtime_features: Vec<&'a str>,
        /// Bytes.
        3 => largest_module: u64,
    }
}

message! {
    /// A call into a module ended early: `runtime-error` of the contract.
    RuntimeFault<'a> {
        /// Which application.
        0 => application_id: &'a str [1..=253],
        /// `TRAP`, `OUT_OF_FUEL`, `TIME_LIMIT` or `MEMORY_LIMIT`.
        1 => code: &'a str,
        /// In words.
        2 => message: &'a str,
        /// Innermost first.
        3 => backtrace: Vec<&'a str>,
        /// What the call had used.
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
        /// In words.
        1 => message: &'a str,
        /// Milliseconds.
        2 => retry_after: Option<u64>,
        /// For example `RENEW_CERTIFICATE`.
        3 => action: Option<&'a str>,
    }
}

message! {
    /// The gateway has seen the heartbeat.
    HeartbeatAcknowledgment {
        /// Milliseconds since the Unix epoch.
        0 => gateway_time: u64,
    }
}

message! {
    /// The device is known, and this is how it shall behave.
    EnrollmentResponse<'a> {
        /// UUID in text form.
        0 => device_id: &'a str [36..=36],
        /// The gateway's name.
        1 => gateway_name: &'a str,
        /// `host:port`.
        2 => gateway_endpoint: &'a str,
        /// Milliseconds.
        3 => heartbeat_interval: u64,
        /// Issued on the device's certification request, DER.
        4 => certificate: Option<&'a [u8]>,
    }
}

message! {
    /// A module is about to come, in chunks.
    Deploy<'a> {
        /// Which application.
        0 => application_id: &'a str [1..=253],
        /// For people.
        1 => name: &'a str,
        /// Of the module, bytes.
        2 => size: u64,
        /// Of the module.
        3 => sha256: [u8; 32],
        /// Bytes; the last chunk may be shorter.
        4 => chunk_size: u64,
        /// What it may use.
        5 => limits: Limits,
        /// The exported function to call.
        6 => entry: &'a str,
        /// What the module can ask for by index.
        7 => arguments: Vec<&'a str>,
        /// What the module can ask for by name.
        8 => environment: Option<Texts<'a>>,
    }
}

message! {
    /// An application shall stop.
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
        /// Which application; none: all.
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
    /// What a device sends.
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
    /// What a gateway sends.
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
