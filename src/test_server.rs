//! vnetdns within the process of a test.

use std::net::SocketAddr;
use std::num::NonZero;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use thiserror::Error;
use tokio::runtime;
use tokio_util::sync::CancellationToken;

use crate::config::{Files, Memory};
use crate::control::{Control, LoadError, PutFaultError};
use crate::dns::{Name, RecordType};
use crate::faults::Written;
use crate::questions::{self, Seen};
use crate::server::{BindError, Server};
use crate::snapshot::OUTSIDE;

/// A server for tests: a topology from text, served on free ports of the loopback address over UDP and TCP until it is dropped.
///
/// It has a runtime and threads of its own, so that a test needs neither. Files that the topology names are given with it.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let server = vnetdns::TestServer::new(
///     r#"
///     [[virtual_network]]
///     name = "spoke"
///     address_space = ["10.1.0.0/16"]
///
///     [[private_dns_zone]]
///     name = "corp.test"
///     virtual_network_links = [{ virtual_network = "spoke" }]
///
///     [[private_dns_zone.record_set]]
///     name = "www"
///     type = "A"
///     records = ["10.1.0.80"]
///     "#,
/// )?;
/// let inside = server.ask("spoke", "www.corp.test", "A")?;
/// assert_eq!(inside.records, ["10.1.0.80"]);
/// let outside = server.ask("outside", "www.corp.test", "A")?;
/// assert!(!outside.private);
/// // Clients of the code under test ask here:
/// assert!(server.address().ip().is_loopback());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct TestServer {
    memory: Arc<Memory>,
    control: Arc<Control>,
    address: SocketAddr,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

