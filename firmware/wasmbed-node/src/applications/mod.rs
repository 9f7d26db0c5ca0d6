//! The applications of a board, and the gateway's messages about them.

mod application;
mod reception;

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use wasmbed_protocol::messages::{
    ApplicationState, ApplicationStatus, ApplicationStatusRequest, ChunkAcknowledgment, Deploy, DeviceMessage, Error,
    Metrics, ModuleChunk, States, Stop, StopResult,
};

use self::application::Application;
use self::reception::{Reception, Refused};
use crate::hardware::Hardware;
use crate::runtime::Engine;

/// Applications that are remembered, on boards that hold fewer: the failed ones among them are told in heartbeats.
const REMEMBERED: usize = 8;

/// Where messages to the gateway go.
pub trait Outbox {
    /// Sends a message, as a reply if given an id; false while there is no session to send it on.
    fn send(&mut self, message: &DeviceMessage<'_>, message_id: Option<u32>) -> bool;
}

/// There is no session.
pub struct NoSession;

impl Outbox for NoSession {
    fn send(&mut self, _: &DeviceMessage<'_>, _: Option<u32>) -> bool {
        false
    }
}

/// Receives, runs and stops applications.
pub struct Applications {
    hardware: Hardware,
    engine: Engine,
    largest_module: usize,
    present: Vec<Application>,
    /// The application whose transfer was cancelled last.
    cancelled: Option<String>,
    /// Failed deployments and faults of applications that are gone.
    errors: u32,
}

impl Applications {
    /// None yet. `largest_module` is in bytes, 0 on a board without a runtime.
    pub fn new(hardware: Hardware, largest_module: usize) -> Self {
        let engine = Engine::new(hardware);
        Self { hardware, engine, largest_module, present: Vec::new(), cancelled: None, errors: 0 }
    }

    /// Of each application by its id.
    pub fn states(&self) -> States<'_> {
        States(self.present.iter().map(|application| (application.id.as_str(), application.state)).collect())
    }

    /// Whether a module is being received, loaded or called.
    pub fn is_busy(&self) -> bool {
        self.present.iter().any(Application::is_busy)
    }

    /// What they hold of the board's memory.
    pub fn memory_bytes(&self) -> u64 {
        self.present.iter().map(Application::memory_bytes).sum()
    }

    /// How many are running.
    pub fn running(&self) -> usize {
        self.present.iter().filter(|application| application.state == ApplicationState::Running).count()
    }

    /// How many have failed or faulted and are still here.
    pub fn failed(&self) -> usize {
        self.present.iter().filter(|application| application.is_over()).count()
    }

    /// Failed deployments and faults since boot.
    pub fn errors(&self) -> u64 {
        u64::from(self.errors) + self.failed() as u64
    }

    fn position(&self, id: &str) -> Option<usize> {
        self.present.iter().position(|application| application.id == id)
    }

    fn forget(&mut self, index: usize) -> Application {
        let application = self.present.remove(index);
        self.errors += u32::from(application.is_over());
        application
    }

    /// Expects a module's chunks, unless there is a reason not to. A transfer under way for the same application is
    /// cancelled: on one link, in order, its sender has given it up too.
    pub fn deploy(&mut self, deploy: &Deploy<'_>, message_id: u32, outbox: &mut dyn Outbox) {
        let mut application = Application::new(deploy, message_id);
        if let Some(index) = self.position(deploy.application_id) {
            let state = self.present[index].state;
            if matches!(state, ApplicationState::Deployed | ApplicationState::Running) {
                // The one that runs stays; only this deployment has failed.
                let message = format!("it is {} already: stop it first", state.as_str());
                application.refuse(&self.hardware, Refused::new("ALREADY_DEPLOYED", message), outbox);
                self.errors += 1;
                return;
            }
            self.forget(index).cancel(outbox);
        }
        self.cancelled.take_if(|id| id == deploy.application_id);
        match self.prepare(deploy) {
            Ok(reception) => {
                application.receive(&self.hardware, reception);
                self.present.push(application);
            }
            Err(refused) => {
                application.refuse(&self.hardware, refused, outbox);
                self.errors += 1;
            }
        }
    }

