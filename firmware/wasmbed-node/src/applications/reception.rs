//! Receives a module: assembles its chunks and checks size, order and hash.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use sha2::{Digest, Sha256};
use wasmbed_protocol::messages::{Deploy, ModuleChunk};

/// Why a deployment is refused: a code of `DeploymentResult`, and a text.
#[derive(Clone, Debug)]
pub struct Refused {
    pub code: &'static str,
    pub message: String,
}

impl Refused {
    pub const fn new(code: &'static str, message: String) -> Self {
        Self { code, message }
    }
}

/// The chunks of one module, in order.
pub struct Reception {
    data: Vec<u8>,
    size: usize,
    chunk_size: usize,
    sha256: [u8; 32],
    next: u64,
}

impl Reception {
    /// Prepares for the announced module. `largest` and the `free` heap are in bytes.
    pub fn new(deploy: &Deploy<'_>, largest: usize, free: usize) -> Result<Self, Refused> {
        if deploy.size > largest as u64 {
            return Err(Refused::new(
                "TOO_LARGE",
                format!("{} bytes, the largest module this board loads is {largest}", deploy.size),
            ));
        }
        let size = deploy.size as usize;
        let chunk_size = usize::try_from(deploy.chunk_size).unwrap_or(usize::MAX);
        if size == 0 || chunk_size == 0 {
            return Err(Refused::new("BAD_CHUNK", format!("{size} bytes in chunks of {chunk_size}")));
        }
        let mut data = Vec::new();
        if data.try_reserve_exact(size).is_err() {
            let reason = format!("receiving it needs {size} bytes of memory, {free} are free");
            return Err(Refused::new("NOT_ENOUGH_MEMORY", reason));
        }
        Ok(Self { data, size, chunk_size, sha256: deploy.sha256, next: 0 })
    }

    /// Bytes received so far.
    pub fn held(&self) -> usize {
        self.data.len()
    }

    /// Size of the module, bytes.
    pub fn size(&self) -> usize {
        self.size
    }

    /// The number of chunks of the module.
    pub fn chunks(&self) -> usize {
        self.size.div_ceil(self.chunk_size)
    }

    /// Takes the next chunk; returns the whole module after the last one. A repeated chunk changes nothing.
    pub fn add(&mut self, chunk: &ModuleChunk<'_>) -> Result<Option<Vec<u8>>, Refused> {
        let (index, length) = (chunk.index, chunk.data.len());
        if index < self.next {
            return Ok(None);
        }
        if index > self.next {
            return Err(Refused::new("BAD_CHUNK", format!("chunk {index} came when {} was due", self.next)));
        }
        let due = self.chunk_size.min(self.size - self.data.len());
        if length != due {
            return Err(Refused::new("BAD_CHUNK", format!("chunk {index} holds {length} bytes, not {due}")));
        }
        self.data.extend_from_slice(chunk.data);
        self.next += 1;
        if self.data.len() < self.size {
            return Ok(None);
        }
        if Sha256::digest(&self.data).as_slice() != self.sha256 {
            return Err(Refused::new("HASH_MISMATCH", "the module's SHA-256 is not the one announced".into()));
        }
        Ok(Some(core::mem::take(&mut self.data)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmbed_protocol::messages::Limits;

    fn deploy(module: &[u8], chunk_size: u64) -> Deploy<'static> {
        Deploy {
            application_id: "a",
            name: "a",
            size: module.len() as u64,
            sha256: Sha256::digest(module).into(),
            chunk_size,
            limits: Limits { memory: 0, fuel: 0, wall_time: 0 },
            entry: "run",
            arguments: Vec::new(),
            environment: None,
        }
    }

    fn chunk(index: u64, data: &[u8]) -> ModuleChunk<'_> {
        ModuleChunk { application_id: "a", index, data }
    }

    #[test]
    fn chunks_in_order_make_the_module() {
        let mut reception = Reception::new(&deploy(b"12345", 2), 5, 1 << 20).unwrap();
        assert_eq!(reception.chunks(), 3);
        assert_eq!(reception.add(&chunk(0, b"12")).unwrap(), None);
        assert_eq!(reception.add(&chunk(1, b"34")).unwrap(), None);
        assert_eq!(reception.held(), 4);
        assert_eq!(reception.add(&chunk(2, b"5")).unwrap().unwrap(), b"12345");
    }

    #[test]
    fn a_chunk_that_comes_twice_counts_once() {
        let mut reception = Reception::new(&deploy(b"1234", 2), 4, 1 << 20).unwrap();
        for _ in 0..2 {
            assert_eq!(reception.add(&chunk(0, b"12")).unwrap(), None);
        }
        assert_eq!(reception.held(), 2);
        assert_eq!(reception.add(&chunk(1, b"34")).unwrap().unwrap(), b"1234");
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let code = |result: Result<Reception, Refused>| result.err().unwrap().code;
        assert_eq!(code(Reception::new(&deploy(b"123456", 2), 5, 1 << 20)), "TOO_LARGE");
        assert_eq!(code(Reception::new(&deploy(b"", 2), 5, 1 << 20)), "BAD_CHUNK");
        assert_eq!(code(Reception::new(&deploy(b"1", 0), 5, 1 << 20)), "BAD_CHUNK");
        for bad in [chunk(1, b"12"), chunk(0, b"1"), chunk(0, b"123")] {
            let mut reception = Reception::new(&deploy(b"12345", 2), 5, 1 << 20).unwrap();
            assert_eq!(reception.add(&bad).unwrap_err().code, "BAD_CHUNK");
        }
        let mut reception = Reception::new(&deploy(b"12345", 5), 5, 1 << 20).unwrap();
        assert_eq!(reception.add(&chunk(0, b"1234x")).unwrap_err().code, "HASH_MISMATCH");
    }
}
