//! The node's main loop, from boot to power-off: connect, serve the session, wait longer after each failure, connect
//! again.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::applications::{Applications, NoSession};
use crate::backoff::Backoff;
use crate::hardware::{Hardware, LinkState};
use crate::provisioning::Provisioning;
use crate::random::Random;
use crate::session::{Facts, Memory, Outcome, Session};
#[cfg(feature = "tls")]
use crate::tls;

/// Milliseconds that a connection attempt may take.
const OPEN_WITHIN: u64 = 30_000;

/// Milliseconds between the closings of one connection by its two ends, at most.
const CROSSING: u64 = 50;
const DEVICE_TYPE: &str = "mcu";

/// Why the node cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unusable(&'static str);

impl fmt::Display for Unusable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0)
    }
}

/// The firmware of a board, from boot on.
pub struct Node<'a> {
    hardware: Hardware,
    provisioning: &'a Provisioning<'a>,
    #[cfg(feature = "tls")]
    identity: tls::Identity,
    #[cfg(feature = "tls")]
    buffers: tls::Buffers,
    /// The provisioned certificate, or the issued one.
    #[cfg(feature = "tls")]
    certificate: Option<Vec<u8>>,
    random: Random,
    memory: Memory,
    /// The endpoint of the gateway that another one assigned the board to; None: the provisioned one.
    home: Option<String>,
    applications: Applications,
    backoff: Backoff,
}

impl<'a> Node<'a> {
    /// Boots the node.
    ///
    /// # Errors
    /// The board cannot use the provisioned key.
    pub fn new(hardware: Hardware, provisioning: &'a Provisioning<'a>) -> Result<Self, Unusable> {
        let name = provisioning.name;
        hardware.log(format_args!("wasmbed {} on {} board {name}", env!("CARGO_PKG_VERSION"), hardware.profile.board));
        let random = Random::new(provisioning.entropy, name.as_bytes(), hardware.entropy);
        #[cfg(feature = "tls")]
        let identity = tls::Identity::from_pkcs8(provisioning.private_key)
            .ok_or(Unusable("the private key is not P-256 in PKCS #8"))?;
        #[cfg(feature = "tls")]
        let certificate = provisioning.certificate.map(<[u8]>::to_vec).or_else(|| {
            let stored = crate::storage::load_certificate(hardware.flash)?;
            identity.owns(stored, name).then(|| stored.to_vec())
        });
        #[cfg(not(feature = "tls"))]
        let certificate = provisioning.certificate;
        let with = if certificate.is_some() { "certificate" } else { "key without certificate" };
        hardware.log(format_args!("identity: {with}"));
        let may_run = provisioning.capabilities.as_ref().is_none_or(|claimed| claimed.contains(&"wasm"));
        let largest_module = if may_run { hardware.profile.largest_module } else { 0 };
        Ok(Self {
            hardware,
            provisioning,
            #[cfg(feature = "tls")]
            identity,
            #[cfg(feature = "tls")]
            buffers: tls::Buffers::new(hardware.profile.largest_record),
            #[cfg(feature = "tls")]
            certificate,
            random,
            memory: Memory::default(),
            home: None,
            applications: Applications::new(hardware, largest_module),
            backoff: Backoff::default(),
        })
    }

    /// Connects to the gateway again and again, until the other end of the link asks the board to shut down.
    pub fn run(&mut self) {
        loop {
            let retry = self.attempt();
            self.hang_up();
            let delay = match retry {
                Retry::AtOnce => continue,
                Retry::Never => return self.hardware.log(format_args!("power: off")),
                Retry::After(wish) => self.backoff.next(wish, &mut self.random),
            };
            self.hardware.log(format_args!("link: next attempt in {}.{:02} s", delay / 1000, delay % 1000 / 10));
            let until = self.hardware.clock.now() + delay;
            while self.hardware.clock.now() < until && !self.hardware.link.take_hint() {
                if self.hardware.link.shutdown_requested() {
                    break;
                }
                let more = self.applications.advance(&mut NoSession);
                self.hardware.rest(more.min(until));
            }
        }
    }

    /// Closes the link. If it was open, the other end may have closed it at the same time; its close mark must not
    /// count as the answer to the next request.
    fn hang_up(&self) {
        let (hardware, link) = (&self.hardware, self.hardware.link);
        let settled = hardware.clock.now() + if link.state() == LinkState::Open { CROSSING } else { 0 };
        link.close();
        while hardware.clock.now() < settled && !link.take_hint() {
            hardware.rest(settled);
        }
    }

    fn attempt(&mut self) -> Retry {
        let link = self.hardware.link;
        self.hardware.log(format_args!("link: connecting to {}", self.endpoint()));
        match &self.home {
            Some(home) => link.open_assigned(home),
            None => link.open(self.provisioning.gateway),
        }
        let deadline = self.hardware.clock.now() + OPEN_WITHIN;
        loop {
            let trouble = match link.state() {
                LinkState::Open => break,
                _ if link.shutdown_requested() => return Retry::Never,
                LinkState::Closed => "refused",
                LinkState::Opening if self.hardware.clock.now() >= deadline => "no answer in time",
                LinkState::Opening => {
                    let more = self.applications.advance(&mut NoSession);
                    self.hardware.rest(more.min(deadline));
                    continue;
                }
            };
            return self.not_connected(format_args!("{trouble}"));
        }
        self.converse()
    }

    /// The endpoint that the board connects to.
    fn endpoint(&self) -> &str {
        self.home.as_deref().unwrap_or(self.provisioning.gateway)
    }

