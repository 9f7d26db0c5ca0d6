//! The host interface of `docs/host-interface.md` for applications in Rust, without pointers.
#![no_std]

#[cfg(target_arch = "wasm32")]
mod host {
    #[link(wasm_import_module = "wasmbed")]
    unsafe extern "C" {
        pub fn log(level: i32, pointer: *const u8, length: usize);
        pub safe fn clock_ms() -> i64;
        pub fn publish(topic: *const u8, topic_length: usize, payload: *const u8, payload_length: usize) -> i32;
        pub safe fn sensor_read(channel: i32) -> i32;
        pub safe fn gpio_write(pin: i32, level: i32);
        pub fn argument(index: i32, pointer: *mut u8, capacity: usize) -> i32;
        pub fn environment(name: *const u8, name_length: usize, pointer: *mut u8, capacity: usize) -> i32;
    }
}

/// Stands in for the host on a computer, so that the samples can be checked there.
#[cfg(not(target_arch = "wasm32"))]
#[allow(clippy::missing_safety_doc)]
mod host {
    pub unsafe fn log(_: i32, _: *const u8, _: usize) {}
    pub fn clock_ms() -> i64 {
        0
    }
    pub unsafe fn publish(_: *const u8, _: usize, _: *const u8, _: usize) -> i32 {
        -1
    }
    pub fn sensor_read(_: i32) -> i32 {
        0
    }
    pub fn gpio_write(_: i32, _: i32) {}
    pub unsafe fn argument(_: i32, _: *mut u8, _: usize) -> i32 {
        -1
    }
    pub unsafe fn environment(_: *const u8, _: usize, _: *mut u8, _: usize) -> i32 {
        -1
    }
}

/// Milliseconds since the device booted.
pub fn clock_ms() -> i64 {
    host::clock_ms()
}

/// Reads a sensor; returns thousandths of its unit.
pub fn sensor_read(channel: i32) -> i32 {
    host::sensor_read(channel)
}

/// Writes a line to the console.
pub fn log(text: &str) {
    // SAFETY: pointer and length are those of `text`, which lives through the call.
    unsafe { host::log(2, text.as_ptr(), text.len()) }
}

/// Publishes a payload; false: the host refused it.
pub fn publish(topic: &str, payload: &[u8]) -> bool {
    // SAFETY: pointers and lengths are those of `topic` and `payload`, which live through the call.
    unsafe { host::publish(topic.as_ptr(), topic.len(), payload.as_ptr(), payload.len()) == 0 }
}

/// Publishes a number as text.
pub fn publish_number(topic: &str, number: i64) -> bool {
    let mut text = Text::new();
    text.push_number(number);
    publish(topic, text.as_str().as_bytes())
}

/// Sets an output pin.
pub fn gpio_write(pin: i32, high: bool) {
    host::gpio_write(pin, i32::from(high));
}

/// Returns the `index`-th argument, cut off at 64 bytes.
pub fn argument(index: i32) -> Option<Text> {
    // SAFETY: pointer and length are those of `buffer`, which lives through the call and is borrowed mutably.
    Text::filled(|buffer| unsafe { host::argument(index, buffer.as_mut_ptr(), buffer.len()) })
}

/// Returns an environment variable's value, cut off at 64 bytes.
pub fn environment(name: &str) -> Option<Text> {
    // SAFETY: pointers and lengths are those of `name` and `buffer`, which live through the call; `buffer` is borrowed
    // mutably.
    Text::filled(|buffer| unsafe { host::environment(name.as_ptr(), name.len(), buffer.as_mut_ptr(), buffer.len()) })
}

/// Returns the `index`-th argument as a number, or `default`.
pub fn number(index: i32, default: i32) -> i32 {
    argument(index).and_then(|text| text.as_str().parse().ok()).unwrap_or(default)
}

/// A short text.
pub struct Text {
    bytes: [u8; 64],
    length: usize,
}

impl Text {
    /// Makes an empty text.
    pub const fn new() -> Self {
        Self { bytes: [0; 64], length: 0 }
    }

    fn filled(fill: impl FnOnce(&mut [u8; 64]) -> i32) -> Option<Self> {
        let mut text = Self::new();
        let length = usize::try_from(fill(&mut text.bytes)).ok()?;
        text.length = length.min(text.bytes.len());
        Some(text)
    }

    /// Appends `text`; what does not fit is dropped.
    pub fn push(&mut self, text: &str) {
        text.bytes().for_each(|byte| self.push_byte(byte));
    }

    fn push_byte(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(self.length) {
            *place = byte;
            self.length += 1;
        }
    }

    /// Appends a number in decimal digits. `core::fmt` would make a small module three times as large.
    pub fn push_number(&mut self, number: i64) {
        if number < 0 {
            self.push("-");
        }
        let mut rest = number.unsigned_abs();
        let mut digits = Self::new();
        let mut at = 20;
        loop {
            at -= 1;
            digits.bytes[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        for &digit in &digits.bytes[at..20] {
            self.push_byte(digit);
        }
    }

    /// The text up to its first byte that is not UTF-8.
    pub fn as_str(&self) -> &str {
        let bytes = &self.bytes[..self.length];
        match core::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => core::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default(),
        }
    }
}

impl Default for Text {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(target_arch = "wasm32")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}

#[cfg(test)]
mod tests {
    use super::Text;

    #[test]
    fn numbers_become_digits() {
        let numbers = [(0, "0"), (-1, "-1"), (1907, "1907"), (i64::MIN, "-9223372036854775808")];
        for (number, digits) in numbers {
            let mut text = Text::new();
            text.push_number(number);
            assert_eq!(text.as_str(), digits);
        }
    }

    #[test]
    fn a_text_that_is_too_long_is_cut_off() {
        let mut text = Text::new();
        (0..9).for_each(|_| text.push("12345678"));
        assert_eq!(text.as_str().len(), 64);
    }
}
