//! The applications of a board: handles the gateway's messages about them.

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

/// The most applications that a board remembers. A board that holds fewer reports the failed ones in its heartbeats.
const REMEMBERED: usize = 8;

/// Sends messages to the gateway.
pub trait Outbox {
    /// Sends a message, as the reply to `message_id` if given; false: there is no session.
    fn send(&mut self, message: &DeviceMessage<'_>, message_id: Option<u32>) -> bool;
}

/// An outbox without a session.
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
    /// The application whose transfer was cancelled most recently.
    cancelled: Option<String>,
    /// Failed deployments and faults of applications that were removed.
    errors: u32,
}

impl Applications {
    /// Makes an empty set. `largest_module` is in bytes; 0: the board has no runtime.
    pub fn new(hardware: Hardware, largest_module: usize) -> Self {
        let engine = Engine::new(hardware);
        Self { hardware, engine, largest_module, present: Vec::new(), cancelled: None, errors: 0 }
    }

    /// The state of each application, by its id.
    pub fn states(&self) -> States<'_> {
        States(self.present.iter().map(|application| (application.id.as_str(), application.state)).collect())
    }

    /// Whether a module is being received, loaded or called.
    pub fn is_busy(&self) -> bool {
        self.present.iter().any(Application::is_busy)
    }

    /// The board's memory that they hold, bytes.
    pub fn memory_bytes(&self) -> u64 {
        self.present.iter().map(Application::memory_bytes).sum()
    }

    /// The number of running applications.
    pub fn running(&self) -> usize {
        self.present.iter().filter(|application| application.state == ApplicationState::Running).count()
    }

    /// The number of failed applications that are still present.
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

    /// Prepares for a module's chunks, or refuses the deployment. A transfer in progress for the same application is
    /// cancelled: messages on a link are in order, so its sender has given it up too.
    pub fn deploy(&mut self, deploy: &Deploy<'_>, message_id: u32, outbox: &mut dyn Outbox) {
        let mut application = Application::new(deploy, message_id);
        if let Some(index) = self.position(deploy.application_id) {
            let state = self.present[index].state;
            if matches!(state, ApplicationState::Deployed | ApplicationState::Running) {
                // The running application stays; only this deployment fails.
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

    /// Takes a chunk and acknowledges it; after the last one the application is loaded. A chunk of a cancelled transfer
    /// is ignored, because it was sent before the sender knew of the cancellation.
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

    /// Stops and removes an application, also while its module is being received. An absent application counts as
    /// stopped.
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

    /// Reports on one application or on each. An absent application counts as stopped.
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

    /// Gives up transfers in progress: their remaining chunks will not come.
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

    /// Reports what happened while there was no session.
    pub fn link_restored(&mut self, outbox: &mut dyn Outbox) {
        for application in &mut self.present {
            application.report_unsent(&self.hardware, outbox);
        }
    }

    /// Does a part of the next step of each application. Returns the time of the next part; `u64::MAX`: never.
    pub fn advance(&mut self, outbox: &mut dyn Outbox) -> u64 {
        let mut due = u64::MAX;
        for application in &mut self.present {
            due = due.min(application.advance(&self.hardware, &self.engine, outbox));
        }
        due
    }
}
