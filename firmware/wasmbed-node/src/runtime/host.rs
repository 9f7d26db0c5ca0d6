//! The host interface: the functions that a module can import. `docs/host-interface.md` is the contract.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use wasmi::{Caller, Error, Linker, Memory, ResourceLimiter};
use wasmi_core::LimiterError;

use crate::hardware::Hardware;
use crate::runtime::limits;
use crate::runtime::{
    MAXIMUM_LOG_LINE, MAXIMUM_LOG_LINES, MAXIMUM_PAYLOAD, MAXIMUM_PUBLICATIONS, MAXIMUM_TOPIC, Publication,
    Surroundings,
};

const MODULE: &str = "wasmbed";
const LEVELS: [&str; 3] = ["error", "warning", "info"];
/// Log levels above this one are not written.
const DETAIL: i32 = 2;
/// Heap that a running module must leave for messages, bytes.
pub const MESSAGES: usize = 2 << 10;
/// Heap that a module's memory and publications must leave for the rest of the node, bytes.
const RESERVE: usize = 8 << 10;

/// One application's view of its board.
pub struct Host {
    hardware: Hardware,
    around: Surroundings,
    memory: Option<Memory>,
    memory_limit: usize,
    /// Whether a growth of the memory was refused during the present call.
    pub refused: bool,
    pub publications: Vec<Publication>,
    lines: u32,
    readings: Vec<(i32, u32)>,
}

impl Host {
    pub fn new(hardware: Hardware, around: Surroundings, memory_limit: usize) -> Self {
        Self {
            hardware,
            around,
            memory: None,
            memory_limit,
            refused: false,
            publications: Vec::new(),
            lines: 0,
            readings: Vec::new(),
        }
    }

    pub fn set_memory(&mut self, memory: Memory) {
        self.memory = Some(memory);
    }

    /// Resets the counts, before a call.
    pub fn begin(&mut self) {
        self.refused = false;
        self.lines = 0;
    }

    /// Reports dropped lines, after a call.
    pub fn end(&mut self) {
        if let Some(dropped) = self.lines.checked_sub(MAXIMUM_LOG_LINES).filter(|&dropped| dropped > 0) {
            self.say(&format!("{dropped} more lines of one call were dropped"));
        }
    }

    fn say(&self, text: &str) {
        self.hardware.log(format_args!("app {}: {text}", self.around.application));
    }

    /// Whether a publication of `size` bytes can be queued.
    fn has_room_for(&self, size: usize) -> bool {
        let (_, free) = (self.hardware.profile.heap)();
        self.publications.len() < MAXIMUM_PUBLICATIONS && size + RESERVE <= free
    }

    /// Whether there is heap for a memory or a table to grow; sizes in bytes. Growing may copy, and then the old one is
    /// freed only after the new one was allocated.
    fn can_grow(&self, current: usize, desired: usize) -> bool {
        let (_, free) = (self.hardware.profile.heap)();
        let reserve = if current == 0 { MESSAGES } else { RESERVE };
        desired == current || desired.checked_add(reserve).is_some_and(|needed| needed <= free)
    }

    fn next_reading(&mut self, channel: i32) -> u32 {
        if let Some((_, count)) = self.readings.iter_mut().find(|(known, _)| *known == channel) {
            *count = count.wrapping_add(1);
            return *count;
        }
        if self.readings.len() < limits::SENSORS {
            self.readings.push((channel, 0));
        }
        0
    }
}

impl ResourceLimiter for Host {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> Result<bool, LimiterError> {
        let fits = desired <= self.memory_limit && self.can_grow(current, desired);
        self.refused |= !fits;
        Ok(fits)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> Result<bool, LimiterError> {
        const ELEMENT: usize = 8;
        Ok(desired <= limits::TABLE as usize && self.can_grow(current * ELEMENT, desired * ELEMENT))
    }

    fn memory_grow_failed(&mut self, error: &LimiterError) {
        // A lack of fuel is not a refusal: the growth may be tried again in the next slice.
        self.refused |= !matches!(error, LimiterError::OutOfFuel { .. });
    }

    fn instances(&self) -> usize {
        1
    }

    fn tables(&self) -> usize {
        limits::TABLES as usize
    }

