//! Executes modules. A board without a runtime has the same interface and refuses every module.

#[cfg(not(feature = "wasm"))]
mod absent;
#[cfg(feature = "wasm")]
mod declarations;
#[cfg(feature = "wasm")]
mod guest;
#[cfg(feature = "wasm")]
mod host;
pub mod limits;

use alloc::string::String;
use alloc::vec::Vec;

use wasmbed_protocol::messages::{Limits, Metrics};

#[cfg(not(feature = "wasm"))]
pub use self::absent::{Engine, Guest};
#[cfg(feature = "wasm")]
pub use self::guest::{Engine, Guest};

/// The exported function that is called once before the entry, by WASI's name.
pub const INITIALIZE: &str = "_initialize";
/// The exported function that is called repeatedly.
pub const TICK: &str = "tick";

/// Size of a topic, bytes. A longer, empty or non-UTF-8 topic is refused.
pub const MAXIMUM_TOPIC: usize = 128;
/// Size of a payload, bytes. A longer one is refused.
pub const MAXIMUM_PAYLOAD: usize = 1024;
/// Size of a log line, bytes. A longer one is cut off.
pub const MAXIMUM_LOG_LINE: usize = 256;
/// Log lines of one call. Further lines are only counted.
pub const MAXIMUM_LOG_LINES: u32 = 256;
/// Publications of one application that wait to be sent. Further ones are refused; a small board also refuses one that
/// it has no memory for.
pub const MAXIMUM_PUBLICATIONS: usize = 64;

/// The facts about its application that a module can read.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// The application's id.
    pub application: String,
    /// Arguments, read by index.
    pub arguments: Vec<String>,
    /// Environment variables, read by name.
    pub environment: Vec<(String, String)>,
}

/// A publication that waits to be sent.
#[derive(Clone, Debug)]
pub struct Publication {
    /// At most [`MAXIMUM_TOPIC`] bytes.
    pub topic: String,
    /// At most [`MAXIMUM_PAYLOAD`] bytes.
    pub payload: Vec<u8>,
}

/// Resources that a call has used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Use {
    /// Linear memory, bytes.
    pub memory: u64,
    /// Wall time, milliseconds.
    pub wall_time: u64,
    /// Units of fuel; None: unknown.
    pub fuel: Option<u64>,
}

impl Use {
    /// Converts it to the metrics of a message.
    pub fn metrics(&self) -> Metrics<'static> {
        let mut metrics =
            Metrics(Vec::from([("memory_bytes", self.memory as i64), ("wall_time_ms", self.wall_time as i64)]));
        metrics.0.extend(self.fuel.map(|fuel| ("fuel_used", i64::try_from(fuel).unwrap_or(i64::MAX))));
        metrics
    }
}

/// Why a call into a module failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum FaultCode {
    Trap,
    OutOfFuel,
    TimeLimit,
    /// A trap after a refused `memory.grow`.
    MemoryLimit,
}

impl FaultCode {
    /// The code on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Trap => "TRAP",
            Self::OutOfFuel => "OUT_OF_FUEL",
            Self::TimeLimit => "TIME_LIMIT",
            Self::MemoryLimit => "MEMORY_LIMIT",
        }
    }
}

/// A failed call into a module.
#[derive(Clone, Debug)]
pub struct Fault {
    /// The kind of failure.
    pub code: FaultCode,
    /// The reason as text.
    pub message: String,
    /// Frames, innermost first.
    pub backtrace: Vec<String>,
    /// Resources that the call used.
    pub usage: Use,
}

/// Why a module could not be loaded.
#[derive(Clone, Debug)]
pub enum LoadError {
    /// No device can run it.
    NotLoadable(String),
    /// This board lacks the memory for it.
    NotEnoughMemory(String),
    /// Its start function or `_initialize` failed.
    Fault(Fault),
}

/// The functions that the node calls in a loaded module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// The function that the deployment names.
    Entry,
    /// [`TICK`].
    Tick,
}

/// The progress of a call.
#[derive(Clone, Debug)]
pub enum Progress {
    /// It needs another slice.
    Busy,
    /// It has returned, with this result if the function has one.
    Returned(Option<i32>),
    /// It failed.
    Faulted(Fault),
}

/// The input for loading a module.
#[derive(Clone, Debug)]
pub struct Load<'a> {
    /// The binary.
    pub module: Vec<u8>,
    /// The limits of each call.
    pub limits: Limits,
    /// Name of the exported function that is called first.
    pub entry: &'a str,
}
