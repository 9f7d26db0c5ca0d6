//! A module loaded in wasmi. Calls run in slices, so that the node can serve its link meanwhile.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use wasmbed_protocol::messages::Limits;
use wasmi::errors::{ErrorKind, InstantiationError};
use wasmi::{
    CompilationMode, Config, Error, Extern, ExternType, Func, Instance, Linker, Memory, Module, ResumableCall,
    ResumableCallOutOfFuel, Store, TrapCode, Val, ValType,
};

use crate::hardware::Hardware;
use crate::runtime::declarations::Declarations;
use crate::runtime::host::{Host, MESSAGES, define};
use crate::runtime::limits::{CALL_DEPTH, DEPLOYMENT_FUEL};
use crate::runtime::{
    Fault, FaultCode, Function, INITIALIZE, Load, LoadError, Progress, Publication, Surroundings, TICK, Use,
};

/// Fuel of one slice: a few milliseconds on the slowest board.
const SLICE: u64 = 20_000;
/// Size of a cell of the value stack, bytes.
const CELL: usize = 8;
/// Initial cells of the value stack; it grows on demand.
const FIRST_CELLS: usize = 1024;
/// Size of a nested call on the call stack, bytes.
const CALL: usize = 16;
/// Size of a page of linear memory, bytes.
const PAGE: u64 = 64 << 10;
const NO_MEMORY: &str = "does not export its linear memory as 'memory'";

/// The runtime of a board.
pub struct Engine {
    hardware: Hardware,
}

impl Engine {
    /// Makes the engine with the board's limits.
    pub fn new(hardware: Hardware) -> Self {
        Self { hardware }
    }

    /// Makes an engine for one application: wasmi's engine keeps the code of dropped modules until it is dropped
    /// itself.
    fn make(&self) -> wasmi::Engine {
        let profile = self.hardware.profile;
        let mut config = Config::default();
        config
            .consume_fuel(true)
            .ignore_custom_sections(true)
            .compilation_mode(CompilationMode::Eager)
            .wasm_multi_memory(false)
            .wasm_memory64(false)
            .wasm_tail_call(false)
            .set_max_cached_stacks(1)
            .set_max_recursion_depth(self.call_depth())
            .set_min_stack_height(profile.value_stack.min(FIRST_CELLS))
            .set_max_stack_height(profile.value_stack);
        wasmi::Engine::new(&config)
    }

    /// The depth of nested calls: on a small board, the number that fits into its value stack.
    fn call_depth(&self) -> usize {
        CALL_DEPTH.min(self.hardware.profile.value_stack / 4)
    }

    /// The most heap that the stacks of a call take, bytes. A stack that grows is copied, so it takes half as much
    /// again.
    fn stacks(&self) -> usize {
        let cells = self.hardware.profile.value_stack;
        let growing = if cells > FIRST_CELLS { cells / 2 } else { 0 };
        (cells + growing) * CELL + self.call_depth() * CALL * 3 / 2
    }

    /// Loads a module, and runs its start function and `_initialize` if it has them.
    ///
    /// # Errors
    /// It cannot be loaded on this board, or one of the two functions failed.
    pub fn load(&self, around: Surroundings, load: Load<'_>) -> Result<Guest, LoadError> {
        let largest = self.hardware.profile.largest_memory as u64;
        let declared = Declarations::read(&load.module).map_err(LoadError::NotLoadable)?;
        self.require("translating it", declared.translation())?;
        let engine = self.make();
        let module = Module::new(&engine, &load.module)
            .map_err(|error| not_loadable(format!("not a module this runtime can load: {error}")))?;
        // The binary is translated and not needed any more; the instance may need its memory.
        drop(load.module);
        let minimum = check_memory(&module, load.limits.memory)?;
        if minimum > largest {
            let reason = format!("needs {minimum} bytes of memory, this board gives a module {largest}");
            return Err(LoadError::NotEnoughMemory(reason));
        }
        self.require("running it", declared.instance() + minimum as usize + self.stacks() + MESSAGES)?;
        let limits = Limits { memory: load.limits.memory.min(largest), ..load.limits };
        let began = self.hardware.clock.now();
        let mut store = Store::new(&engine, Host::new(self.hardware, around, limits.memory as usize));
        store.limiter(|host| host);
        let fuel = limits.fuel.min(DEPLOYMENT_FUEL);
        let _ = store.set_fuel(fuel);
        let instance = self.instantiate(&mut store, &module, Limits { fuel, ..limits });
        store.data_mut().end();
        let (instance, memory) = instance?;
        let function = |name, results: &[&[ValType]]| function(&store, instance, name, results);
        let entry = function(load.entry, &[&[], &[ValType::I32]])?.ok_or_else(|| no_function(load.entry))?;
        let tick = function(TICK, &[&[ValType::I32]])?;
        let mut guest = Guest {
            hardware: self.hardware,
            store,
            memory,
            entry,
            entry_name: load.entry.into(),
            tick,
            limits,
            call: None,
            usage: Use::default(),
        };
        let left = guest.store.get_fuel().unwrap_or(0);
        guest.usage = guest.measure(began, Some(fuel - left));
        Ok(guest)
    }

