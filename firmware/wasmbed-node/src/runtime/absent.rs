//! The runtime of a board that has none. Nothing here is ever reached: deployments are refused before.

use crate::hardware::Hardware;
use crate::runtime::{Function, Load, LoadError, Progress, Publication, Surroundings, Use};

/// Loads nothing.
pub struct Engine;

impl Engine {
    /// On any board.
    pub fn new(_: Hardware) -> Self {
        Self
    }

    /// # Errors
    /// Always.
    pub fn load(&self, _: Surroundings, _: Load<'_>) -> Result<Guest, LoadError> {
        Err(LoadError::NotLoadable("this board has no WebAssembly runtime".into()))
    }
}

/// There are none.
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