    fn memories(&self) -> usize {
        1
    }
}

/// Returns a range of the module's memory; an invalid range is a trap.
fn range<'a>(
    caller: &'a mut Caller<'_, Host>,
    function: &str,
    pointer: i32,
    length: usize,
) -> Result<(&'a mut [u8], &'a mut Host), Error> {
    let memory = match caller.data().memory {
        Some(memory) => memory,
        // During the start function the memory is not stored yet.
        None => caller
            .get_export("memory")
            .and_then(wasmi::Extern::into_memory)
            .ok_or_else(|| Error::new("no exported memory"))?,
    };
    let (data, host) = memory.data_and_store_mut(caller);
    let (start, size) = (pointer as u32 as usize, data.len());
    start.checked_add(length).and_then(|end| data.get_mut(start..end)).map(|range| (range, host)).ok_or_else(|| {
        Error::new(format!("{MODULE}.{function}: {length} bytes at {start:#x} leave the memory of {size} bytes"))
    })
}

const fn unsigned(length: i32) -> usize {
    length as u32 as usize
}

/// Copies at most `capacity` bytes of a text to the module; returns the text's whole length, or -1 without a text.
fn hand_over(
    caller: &mut Caller<'_, Host>,
    function: &str,
    text: Option<String>,
    pointer: i32,
    capacity: i32,
) -> Result<i32, Error> {
    let Some(text) = text else { return Ok(-1) };
    let count = text.len().min(unsigned(capacity));
    let (out, _) = range(caller, function, pointer, count)?;
    out.copy_from_slice(&text.as_bytes()[..count]);
    Ok(text.len() as i32)
}

fn log(mut caller: Caller<'_, Host>, level: i32, pointer: i32, length: i32) -> Result<(), Error> {
    let (text, host) = range(&mut caller, "log", pointer, unsigned(length))?;
    host.lines = host.lines.saturating_add(1);
    if host.lines <= MAXIMUM_LOG_LINES && (0..=DETAIL).contains(&level) {
        let level = LEVELS[level as usize];
        let text = String::from_utf8_lossy(&text[..text.len().min(MAXIMUM_LOG_LINE)]);
        host.say(&format!("[{level}] {text}"));
    }
    Ok(())
}

fn clock_ms(caller: Caller<'_, Host>) -> i64 {
    caller.data().hardware.clock.now() as i64
}

fn publish(
    mut caller: Caller<'_, Host>,
    topic_pointer: i32,
    topic_length: i32,
    payload_pointer: i32,
    payload_length: i32,
) -> Result<i32, Error> {
    let (topic, _) = range(&mut caller, "publish", topic_pointer, unsigned(topic_length))?;
    let fits = (1..=MAXIMUM_TOPIC).contains(&topic.len());
    let topic = if fits { String::from_utf8(topic.to_vec()).ok() } else { None };
    let (payload, host) = range(&mut caller, "publish", payload_pointer, unsigned(payload_length))?;
    let Some(topic) = topic else { return Ok(-1) };
    if payload.len() > MAXIMUM_PAYLOAD || !host.has_room_for(topic.len() + payload.len()) {
        return Ok(-1);
    }
    let payload = payload.to_vec();
    host.publications.push(Publication { topic, payload });
    Ok(0)
}

fn sensor_read(mut caller: Caller<'_, Host>, channel: i32) -> i32 {
    let host = caller.data_mut();
    let reading = host.next_reading(channel);
    host.hardware.peripherals.sensor_read(channel, reading)
}

fn gpio_write(caller: Caller<'_, Host>, pin: i32, level: i32) {
    caller.data().hardware.peripherals.gpio_write(pin, level != 0);
}

fn argument(mut caller: Caller<'_, Host>, index: i32, pointer: i32, capacity: i32) -> Result<i32, Error> {
    let arguments = &caller.data().around.arguments;
    let text = usize::try_from(index).ok().and_then(|index| arguments.get(index)).cloned();
    hand_over(&mut caller, "argument", text, pointer, capacity)
}

fn environment(
    mut caller: Caller<'_, Host>,
    name_pointer: i32,
    name_length: i32,
    pointer: i32,
    capacity: i32,
) -> Result<i32, Error> {
    let (name, host) = range(&mut caller, "environment", name_pointer, unsigned(name_length))?;
    let value = host.around.environment.iter().find(|(known, _)| known.as_bytes() == name);
    let value = value.map(|(_, value)| value.clone());
    hand_over(&mut caller, "environment", value, pointer, capacity)
}

/// Defines the functions of the host interface in `linker`.
pub fn define(linker: &mut Linker<Host>) -> Result<(), wasmi::errors::LinkerError> {
    linker.func_wrap(MODULE, "log", log)?;
    linker.func_wrap(MODULE, "clock_ms", clock_ms)?;
    linker.func_wrap(MODULE, "publish", publish)?;
    linker.func_wrap(MODULE, "sensor_read", sensor_read)?;
    linker.func_wrap(MODULE, "gpio_write", gpio_write)?;
    linker.func_wrap(MODULE, "argument", argument)?;
    linker.func_wrap(MODULE, "environment", environment)?;
    Ok(())
}
