//! A loaded module on wasmi: called in slices, so that the node can do other things while it computes.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use wasmbed_protocol::messages::Limits;
use wasmi::{
    CompilationMode, Config, EnforcedLimits, Error, Extern, Func, Linker, Memory, Module, ResumableCall,
    ResumableCallOutOfFuel, Store, TrapCode, Val, ValType,
};

use crate::hardware::Hardware;
use crate::runtime::host::{Host, define};
use crate::runtime::{Fault, FaultCode, Function, Load, LoadError, Progress, Publication, Surroundings, TICK, Use};

/// Fuel of one slice: a few milliseconds on the slowest board.
const SLICE: u64 = 20_000;
/// Fuel of a start function at most: it cannot be interrupted.
const START: u64 = 2_000_000;
/// Depth of calls inside a module.
const CALL_DEPTH: usize = 512;
/// Heap that translating a module takes, as a multiple of its size.
const TRANSLATION: usize = 8;

/// The runtime of a board.
pub struct Engine {
    hardware: Hardware,
}

impl Engine {
    /// Sized for the board.
    pub fn new(hardware: Hardware) -> Self {
        Self { hardware }
    }

    /// One for each application: wasmi's engine keeps the code of modules that are gone, until it goes itself.
    fn make(&self) -> wasmi::Engine {
        let profile = self.hardware.profile;
        let mut config = Config::default();
        config
            .consume_fuel(true)
            .ignore_custom_sections(true)
            .compilation_mode(CompilationMode::Eager)
            .enforced_limits(EnforcedLimits::strict())
            .wasm_multi_memory(false)
            .wasm_memory64(false)
            .wasm_tail_call(false)
            .set_max_cached_stacks(1)
            .set_max_recursion_depth(CALL_DEPTH)
            .set_min_stack_height(profile.value_stack.min(128))
            .set_max_stack_height(profile.value_stack);
        wasmi::Engine::new(&config)
    }

    /// Loads a module and runs its start function, if it has one.
    ///
    /// # Errors
    /// It cannot be loaded here, or its start function ended early.
    pub fn load(&self, around: Surroundings, load: Load<'_>) -> Result<Guest, LoadError> {
        let not_loadable = |reason: String| LoadError::NotLoadable(reason);
        let (_, free) = (self.hardware.profile.heap)();
        if load.module.len().saturating_mul(TRANSLATION) > free {
            return Err(not_loadable(format!(
                "translating {} bytes takes {TRANSLATION} times as many, {free} are free",
                load.module.len()
            )));
        }
        let engine = self.make();
        let module = Module::new(&engine, &load.module)
            .map_err(|error| not_loadable(format!("not a module this runtime can load: {error}")))?;
        // Translated; its memory may be what the instance needs.
        drop(load.module);
        let memory_limit = usize::try_from(load.limits.memory).unwrap_or(usize::MAX);
        let host = Host::new(self.hardware, around, memory_limit.min(self.hardware.profile.largest_memory));
        let mut store = Store::new(&engine, host);
        store.limiter(|host| host);
        let fuel = load.limits.fuel.min(START);
        let _ = store.set_fuel(fuel);
        let began = self.hardware.clock.now();
        let mut linker = Linker::new(&engine);
        // Fails only where a name is defined twice.
        let _ = define(&mut linker);
        let started = linker.instantiate_and_start(&mut store, &module);
        store.data_mut().end();
        let instance = match started {
            Ok(instance) => instance,
            Err(error) if is_fault(&error) => {
                let usage = Use {
                    memory: 0,
                    wall_time: self.hardware.clock.now() - began,
                    fuel: store.get_fuel().ok().map(|left| fuel - left),
                };
                let limits = Limits { fuel, ..load.limits };
                return Err(LoadError::Fault(judge(&error, limits, store.data().refused, "start", usage)));
            }
            Err(error) => return Err(not_loadable(error.to_string())),
        };
        let Some(memory) = instance.get_export(&store, "memory").and_then(Extern::into_memory) else {
            return Err(not_loadable("does not export its linear memory as 'memory'".into()));
        };
        store.data_mut().set_memory(memory);
        let entry = callable(&store, instance.get_export(&store, load.entry));
        let tick = instance.get_export(&store, TICK);
        let no_function =
            |name: &str| not_loadable(format!("does not export '{name}' as a function without parameters"));
        let tick = match tick {
            None => None,
            some => Some(callable(&store, some).ok_or_else(|| no_function(TICK))?),
        };
        let mut guest = Guest {
            hardware: self.hardware,
            store,
            memory,
            entry: entry.ok_or_else(|| no_function(load.entry))?,
            entry_name: load.entry.into(),
            tick,
            limits: load.limits,
            call: None,
            usage: Use::default(),
        };
        let left = guest.store.get_fuel().unwrap_or(0);
        guest.usage = guest.measure(began, Some(fuel - left));
        Ok(guest)
    }
}

/// A call under way.
struct Call {
    function: Function,
    began: u64,
    fuel_left: u64,
    suspended: Option<ResumableCallOutOfFuel>,
    result: Vec<Val>,
}

/// A loaded application.
pub struct Guest {
    hardware: Hardware,
    store: Store<Host>,
    memory: Memory,
    entry: Func,
    entry_name: String,
    tick: Option<Func>,
    limits: Limits,
    call: Option<Call>,
    usage: Use,
}

