//! Stands in for the runtime on a board without one. Deployments are refused earlier, so none of this runs.

use crate::hardware::Hardware;
use crate::runtime::{Function, Load, LoadError, Progress, Publication, Surroundings, Use};

/// An engine that refuses every module.
pub struct Engine;

impl Engine {
    /// Makes the engine.
    pub fn new(_: Hardware) -> Self {
        Self
    }

    /// # Errors
    /// Always.
    pub fn load(&self, _: Surroundings, _: Load<'_>) -> Result<Guest, LoadError> {
        Err(LoadError::NotLoadable("this board has no WebAssembly runtime".into()))
    }
}

/// A loaded module: there are none.
pub enum Guest {}

#[allow(missing_docs)]
impl Guest {
    pub fn has_tick(&self) -> bool {
        match *self {}
    }

    pub fn begin(&mut self, _: Function) {
        match *self {}
    }

    pub fn advance(&mut self) -> Progress {
        match *self {}
    }

    pub fn usage(&self) -> Use {
        match *self {}
    }

    pub fn memory_bytes(&self) -> u64 {
        match *self {}
    }

    pub fn publications(&self) -> &[Publication] {
        match *self {}
    }

    pub fn forget_publications(&mut self, _: usize) {
        match *self {}
    }
}
