//! One application, from the announcement of its module to its end: receiving, loading, running, failing.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use wasmbed_protocol::messages::{
    ApplicationState, ApplicationStatus, Deploy, DeploymentResult, DeviceMessage, Limits, Metrics, Publication,
    RuntimeFault,
};

use crate::applications::Outbox;
use crate::applications::reception::{Reception, Refused};
use crate::hardware::Hardware;
use crate::runtime::{Engine, Fault, Function, Guest, Load, LoadError, Progress, Surroundings};

/// The application's next step.
enum Stage {
    Receiving(Reception),
    Loading(Vec<u8>),
    /// Call the function.
    Calling(Guest, Function),
    /// Continue the call.
    Called(Guest, Function),
    /// Call `tick` at that time.
    Waiting(Guest, u64),
    /// Nothing: it is loaded and idle.
    Resting(Guest),
    /// Nothing: it has failed or was stopped.
    Over,
}

pub struct Application {
    pub id: String,
    pub state: ApplicationState,
    pub error: Option<String>,
    message_id: u32,
    limits: Limits,
    entry: String,
    around: Surroundings,
    stage: Stage,
    /// A fault that was not reported because the link was down.
    unsent: Option<Fault>,
}

impl Application {
    pub fn new(deploy: &Deploy<'_>, message_id: u32) -> Self {
        let environment = deploy.environment.as_ref().map_or(&[][..], |environment| &environment.0);
        Self {
            id: deploy.application_id.into(),
            state: ApplicationState::Receiving,
            error: None,
            message_id,
            limits: deploy.limits,
            entry: deploy.entry.into(),
            around: Surroundings {
                application: deploy.application_id.into(),
                arguments: deploy.arguments.iter().map(ToString::to_string).collect(),
                environment: environment.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect(),
            },
            stage: Stage::Over,
            unsent: None,
        }
    }

    pub fn receive(&mut self, hardware: &Hardware, reception: Reception) {
        self.say(hardware, format_args!("receiving {} bytes in {} chunks", reception.size(), reception.chunks()));
        self.stage = Stage::Receiving(reception);
    }

    pub fn reception(&mut self) -> Option<&mut Reception> {
        match &mut self.stage {
            Stage::Receiving(reception) => Some(reception),
            _ => None,
        }
    }

    pub fn load(&mut self, module: Vec<u8>) {
        self.stage = Stage::Loading(module);
    }

    /// Whether its deployment or a call into it failed.
    pub fn is_over(&self) -> bool {
        matches!(self.state, ApplicationState::Failed | ApplicationState::Error)
    }

    pub fn is_busy(&self) -> bool {
        !matches!(self.stage, Stage::Waiting(..) | Stage::Resting(_) | Stage::Over)
    }

    /// The board's memory that it holds, bytes.
    pub fn memory_bytes(&self) -> u64 {
        match &self.stage {
            Stage::Receiving(reception) => reception.held() as u64,
            Stage::Loading(module) => module.len() as u64,
            Stage::Calling(guest, _) | Stage::Called(guest, _) | Stage::Waiting(guest, _) | Stage::Resting(guest) => {
                guest.memory_bytes()
            }
            Stage::Over => 0,
        }
    }

    pub fn say(&self, hardware: &Hardware, text: core::fmt::Arguments<'_>) {
        hardware.log(format_args!("app {}: {text}", self.id));
    }

    /// Reports that the deployment failed.
    pub fn refuse(&mut self, hardware: &Hardware, refused: Refused, outbox: &mut dyn Outbox) {
        self.say(hardware, format_args!("refused: {}: {}", refused.code, refused.message));
        let result = DeploymentResult {
            application_id: &self.id,
            ok: false,
            error: Some(&refused.message),
            metrics: Metrics::default(),
            code: Some(refused.code),
        };
        outbox.send(&DeviceMessage::DeploymentResult(result), Some(self.message_id));
        self.stage = Stage::Over;
        self.state = ApplicationState::Failed;
        self.error = Some(refused.message);
    }

    /// Ends it. A deployment that has not been answered is answered now.
    pub fn cancel(&self, outbox: &mut dyn Outbox) {
        if self.state == ApplicationState::Receiving {
            let result = DeploymentResult {
                application_id: &self.id,
                ok: false,
                error: Some("cancelled before the module was started"),
                metrics: Metrics::default(),
                code: Some("CANCELLED"),
            };
            outbox.send(&DeviceMessage::DeploymentResult(result), Some(self.message_id));
        }
    }

    fn guest(&mut self) -> Option<&mut Guest> {
        match &mut self.stage {
            Stage::Calling(guest, _) | Stage::Called(guest, _) | Stage::Waiting(guest, _) | Stage::Resting(guest) => {
                Some(guest)
            }
            _ => None,
        }
    }

    /// Reports state, resource use, and the publications since the last report. Each message fits into a record,
    /// because a small board may lack the memory for all of it at once.
    pub fn report(&mut self, hardware: &Hardware, mut message_id: Option<u32>, outbox: &mut dyn Outbox) {
        while self.report_part(hardware.profile.largest_record, message_id.take(), outbox) {}
    }

