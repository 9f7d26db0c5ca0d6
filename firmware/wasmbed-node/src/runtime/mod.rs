//! Where modules are executed. A board without a runtime has the same words for it, and refuses.

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

/// The function that is called once before the entry, if there is one: WASI's name for it.
pub const INITIALIZE: &str = "_initialize";
/// The function that is called again and again, if there is one.
pub const TICK: &str = "tick";

/// Bytes of a topic; a longer, empty or non-UTF-8 one is refused.
pub const MAXIMUM_TOPIC: usize = 128;
/// Bytes of a payload; a longer one is refused.
pub const MAXIMUM_PAYLOAD: usize = 1024;
/// Bytes of a log line; what is beyond is cut off.
pub const MAXIMUM_LOG_LINE: usize = 256;
/// Lines of one call; the others are only counted.
pub const MAXIMUM_LOG_LINES: u32 = 256;
/// Publications of one application that wait to be sent; one more is refused, and on a small board one that there is no
/// memory for.
pub const MAXIMUM_PUBLICATIONS: usize = 64;

/// What a module is told of its application.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// The application's id.
    pub application: String,
    /// By index.
    pub arguments: Vec<String>,
    /// By name.
    pub environment: Vec<(String, String)>,
}

/// A topic and a payload that wait to be sent.
#[derive(Clone, Debug)]
pub struct Publication {
    /// At most [`MAXIMUM_TOPIC`] bytes.
    pub topic: String,
    /// At most [`MAXIMUM_PAYLOAD`] bytes.
    pub payload: Vec<u8>,
}

/// What a call has used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Use {
    /// Linear memory, bytes.
    pub memory: u64,
    /// Milliseconds.
    pub wall_time: u64,
    /// Units; None where it is not known.
    pub fuel: Option<u64>,
}

impl Use {
    /// As the wire wants it.
    pub fn metrics(&self) -> Metrics<'static> {
        let mut metrics =
            Metrics(Vec::from([("memory_bytes", self.memory as i64), ("wall_time_ms", self.wall_time as i64)]));
        metrics.0.extend(self.fuel.map(|fuel| ("fuel_used", i64::try_from(fuel).unwrap_or(i64::MAX))));
        metrics
    }
}

/// Why a call into a module ended early.
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
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Trap => "TRAP",
            Self::OutOfFuel => "OUT_OF_FUEL",
            Self::TimeLimit => "TIME_LIMIT",
            Self::MemoryLimit => "MEMORY_LIMIT",
        }
    }
}

/// A call into a module that ended early.
#[derive(Clone, Debug)]
pub struct Fault {
    /// Why.
    pub code: FaultCode,
    /// In words.
    pub message: String,
    /// Innermost first.
    pub backtrace: Vec<String>,
    /// What the call had used.
    pub usage: Use,
}

/// Why a module is not there to be called.
#[derive(Clone, Debug)]
pub enum LoadError {
    /// No device can run it.
    NotLoadable(String),
    /// This board has not the memory for it.
    NotEnoughMemory(String),
    /// Its start function or `_initialize` ended early.
    Fault(Fault),
}

/// What can be called in a loaded module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// The function that the deployment names.
    Entry,
    /// [`TICK`].
    Tick,
}

/// How far a call has come.
#[derive(Clone, Debug)]
pub enum Progress {
    /// It has more to do.
    Busy,
    /// It is done, with this result if the function has one.
    Returned(Option<i32>),
    /// It ended early.
    Faulted(Fault),
}

/// What is needed to load a module.
#[derive(Clone, Debug)]
pub struct Load<'a> {
    /// The binary.
    pub module: Vec<u8>,
    /// Of each call.
    pub limits: Limits,
    /// Of the exported function to call first.
    pub entry: &'a str,
}
