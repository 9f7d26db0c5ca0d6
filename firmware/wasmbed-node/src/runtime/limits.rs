//! The limits that every device of every tier has: the numbers of `harness/wasmbed/runtime/limits.py`.

/// WebAssembly proposals of the runtime, beyond version 1.0.
pub const PROPOSALS: [&str; 7] = [
    "bulk-memory",
    "extended-const",
    "multi-value",
    "mutable-globals",
    "reference-types",
    "saturating-float-to-int",
    "sign-extension",
];
/// Function types.
pub const TYPES: u32 = 1_000;
/// Functions, including imported ones.
pub const FUNCTIONS: u32 = 10_000;
/// Globals.
pub const GLOBALS: u32 = 1_000;
/// Exports.
pub const EXPORTS: u32 = 1_000;
/// Element segments.
pub const ELEMENT_SEGMENTS: u32 = 1_000;
/// Data segments.
pub const DATA_SEGMENTS: u32 = 1_000;
/// Parameters of a function or block; also results.
pub const PARAMETERS: u32 = 32;
/// Locals of a function, without its parameters.
pub const LOCALS: u32 = 10_000;
/// Size of a function's code, bytes.
pub const BODY: u32 = 128 << 10;
/// Tables.
pub const TABLES: u32 = 8;
/// Elements of a table.
pub const TABLE: u32 = 10_000;
/// Elements of all element segments.
pub const ELEMENTS: u32 = 10_000;
/// Sensor channels whose readings are counted.
pub const SENSORS: usize = 64;
/// The most units of fuel for a start function and `_initialize` together, because they cannot be interrupted.
pub const DEPLOYMENT_FUEL: u64 = 2_000_000;
/// Depth of nested calls.
pub const CALL_DEPTH: usize = 512;
