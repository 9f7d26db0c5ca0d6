//! Counts what a module declares, before the runtime translates it.

use alloc::format;
use alloc::string::String;

use wasmparser::{ElementItems, Parser, Payload};

use crate::runtime::limits;

/// The declarations of a module that take memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Declarations {
    /// Functions, including imported ones.
    pub functions: usize,
    pub types: usize,
    /// Size of all types, bytes.
    pub type_bytes: usize,
    pub globals: usize,
    pub exports: usize,
    /// Size of the names of imports and exports, bytes.
    pub name_bytes: usize,
    /// Locals of the function with the most.
    pub locals: usize,
    /// Elements of all element segments.
    pub elements: usize,
    /// Number of element and data segments.
    pub segments: usize,
    /// Initial elements of all tables.
    pub table_elements: usize,
    /// Size of all functions' code, bytes.
    pub code: usize,
    /// Size of all data segments, bytes.
    pub data: usize,
}

impl Declarations {
    /// Reads a module up to its first malformed part; the runtime refuses a malformed module.
    ///
    /// # Errors
    /// It exceeds a limit that all devices share.
    pub fn read(module: &[u8]) -> Result<Self, String> {
        let mut found = Self::default();
        match found.walk(module) {
            Err(Stop::TooMany(reason)) => Err(reason),
            Ok(()) | Err(Stop::Malformed) => Ok(found),
        }
    }

    /// Heap that the translation takes beside the module, bytes: measured on 32-bit Arm, with a margin. Code that is
    /// mostly control flow takes more, and so do blocks nested a thousand deep.
    pub fn translation(&self) -> usize {
        const EMPTY: usize = 5_632;
        EMPTY
            + 88 * self.functions
            + 80 * self.globals
            + 16 * self.elements
            + 120 * self.segments
            + 168 * self.types
            + 6 * self.type_bytes
            + 168 * self.exports
            + 2 * self.name_bytes
            + 40 * self.locals
            + 8 * self.code
            + self.data
    }

    /// Heap that an instance keeps, without its linear memory, bytes: measured in the same way.
    pub fn instance(&self) -> usize {
        const EMPTY: usize = 1_408;
        EMPTY
            + 36 * self.functions
            + 28 * self.globals
            + 20 * self.segments
            + 60 * self.exports
            + 8 * (self.elements + self.table_elements)
    }

    fn walk(&mut self, module: &[u8]) -> Result<(), Stop> {
        for payload in Parser::new(0).parse_all(module) {
            match payload? {
                Payload::TypeSection(types) => {
                    self.types = at_most(limits::TYPES, types.count(), "types")?;
                    self.type_bytes = types.range().len();
                    for kind in types.into_iter_err_on_gc_types() {
                        let kind = kind?;
                        for count in [kind.params().len(), kind.results().len()] {
                            at_most(limits::PARAMETERS, count as u32, "parameters or results of a function")?;
                        }
                    }
                }
                Payload::ImportSection(imports) => {
                    self.add_functions(imports.count())?;
                    self.name_bytes += imports.range().len();
                }
                Payload::FunctionSection(functions) => self.add_functions(functions.count())?,
                Payload::TableSection(tables) => {
                    at_most(limits::TABLES, tables.count(), "tables")?;
                    for table in tables {
                        let size = u32::try_from(table?.ty.initial).unwrap_or(u32::MAX);
                        self.table_elements += at_most(limits::TABLE, size, "elements of a table")?;
                    }
                }
                Payload::GlobalSection(globals) => {
                    self.globals = at_most(limits::GLOBALS, globals.count(), "globals")?;
                }
                Payload::ExportSection(exports) => {
                    self.exports = at_most(limits::EXPORTS, exports.count(), "exports")?;
                    self.name_bytes += exports.range().len();
                }
                Payload::ElementSection(segments) => {
                    self.segments += at_most(limits::ELEMENT_SEGMENTS, segments.count(), "element segments")?;
                    for segment in segments {
                        let count = match segment?.items {
                            ElementItems::Functions(items) => items.count(),
                            ElementItems::Expressions(_, items) => items.count(),
                        };
                        let total = (self.elements as u32).saturating_add(count);
                        self.elements = at_most(limits::ELEMENTS, total, "elements of all segments")?;
                    }
                }
                Payload::CodeSectionEntry(body) => {
                    let size = body.range().len();
                    at_most(limits::BODY, size as u32, "bytes of one function's code")?;
                    self.code += size;
                    let mut locals = 0_u32;
                    for group in body.get_locals_reader()? {
                        locals = locals.saturating_add(group?.0);
                    }
                    self.locals = self.locals.max(at_most(limits::LOCALS, locals, "locals of one function")?);
                }
                Payload::DataSection(segments) => {
                    self.segments += at_most(limits::DATA_SEGMENTS, segments.count(), "data segments")?;
                    self.data = segments.range().len();
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn add_functions(&mut self, count: u32) -> Result<(), Stop> {
        let total = (self.functions as u32).saturating_add(count);
        self.functions = at_most(limits::FUNCTIONS, total, "functions")?;
        Ok(())
    }
}

/// Why reading stopped.
enum Stop {
    TooMany(String),
    Malformed,
}

impl From<wasmparser::BinaryReaderError> for Stop {
    fn from(_: wasmparser::BinaryReaderError) -> Self {
        Self::Malformed
    }
}

fn at_most(limit: u32, count: u32, what: &str) -> Result<usize, Stop> {
    if count > limit {
        return Err(Stop::TooMany(format!("has {count} {what}, devices take at most {limit}")));
    }
    Ok(count as usize)
}