    /// Checks that `needed` bytes of heap are free.
    fn require(&self, what: &str, needed: usize) -> Result<(), LoadError> {
        let (_, free) = (self.hardware.profile.heap)();
        let reason = || format!("{what} needs {needed} bytes of memory, {free} are free");
        if needed <= free { Ok(()) } else { Err(LoadError::NotEnoughMemory(reason())) }
    }

    /// Instantiates a module and calls its start function and `_initialize`.
    fn instantiate(
        &self,
        store: &mut Store<Host>,
        module: &Module,
        limits: Limits,
    ) -> Result<(Instance, Memory), LoadError> {
        let mut linker = Linker::new(store.engine());
        // It fails only if a name is defined twice.
        let _ = define(&mut linker);
        let began = self.hardware.clock.now();
        let fault = |store: &Store<Host>, error: &Error, name: &str| {
            let usage = Use {
                memory: 0,
                wall_time: self.hardware.clock.now() - began,
                fuel: store.get_fuel().ok().map(|left| limits.fuel - left),
            };
            let mut fault = judge(error, limits, store.data().refused, name, usage);
            fault.message = format!("{name}: {}", fault.message);
            LoadError::Fault(fault)
        };
        let instance = linker.instantiate_and_start(&mut *store, module).map_err(|error| match error.kind() {
            ErrorKind::TrapCode(_) | ErrorKind::Message(_) => fault(store, &error, "start function"),
            ErrorKind::Instantiation(
                InstantiationError::FailedToInstantiateMemory(_) | InstantiationError::FailedToInstantiateTable(_),
            ) => LoadError::NotEnoughMemory(format!("running it needs memory in one piece: {error}")),
            _ => not_loadable(error.to_string()),
        })?;
        let memory = instance.get_export(&*store, "memory").and_then(Extern::into_memory);
        let memory = memory.ok_or_else(|| not_loadable(NO_MEMORY.into()))?;
        store.data_mut().set_memory(memory);
        if let Some(initialize) = function(store, instance, INITIALIZE, &[&[]])? {
            initialize.call(&mut *store, &[], &mut []).map_err(|error| fault(store, &error, INITIALIZE))?;
        }
        Ok((instance, memory))
    }
}

fn not_loadable(reason: String) -> LoadError {
    LoadError::NotLoadable(reason)
}

fn no_function(name: &str) -> LoadError {
    not_loadable(format!("does not export '{name}' as a function of the right type"))
}

/// Returns the initial size of a module's linear memory, bytes.
fn check_memory(module: &Module, limit: u64) -> Result<u64, LoadError> {
    let Some(ExternType::Memory(memory)) = module.get_export("memory") else {
        return Err(not_loadable(NO_MEMORY.into()));
    };
    let minimum = memory.minimum() * PAGE;
    if minimum > limit {
        return Err(not_loadable(format!("needs {minimum} bytes of memory from the start, the limit is {limit}")));
    }
    Ok(minimum)
}

/// A call in progress.
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
    /// Whether it exports `tick`.
    pub fn has_tick(&self) -> bool {
        self.tick.is_some()
    }

    /// Prepares a call; [`Self::advance`] runs it.
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

    /// Runs a slice of the call in progress.
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

    /// Resources that the latest call has used.
    pub fn usage(&self) -> Use {
        self.usage
    }

    /// Present size of its linear memory, bytes.
    pub fn memory_bytes(&self) -> u64 {
        self.memory.data_size(&self.store) as u64
    }

    /// Publications that wait to be sent, oldest first.
    pub fn publications(&self) -> &[Publication] {
        &self.store.data().publications
    }

    /// Removes the oldest `count` publications, which were sent.
    pub fn forget_publications(&mut self, count: usize) {
        self.store.data_mut().publications.drain(..count);
    }
}

/// Returns the exported function of that name, without parameters and with one of these lists of results; None: there
/// the module exports no function of that name.
fn function(
    store: &Store<Host>,
    instance: Instance,
    name: &str,
    results: &[&[ValType]],
) -> Result<Option<Func>, LoadError> {
    let Some(exported) = instance.get_export(store, name) else { return Ok(None) };
    let fits = |function: &Func| {
        let kind = function.ty(store);
        kind.params().is_empty() && results.contains(&kind.results())
    };
    exported.into_func().filter(fits).map(Some).ok_or_else(|| no_function(name))
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