    fn prepare(&mut self, deploy: &Deploy<'_>) -> Result<Reception, Refused> {
        let most = self.hardware.profile.applications;
        if self.largest_module == 0 {
            return Err(Refused::new("UNAVAILABLE", "this board has no WebAssembly runtime".to_string()));
        }
        if self.present.len() - self.failed() >= most {
            let message = format!("this board holds {most} applications at most");
            return Err(Refused::new("TOO_MANY_APPLICATIONS", message));
        }
        if self.present.len() >= most.max(REMEMBERED)
            && let Some(over) = self.present.iter().position(Application::is_over)
        {
            self.forget(over);
        }
        let (_, free) = (self.hardware.profile.heap)();
        Reception::new(deploy, self.largest_module, free)
    }

    /// Takes a chunk and acknowledges it; has the application loaded after the last. One of a cancelled transfer is
    /// ignored: it was sent before its sender knew.
    pub fn chunk(&mut self, chunk: &ModuleChunk<'_>, message_id: u32, outbox: &mut dyn Outbox) {
        if self.cancelled.as_deref() == Some(chunk.application_id) {
            return;
        }
        let application = self.present.iter_mut().find(|application| application.id == chunk.application_id);
        let Some((application, added)) = application.and_then(|application| {
            let added = application.reception()?.add(chunk);
            Some((application, added))
        }) else {
            let message = format!("a chunk of {}, which is not being received", chunk.application_id);
            let error = Error { code: "PROTOCOL_ERROR", message: &message, retry_after: None, action: None };
            outbox.send(&DeviceMessage::Error(error), Some(message_id));
            return;
        };
        match added {
            Err(refused) => application.refuse(&self.hardware, refused, outbox),
            Ok(module) => {
                let acknowledgment = ChunkAcknowledgment { application_id: chunk.application_id, index: chunk.index };
                outbox.send(&DeviceMessage::ChunkAcknowledgment(acknowledgment), Some(message_id));
                if let Some(module) = module {
                    application.load(module);
                }
            }
        }
    }

    /// Stops and forgets an application, also one whose module is still on its way. One that is not here is as stopped
    /// as it was asked to be.
    pub fn stop(&mut self, stop: &Stop<'_>, message_id: u32, outbox: &mut dyn Outbox) {
        if let Some(index) = self.position(stop.application_id) {
            let mut application = self.forget(index);
            if application.reception().is_some() {
                self.cancelled = Some(stop.application_id.into());
            }
            application.cancel(outbox);
            application.say(&self.hardware, format_args!("stopped"));
        }
        let result = StopResult { application_id: stop.application_id, ok: true, error: None };
        outbox.send(&DeviceMessage::StopResult(result), Some(message_id));
    }

    /// Reports on one application, or on each of them. One that is not here counts as stopped.
    pub fn status(&mut self, request: &ApplicationStatusRequest<'_>, message_id: u32, outbox: &mut dyn Outbox) {
        match request.application_id {
            Some(id) => match self.position(id) {
                Some(index) => self.present[index].report(&self.hardware, Some(message_id), outbox),
                None => {
                    let status = ApplicationStatus {
                        application_id: id,
                        state: ApplicationState::Stopped,
                        metrics: Metrics::default(),
                        error: Some("not on this board"),
                        publications: None,
                    };
                    outbox.send(&DeviceMessage::ApplicationStatus(status), Some(message_id));
                }
            },
            None => {
                for application in &mut self.present {
                    application.report(&self.hardware, Some(message_id), outbox);
                }
            }
        }
    }

    /// Gives up what was being received: the rest of it will not come.
    pub fn link_lost(&mut self) {
        self.cancelled = None;
        let hardware = self.hardware;
        self.present.retain_mut(|application| {
            let lost = application.reception().is_some();
            if lost {
                application.say(&hardware, format_args!("transfer given up: the link is down"));
            }
            !lost
        });
    }

    /// Reports what happened while there was nobody to report it to.
    pub fn link_restored(&mut self, outbox: &mut dyn Outbox) {
        for application in &mut self.present {
            application.report_unsent(&self.hardware, outbox);
        }
    }

    /// Does the next bit of what each of them is about to do. Returns the time at which there is more, `u64::MAX`
    /// for never.
    pub fn advance(&mut self, outbox: &mut dyn Outbox) -> u64 {
        let mut due = u64::MAX;
        for application in &mut self.present {
            due = due.min(application.advance(&self.hardware, &self.engine, outbox));
        }
        due
    }
}
