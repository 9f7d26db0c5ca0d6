//! Gives each image its board's memory map, which `build.py` has written.

use std::env;
use std::path::Path;

fn main() {
    println!("cargo:rerun-if-env-changed=WASMBED_LAYOUTS");
    let Ok(layouts) = env::var("WASMBED_LAYOUTS") else { return };
    // Also a board that was not there the last time.
    println!("cargo:rerun-if-changed={layouts}");
    let Ok(folders) = Path::new(&layouts).read_dir() else { return };
    for folder in folders.flatten() {
        let board = folder.file_name();
        let (board, path) = (board.to_string_lossy(), folder.path());
        println!("cargo:rerun-if-changed={}", path.join("memory.x").display());
        println!("cargo:rustc-link-arg-bin={board}=-L{}", path.display());
        // Behind the folder: the linker looks for `memory.x` at once.
        println!("cargo:rustc-link-arg-bin={board}=-Tlink.x");
    }
}