    /// Whether there is more to report.
    fn report_part(&mut self, size: usize, message_id: Option<u32>, outbox: &mut dyn Outbox) -> bool {
        let (id, state, error) = (self.id.clone(), self.state, self.error.clone());
        let guest = self.guest();
        let waiting: &[_] = guest.as_ref().map_or(&[], |guest| guest.publications());
        let totals = waiting.iter().scan(0, |total, waiting| {
            *total += waiting.topic.len() + waiting.payload.len();
            Some(*total)
        });
        let count = totals.take_while(|&total| total <= size).count().max(1).min(waiting.len());
        let is_all = count == waiting.len();
        let publications: Vec<_> = waiting[..count]
            .iter()
            .map(|waiting| Publication { topic: &waiting.topic, payload: &waiting.payload })
            .collect();
        let status = ApplicationStatus {
            application_id: &id,
            state,
            metrics: guest.as_ref().map_or_else(Metrics::default, |guest| guest.usage().metrics()),
            error: error.as_deref(),
            publications: if publications.is_empty() { None } else { Some(publications) },
        };
        let sent = outbox.send(&DeviceMessage::ApplicationStatus(status), message_id);
        if sent && let Some(guest) = guest {
            guest.forget_publications(count);
        }
        sent && !is_all
    }

    /// Reports what happened while there was no session.
    pub fn report_unsent(&mut self, hardware: &Hardware, outbox: &mut dyn Outbox) {
        if let Some(fault) = self.unsent.take() {
            self.report_fault(fault, outbox);
        } else if self.guest().is_some_and(|guest| !guest.publications().is_empty()) {
            self.report(hardware, None, outbox);
        }
    }

    fn report_fault(&mut self, fault: Fault, outbox: &mut dyn Outbox) {
        let report = RuntimeFault {
            application_id: &self.id,
            code: fault.code.as_str(),
            message: &fault.message,
            backtrace: fault.backtrace.iter().map(String::as_str).collect(),
            resource_use: fault.usage.metrics(),
        };
        if !outbox.send(&DeviceMessage::RuntimeFault(report), None) {
            self.unsent = Some(fault);
        }
    }

    /// Does a part of the next step. Returns the time of the next part; `u64::MAX`: never.
    pub fn advance(&mut self, hardware: &Hardware, engine: &Engine, outbox: &mut dyn Outbox) -> u64 {
        let now = hardware.clock.now();
        let (stage, due) = match core::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Loading(module) => return self.finish_loading(hardware, engine, module, outbox),
            Stage::Calling(mut guest, function) => {
                guest.begin(function);
                (Stage::Called(guest, function), now)
            }
            Stage::Called(guest, function) => return self.go_on(hardware, guest, function, outbox),
            Stage::Waiting(guest, due) if due <= now => (Stage::Calling(guest, Function::Tick), now),
            Stage::Waiting(guest, due) => (Stage::Waiting(guest, due), due),
            stage => (stage, u64::MAX),
        };
        self.stage = stage;
        due
    }

    fn finish_loading(
        &mut self,
        hardware: &Hardware,
        engine: &Engine,
        module: Vec<u8>,
        outbox: &mut dyn Outbox,
    ) -> u64 {
        let load = Load { module, limits: self.limits, entry: &self.entry };
        let refused = match engine.load(self.around.clone(), load) {
            Ok(guest) => {
                self.state = ApplicationState::Deployed;
                self.say(hardware, format_args!("deployed, {} bytes of memory", guest.memory_bytes()));
                let result = DeploymentResult {
                    application_id: &self.id,
                    ok: true,
                    error: None,
                    metrics: guest.usage().metrics(),
                    code: None,
                };
                outbox.send(&DeviceMessage::DeploymentResult(result), Some(self.message_id));
                self.stage = Stage::Calling(guest, Function::Entry);
                return hardware.clock.now();
            }
            Err(LoadError::NotLoadable(reason)) => Refused::new("INVALID_MODULE", reason),
            Err(LoadError::NotEnoughMemory(reason)) => Refused::new("NOT_ENOUGH_MEMORY", reason),
            Err(LoadError::Fault(fault)) => Refused::new(fault.code.as_str(), fault.message),
        };
        self.refuse(hardware, refused, outbox);
        u64::MAX
    }

    fn go_on(&mut self, hardware: &Hardware, mut guest: Guest, function: Function, outbox: &mut dyn Outbox) -> u64 {
        let result = match guest.advance() {
            Progress::Busy => {
                self.stage = Stage::Called(guest, function);
                return hardware.clock.now();
            }
            Progress::Faulted(fault) => {
                let text = format!("{}: {}", fault.code.as_str(), fault.message);
                self.say(hardware, format_args!("fault {text}"));
                self.state = ApplicationState::Error;
                self.error = Some(text);
                self.report_fault(fault, outbox);
                return u64::MAX;
            }
            Progress::Returned(result) => result,
        };
        let now = hardware.clock.now();
        let (again, published) = (guest.has_tick(), !guest.publications().is_empty());
        let delay = result.and_then(|delay| u64::try_from(delay).ok()).filter(|&delay| delay > 0);
        let due = match (function, delay) {
            (Function::Entry, _) => Some(now).filter(|_| again),
            (Function::Tick, delay) => delay.map(|delay| now + delay),
        };
        self.stage = match due {
            Some(due) => Stage::Waiting(guest, due),
            None => Stage::Resting(guest),
        };
        if function == Function::Entry {
            self.state = ApplicationState::Running;
            self.say(hardware, format_args!("running"));
        }
        if function == Function::Entry || published {
            self.report(hardware, None, outbox);
        }
        due.unwrap_or(u64::MAX)
    }
}