/// Why a [`TestServer`] does not do what it was asked for.
#[derive(Debug, Error)]
pub enum TestServerError {
    /// The topology has problems: each with its line and what to write instead.
    #[error("{0}")]
    Topology(String),
    /// No port could be had.
    #[error("the server cannot listen")]
    Bind(#[from] BindError),
    /// A thread or the runtime could not be started.
    #[error("the server cannot start: {0}")]
    Start(String),
    /// The question is none.
    #[error("{0}")]
    Question(String),
    /// The fault cannot be so, or there is none of that name.
    #[error(transparent)]
    Fault(#[from] PutFaultError),
}

impl TestServer {
    /// Serves a topology, as a configuration file has it. What it says of listeners does not count: a free port of 127.0.0.1 is
    /// taken.
    ///
    /// # Errors
    /// See [`TestServerError`].
    pub fn new(topology: &str) -> Result<Self, TestServerError> {
        Self::with_files(topology, [])
    }

    /// As [`TestServer::new`], with files that the topology names, such as zone files.
    ///
    /// # Errors
    /// See [`TestServerError`].
    pub fn with_files<'a>(
        topology: &str,
        files: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, TestServerError> {
        let memory = Arc::new(Memory::new(topology, files));
        let started = Control::start(Files::Memory(memory.clone()), |settings| {
            let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
            settings.listen = vec![loopback.into()];
            settings.metrics = None;
            settings.dnstap = None;
            settings.control_socket = None;
            settings.sandbox = false;
            settings.faults.are_allowed = true;
            settings.user = None;
            settings.udp_workers = settings.udp_workers.or(NonZero::new(1));
        });
        let (control, _) = started.map_err(load_error)?;
        let control = Arc::new(control);
        control.start_flapping();
        let runtime = runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.map_err(|error| TestServerError::Start(error.to_string()))?;
        let within = runtime.enter();
        let server = Server::bind(control.settings().clone(), control.published().clone(), control.metrics().clone())?;
        drop(within);
        let address = server.addresses().next().unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0)));
        let stop = CancellationToken::new();
        let (started, has_started) = mpsc::channel();
        let run = {
            let stop = stop.clone();
            move || {
                runtime.block_on(async move {
                    match server.start(stop) {
                        Ok(running) => {
                            let _ = started.send(None);
                            running.stopped().await;
                        }
                        Err(error) => {
                            let _ = started.send(Some(error.to_string()));
                        }
                    }
                });
                runtime.shutdown_background();
            }
        };
        let thread = thread::Builder::new().name("vnetdns".to_owned()).spawn(run);
        let thread = thread.map_err(|error| TestServerError::Start(error.to_string()))?;
        let mut own = Self { memory, control, address, stop, thread: Some(thread) };
        match has_started.recv() {
            Ok(None) => Ok(own),
            Ok(Some(error)) => Err(TestServerError::Start(error)),
            Err(_) => {
                own.stop();
                Err(TestServerError::Start("its thread has ended".to_owned()))
            }
        }
    }

    /// Where it answers, over UDP and TCP. A client there is in the network whose prefixes hold its address: give a network
    /// `client_prefixes = ["127.0.0.0/8"]` to have the code under test resolve as that network does.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What the clients of a network see of a name and type; `outside` are those of none. By the engine that answers queries, without
    /// a socket; nobody else is asked.
    ///
    /// # Errors
    /// There is no such network, or the name or the type is none.
    pub fn ask(&self, network: &str, name: &str, record_type: &str) -> Result<Seen, TestServerError> {
        let question = |what: String| TestServerError::Question(what);
        let name: Name = name.parse().map_err(|_| question(format!("\"{name}\" is not a domain name")))?;
        let rtype = record_type.to_ascii_uppercase().parse::<domain::base::Rtype>();
        let rtype = rtype.map_err(|_| question(format!("\"{record_type}\" is not a record type")))?;
        let snapshot = self.control.published().load();
        let mut called = snapshot.networks_called(network).map(|(view, _)| view);
        let view = match (network, called.next(), called.next()) {
            ("outside", ..) => OUTSIDE,
            (_, Some(view), None) => view,
            (_, Some(_), Some(_)) => {
                return Err(question(format!("several virtual networks are called \"{network}\"")));
            }
            (_, None, _) => return Err(question(format!("there is no virtual network \"{network}\""))),
        };
        drop(called);
        Ok(questions::ask_view(&snapshot, view, name.as_ref(), RecordType::from(rtype.to_int())))
    }

    /// Has answers suffer a fault from now on, in place of the one of its name; [`TestServer::ask`] is not a client, and suffers
    /// none but that of endpoints.
    ///
    /// ```
    /// # use vnetdns::{TestServer, faults::Written};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let server = TestServer::new("[[virtual_network]]\nname = \"spoke\"\nclient_prefixes = [\"127.0.0.0/8\"]\n")?;
    /// server.fault(Written::servfail().network("spoke").times(2))?;
    /// server.fault(Written::delay(200).domain("corp.test").named("slow"))?;
    /// server.end_fault("slow")?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// See [`TestServerError::Fault`].
    pub fn fault(&self, fault: Written) -> Result<(), TestServerError> {
        self.control.put_fault(fault)?;
        Ok(())
    }

    /// Ends the fault of that name; one that does not say has its effect for a name.
    ///
    /// # Errors
    /// There is none.
    pub fn end_fault(&self, name: &str) -> Result<(), TestServerError> {
        Ok(self.control.end_faults(Some(name))?)
    }

    /// Puts another topology in the place of this one. It is served when this returns; a refused one leaves the old one served.
    ///
    /// # Errors
    /// See [`TestServerError::Topology`].
    pub fn change(&self, topology: &str) -> Result<(), TestServerError> {
        let before = self.memory.replace(topology);
        self.control.reload().map(|_| ()).map_err(|error| {
            self.memory.replace(&before);
            load_error(error)
        })
    }

    fn stop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.stop();
    }
}

fn load_error(error: LoadError) -> TestServerError {
    TestServerError::Topology(match error {
        LoadError::Problems(problems) => problems.to_string(),
        error => error.to_string(),
    })
}
