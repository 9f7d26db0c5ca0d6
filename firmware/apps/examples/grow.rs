//! Grows its memory by a page at a time until that is refused; then it fails, or with the argument `stop` it ends.
#![cfg_attr(target_arch = "wasm32", no_std)]

#[cfg(target_arch = "wasm32")]
fn grow() -> bool {
    core::arch::wasm32::memory_grow::<0>(1) != usize::MAX
}

#[cfg(not(target_arch = "wasm32"))]
fn grow() -> bool {
    false
}

/// Publishes the number of pages that it got.
#[unsafe(no_mangle)]
pub extern "C" fn run() {
    let mut pages = 0;
    while grow() {
        pages += 1;
    }
    wasmbed_guest::publish_number("pages", pages);
    let content = wasmbed_guest::argument(0).is_some_and(|argument| argument.as_str() == "stop");
    assert!(content, "no more memory");
}