    fn not_connected(&mut self, reason: fmt::Arguments<'_>) -> Retry {
        self.hardware.log(format_args!("link: no connection: {reason}"));
        self.leave_home();
        Retry::After(None)
    }

    /// Goes back to the provisioned gateway: the one that the board was assigned to does not serve it.
    fn leave_home(&mut self) {
        if self.home.take().is_some() {
            self.hardware.log(format_args!("link: not served there, back to the provisioned gateway"));
        }
    }

    fn capabilities(&self) -> Vec<&'a str> {
        if let Some(claimed) = &self.provisioning.capabilities {
            return claimed.clone();
        }
        let mut capabilities = Vec::from(["cbor", "gpio", "sensor"]);
        if cfg!(feature = "tls") {
            capabilities.push("tls");
        }
        if self.hardware.profile.largest_module > 0 {
            capabilities.extend(["wasm", "publish"]);
        }
        capabilities
    }

    #[cfg(feature = "tls")]
    fn converse(&mut self) -> Retry {
        let certificate = self.certificate.take();
        let request = match &certificate {
            Some(_) => None,
            None => {
                let request = self.identity.signing_request(self.provisioning.name);
                Some((request, self.provisioning.pairing_token))
            }
        };
        let capabilities = self.capabilities();
        let credentials = tls::Credentials {
            identity: &self.identity,
            certificate: certificate.as_deref(),
            authorities: self.provisioning.authorities,
            server_name: self.provisioning.server_name,
            now: Some(self.provisioning.boot_time)
                .filter(|&boot_time| boot_time > 0)
                .map(|boot_time| (boot_time + self.hardware.clock.now()) / 1000),
        };
        let facts = Facts {
            device_type: self.provisioning.device_type.unwrap_or(DEVICE_TYPE),
            capabilities,
            public_key: self.identity.public_key(),
            request,
            boot_time: self.provisioning.boot_time,
        };
        let (hardware, memory, applications, backoff) =
            (self.hardware, &mut self.memory, &mut self.applications, &mut self.backoff);
        let served =
            tls::with_connection(&hardware, &mut self.buffers, &mut self.random, credentials, |transport, random| {
                hardware.log(format_args!("link: up, TLSv1.3"));
                let mut session = Session::new(hardware, transport, random, memory, &facts);
                let outcome = session.run(applications);
                if session.established {
                    backoff.reset();
                }
                (outcome, session.established, session.retry_after)
            });
        self.certificate = certificate;
        match served {
            Ok((outcome, established, retry_after)) => self.settle(outcome, established, retry_after),
            Err(error) => self.not_connected(format_args!("{error}")),
        }
    }

    #[cfg(not(feature = "tls"))]
    fn converse(&mut self) -> Retry {
        let facts = Facts {
            device_type: self.provisioning.device_type.unwrap_or(DEVICE_TYPE),
            capabilities: self.capabilities(),
            public_key: self.provisioning.public_key.unwrap_or_default(),
            request: None,
            boot_time: self.provisioning.boot_time,
        };
        self.hardware.log(format_args!("link: up, plain"));
        let mut transport = crate::transport::Plain(self.hardware);
        let mut session = Session::new(self.hardware, &mut transport, &mut self.random, &mut self.memory, &facts);
        let outcome = session.run(&mut self.applications);
        let (established, retry_after) = (session.established, session.retry_after);
        if established {
            self.backoff.reset();
        }
        self.settle(outcome, established, retry_after)
    }

    fn settle(&mut self, outcome: Outcome, established: bool, retry_after: Option<u64>) -> Retry {
        match outcome {
            Outcome::Shutdown => return Retry::Never,
            Outcome::Reassigned(home) => return self.follow(home),
            Outcome::Down(ended) => self.hardware.log(format_args!("link: down: {ended}")),
            Outcome::Rejected(reason) => self.hardware.log(format_args!("link: {reason}")),
            Outcome::Broken(error) => {
                self.hardware.log(format_args!("link: the gateway broke the protocol: {error}"));
            }
            Outcome::Issued(certificate) => return self.keep(certificate),
        }
        if !established {
            self.leave_home();
        }
        Retry::After(retry_after)
    }

    /// Takes another gateway for the board's. An assignment by the provisioned gateway is followed at once; one in a
    /// chain after a pause, which grows until a gateway serves the board.
    fn follow(&mut self, home: String) -> Retry {
        if self.home.replace(home).is_none() { Retry::AtOnce } else { Retry::After(None) }
    }

    #[cfg(feature = "tls")]
    fn keep(&mut self, certificate: Vec<u8>) -> Retry {
        if !self.identity.owns(&certificate, self.provisioning.name) {
            self.hardware.log(format_args!("link: no usable certificate: it is for another key or name"));
            return Retry::After(None);
        }
        if crate::storage::store_certificate(self.hardware.flash, &certificate) {
            self.hardware.log(format_args!("enrollment: certificate stored, connecting with it"));
        } else {
            self.hardware.log(format_args!("enrollment: certificate not stored, connecting with it"));
        }
        self.certificate = Some(certificate);
        self.backoff.reset();
        Retry::AtOnce
    }

    #[cfg(not(feature = "tls"))]
    fn keep(&mut self, _: Vec<u8>) -> Retry {
        Retry::After(None)
    }
}

enum Retry {
    AtOnce,
    /// Not before this number of milliseconds.
    After(Option<u64>),
    Never,
}
