//! Links each image with its board's memory map, which `build.py` has written.

use std::env;
use std::path::Path;

fn main() {
    println!("cargo:rerun-if-env-changed=WASMBED_LAYOUTS");
    let Ok(layouts) = env::var("WASMBED_LAYOUTS") else { return };
    // This includes a board that was added since the last build.
    println!("cargo:rerun-if-changed={layouts}");
    let Ok(folders) = Path::new(&layouts).read_dir() else { return };
    for folder in folders.flatten() {
        let board = folder.file_name();
        let (board, path) = (board.to_string_lossy(), folder.path());
        println!("cargo:rerun-if-changed={}", path.join("memory.x").display());
        println!("cargo:rustc-link-arg-bin={board}=-L{}", path.display());
        // After the folder, because the linker looks for `memory.x` at once.
        println!("cargo:rustc-link-arg-bin={board}=-Tlink.x");
    }
}
