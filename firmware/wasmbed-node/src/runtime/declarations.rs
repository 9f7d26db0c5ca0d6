//! What a module declares, looked at before anything is made of it.

use alloc::format;
use alloc::string::String;

use wasmparser::{ElementItems, Parser, Payload};

use crate::runtime::limits;

/// How much of what a module has, as far as it takes memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Declarations {
    /// Imported ones included.
    pub functions: usize,
    pub types: usize,
    /// Bytes of all types.
    pub type_bytes: usize,
    pub globals: usize,
    pub exports: usize,
    /// Bytes of the names of imports and exports.
    pub name_bytes: usize,
    /// Of the function that has most.
    pub locals: usize,
    /// Of all element segments.
    pub elements: usize,
    /// Element and data segments.
    pub segments: usize,
    /// Of all tables, to begin with.
    pub table_elements: usize,
    /// Bytes of all functions.
    pub code: usize,
    /// Bytes of all data segments.
    pub data: usize,
}

impl Declarations {
    /// Reads a module, as far as it is well-formed: what is not, the runtime refuses.
    ///
    /// # Errors
    /// It has more of something than devices take.
    pub fn read(module: &[u8]) -> Result<Self, String> {
        let mut found = Self::default();
        match found.walk(module) {
            Err(Stop::TooMany(reason)) => Err(reason),
            Ok(()) | Err(Stop::Malformed) => Ok(found),
        }
    }

    /// Heap that translating the module takes, beside the module: measured on 32-bit Arm, with a margin. Code
    /// that is hardly more than control flow takes more, and so do blocks that are nested a thousand deep.
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

    /// Heap that an instance keeps, its memory not counted: measured likewise.
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

/// Why reading ends early.
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