impl Guest {
    /// Whether it wants to be called again and again.
    pub fn has_tick(&self) -> bool {
        self.tick.is_some()
    }

    /// Prepares a call; [`Self::advance`] does it.
    pub fn begin(&mut self, function: Function) {
        self.store.data_mut().begin();
        self.call = Some(Call {
            function,
            began: self.hardware.clock.now(),
            fuel_left: self.limits.fuel,
            suspended: None,
            result: Vec::new(),
        });
    }

    /// Does a slice of the call under way.
    pub fn advance(&mut self) -> Progress {
        let Some(mut call) = self.call.take() else { return Progress::Returned(None) };
        let outcome = self.slice(&mut call);
        self.usage = self.measure(call.began, Some(self.limits.fuel - call.fuel_left));
        let wall_time = self.usage.wall_time;
        let error = match outcome {
            Ok(ResumableCall::Finished) => {
                self.store.data_mut().end();
                return Progress::Returned(call.result.first().and_then(Val::i32));
            }
            Ok(ResumableCall::OutOfFuel(suspended)) if suspended.required_fuel() > call.fuel_left => {
                Error::from(TrapCode::OutOfFuel)
            }
            Ok(ResumableCall::OutOfFuel(_)) if wall_time > self.limits.wall_time => {
                let message = format!("ran longer than {} ms", self.limits.wall_time);
                return self.fault(&call, FaultCode::TimeLimit, message);
            }
            Ok(ResumableCall::OutOfFuel(suspended)) => {
                call.suspended = Some(suspended);
                self.call = Some(call);
                return Progress::Busy;
            }
            Ok(ResumableCall::HostTrap(trap)) => trap.into_host_error(),
            Err(error) => error,
        };
        let name = self.name(call.function);
        let fault = judge(&error, self.limits, self.store.data().refused, &name, self.usage);
        self.store.data_mut().end();
        Progress::Faulted(fault)
    }

    fn slice(&mut self, call: &mut Call) -> Result<ResumableCall, Error> {
        let wanted = call.suspended.as_ref().map_or(0, ResumableCallOutOfFuel::required_fuel);
        let fuel = SLICE.max(wanted).min(call.fuel_left);
        self.store.set_fuel(fuel)?;
        let outcome = match call.suspended.take() {
            Some(suspended) => suspended.resume(&mut self.store, &mut call.result),
            None => {
                let function = match (call.function, self.tick) {
                    (Function::Tick, Some(tick)) => tick,
                    _ => self.entry,
                };
                call.result = function.ty(&self.store).results().iter().map(|_| Val::I32(0)).collect();
                function.call_resumable(&mut self.store, &[], &mut call.result)
            }
        };
        call.fuel_left -= fuel - self.store.get_fuel().unwrap_or(0).min(fuel);
        outcome
    }

    fn fault(&mut self, call: &Call, code: FaultCode, message: String) -> Progress {
        self.store.data_mut().end();
        let backtrace = Vec::from([self.name(call.function)]);
        Progress::Faulted(Fault { code, message, backtrace, usage: self.usage })
    }

    fn name(&self, function: Function) -> String {
        match function {
            Function::Entry => self.entry_name.clone(),
            Function::Tick => TICK.into(),
        }
    }

    fn measure(&self, began: u64, fuel: Option<u64>) -> Use {
        Use { memory: self.memory_bytes(), wall_time: self.hardware.clock.now() - began, fuel }
    }

    /// What the latest call has used.
    pub fn usage(&self) -> Use {
        self.usage
    }

    /// Size of its linear memory now.
    pub fn memory_bytes(&self) -> u64 {
        self.memory.data_size(&self.store) as u64
    }

    /// What waits to be sent, oldest first.
    pub fn publications(&self) -> &[Publication] {
        &self.store.data().publications
    }

    /// The oldest `count` were sent.
    pub fn forget_publications(&mut self, count: usize) {
        self.store.data_mut().publications.drain(..count);
    }
}

fn callable(store: &Store<Host>, exported: Option<Extern>) -> Option<Func> {
    let function = exported?.into_func()?;
    let kind = function.ty(store);
    let fits = kind.params().is_empty() && matches!(kind.results(), [] | [ValType::I32]);
    fits.then_some(function)
}

/// Whether an error of an instantiation came from running the start function.
fn is_fault(error: &Error) -> bool {
    use wasmi::errors::ErrorKind;
    matches!(error.kind(), ErrorKind::TrapCode(_) | ErrorKind::Message(_))
}

fn judge(error: &Error, limits: Limits, refused: bool, function: &str, usage: Use) -> Fault {
    let text = error.to_string();
    let (code, message) = match error.as_trap_code() {
        Some(TrapCode::OutOfFuel) => (FaultCode::OutOfFuel, format!("used up its {} units of fuel", limits.fuel)),
        _ if refused => {
            (FaultCode::MemoryLimit, format!("wanted more than {} bytes of memory, then: {text}", limits.memory))
        }
        _ => (FaultCode::Trap, text),
    };
    let mut backtrace = Vec::from([function.into()]);
    if let Some((host_function, _)) = message.split_once(':').filter(|(name, _)| name.starts_with("wasmbed.")) {
        backtrace.insert(0, host_function.into());
    }
    Fault { code, message, backtrace, usage }
}
