//! `vnetdns serve`: the daemon.

mod begin;
pub(super) mod clients;
#[cfg(unix)]
mod control_socket;
#[cfg(unix)]
mod faults;
mod notify;
mod ready;
mod reload;
#[cfg(unix)]
mod replace;
mod replicas;
mod signals;
#[cfg(unix)]
mod state_socket;

use std::net::SocketAddr;
use std::num::NonZero;
#[cfg(unix)]
use std::os::fd::{AsFd, OwnedFd};
use std::panic::resume_unwind;
use std::path::PathBuf;
use std::process::ExitCode;
#[cfg(unix)]
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
#[cfg(unix)]
use tokio::runtime::Handle;

use super::config_option::ConfigOption;
use super::log::LogWriter;
use crate::codes::Code;
use crate::config::{
    Files, Listen, ListenAddress, ListenAddressError, MetricsSettings, Problem, Problems, ServerSettings,
};
use crate::control::{Aside, Control, LoadError, Loaded, Writer};
use crate::management::ManagementApi;
use crate::observe::{Ends, MetricsListener, Site};
use crate::page::Pages;
#[cfg(unix)]
use crate::server::{Place, QuicKeys, Turn};
use crate::server::{Server, raise_limit, release_memory};
use begin::Begun;
#[cfg(unix)]
use control_socket::ControlSocket;
use ready::{print_aside, ready_line, tell_of_page, welcome};
use reload::{Refused, Reloads, reload};
#[cfg(unix)]
use replace::Handover;
use replicas::Replicas;
use signals::Signals;

/// Where the page is, where nothing says otherwise: as [`MetricsSettings::DEFAULT`].
const DEFAULT_PAGE: &str = "127.0.0.1:9153";

/// Answer queries
#[derive(Debug, Args)]
#[command(after_help = "\
SIGHUP loads the configuration again; if it is refused, the old one is served on.
SIGTERM and SIGINT answer what has come and stop, with exit code 0. SIGUSR1 and SIGUSR2 do nothing.

Examples:
  vnetdns serve                                                 vnetdns.toml, or the default lab
  vnetdns serve --lab hub-and-spokes                            another lab
  vnetdns serve --config config/lab.toml --listen 127.0.0.1:53 --listen '[::1]:53'
  vnetdns serve --listen 127.0.0.1:0 --ready json               a free port, told as one JSON line
  vnetdns serve --config - --loopback --faults < world.toml     for tests that have answers suffer
  vnetdns serve --config my.toml --replace                      in place of the server that has its control socket
  vnetdns serve --config - --loopback < world.toml              a topology from another program
  vnetdns serve --config estate.tfstate --loopback              an estate whose networks this host is not in")]
pub(super) struct Serve {
    #[command(flatten)]
    config: ConfigOption,
    /// Address and port to answer on, instead of those in the configuration; may be repeated; port 0 takes a free one;
    /// what the configuration says of the same address and port holds, such as allow_from, and of no other
    #[arg(long, value_name = "ADDR", value_parser = listen_address)]
    listen: Vec<ListenAddress>,
    /// Threads that answer over UDP for each address, instead of what the configuration says [default: one for each
    /// processor]
    #[arg(long, value_name = "N")]
    udp_workers: Option<NonZero<usize>>,
    /// Give each network that has no clients in 127.0.0.0/8 a /24 of it, and say how to ask from there
    #[arg(long)]
    loopback: bool,
    /// Socket by which vnetdns control asks and steers the server, instead of the configuration's control_socket
    #[cfg(unix)]
    #[arg(long, value_name = "FILE")]
    control_socket: Option<PathBuf>,
    /// Take the place of the server that has the control socket: its sockets, its state and its secrets. No query is lost;
    /// where this one cannot start, that one serves on
    #[cfg(unix)]
    #[arg(long)]
    replace: bool,
    /// User to run as once the ports are taken, instead of the configuration's `user`; for a server that root starts
    #[cfg(unix)]
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Have the kernel refuse what the server does not need, as `sandbox = true` in the configuration does (Linux)
    #[arg(long)]
    sandbox: bool,
    /// Let faults be made (vnetdns control faults, the management API), as `[faults] allow = true` in the configuration does: for
    /// a server that is for tests alone
    #[arg(long)]
    faults: bool,
    /// Folder of what clients write, instead of the one that the configuration says; made where it is not there
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Show the page in a browser: who sees what, and why. It is on the listener of metrics, which is on this address unless
    /// the configuration says otherwise
    #[arg(long, value_name = "ADDR", num_args = 0..=1, require_equals = true, default_missing_value = DEFAULT_PAGE)]
    page: Option<SocketAddr>,
    /// Form of the message on standard output that says what is served
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    ready: Ready,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Ready {
    /// Lines for people
    Text,
    /// One line of JSON
    Json,
}

impl Serve {
    pub(super) fn run(self, log: &LogWriter) -> anyhow::Result<ExitCode> {
        raise_limit();
        let files = self.config.files();
        let listen = self.listen;
        check_unique(&listen)?;
        if let Some(address) = self.page.filter(|address| !address.ip().is_loopback()) {
            bail!(
                "--page={address}: whoever reaches this address could see what every network sees; give a loopback address, \
                 and look at the page through a tunnel, such as ssh -L or kubectl port-forward"
            );
        }
        let page = self.page;
        // What is started before a sandbox is entered is not in it: threads come behind the configuration.
        let held = signals::hold();
        let (udp_workers, state, replaced) = (self.udp_workers, self.state, Arc::new(Mutex::new(Vec::new())));
        #[cfg(unix)]
        let (control_socket, user) = (self.control_socket, self.user);
        let (is_sandboxed, allows_faults) = (self.sandbox, self.faults);
        let adjust = {
            let replaced = replaced.clone();
            move |settings: &mut ServerSettings| {
                settings.udp_workers = udp_workers.or(settings.udp_workers);
                if let Some(listen) = page {
                    let metrics = settings.metrics.take();
                    let metrics = metrics.unwrap_or_else(|| MetricsSettings { listen, ..MetricsSettings::default() });
                    // Elsewhere it would show to others what every network sees.
                    settings.metrics = Some(MetricsSettings { page: metrics.listen.ip().is_loopback(), ..metrics });
                }
                settings.state = state.clone().or_else(|| settings.state.take());
                #[cfg(unix)]
                {
                    settings.user = user.clone().or_else(|| settings.user.take());
                }
                settings.sandbox |= is_sandboxed;
                settings.faults.are_allowed |= allows_faults;
                #[cfg(unix)]
                if control_socket.is_some() {
                    settings.control_socket.clone_from(&control_socket);
                }
                if !listen.is_empty() {
                    *replaced.lock().unwrap_or_else(PoisonError::into_inner) = replace(&mut settings.listen, &listen);
                }
            }
        };
        #[cfg(unix)]
        let replaces = self.replace;
        #[cfg(not(unix))]
        let replaces = false;
        let mut begun = None;
        let begin = |settings: &ServerSettings| {
            let (has, beginning) =
                Begun::new(settings, replaces, log).map_err(|error| LoadError::Needed(error.into()))?;
            begun = Some(has);
            Ok(beginning)
        };
        let (control, loaded) = match Control::start_from(files.clone(), self.loopback, adjust, begin) {
            Ok(started) => started,
            Err(error) => return Err(report(error)),
        };
        // Loading has taken several times of what is served.
        release_memory();
        let metrics = control.settings().metrics.as_ref();
        if let Some(metrics) = metrics.filter(|metrics| page.is_some() && !metrics.page) {
            bail!("--page shows the page where metrics are shown, and {} is no loopback address", metrics.listen);
        }
        let begun = begun.context("nothing is bound")?;
        let runtime = tokio::runtime::Runtime::new().context("cannot start the runtime")?;
        let signals = {
            let _within = runtime.enter();
            Signals::install().context("cannot listen for signals")?
        };
        drop(held);
        warn(&loaded, control.settings());
        for listen in replaced.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            warn_replaced(&listen);
        }
        let served = runtime.block_on(serve(control, begun, &loaded, &files, self.ready, signals, log));
        // A reload that still runs has nobody left to serve.
        runtime.shutdown_background();
        served.map(|()| ExitCode::SUCCESS)
    }
}

async fn serve(
    control: Control,
    #[cfg_attr(not(unix), expect(unused_mut, reason = "there is nobody to replace"))] mut begun: Begun,
    loaded: &Loaded,
    files: &Files,
    ready: Ready,
    signals: Signals,
    log: &LogWriter,
) -> anyhow::Result<()> {
    let ends = Ends::default();
    let stop = ends.stop.clone();
    // From here on SIGTERM does not end a process that waits for the reader of its log.
    log.set_serving();
    // Before the ready message: whoever reads it may send a signal at once.
    let signals = signals.with_stop().context("cannot listen for signals")?;
    let control = Arc::new(control);
    control.start_flapping();
    #[cfg(unix)]
    begun.take_state(&control)?;
    let Begun { bound, metrics, management, store, replicas, .. } = begun;
    #[cfg(unix)]
    let (control_socket, predecessor) = (begun.control_socket, begun.predecessor);
    #[cfg(unix)]
    if let (Some(store), Some(_)) = (&store, &predecessor) {
        // What is written before the other process has gone could not be kept if it stays.
        store.pause();
    }
    let writer = store.map(|store| Writer::start_with(control.clone(), Arc::new(store), replicas.shared())).transpose();
    let writer = writer.context("cannot start the thread that writes")?;
    let (settings, published) = (control.settings().clone(), control.published().clone());
    let server = Server::on(bound, settings, published, control.metrics().clone()).with_writer(writer.clone());
    let management = match (management, writer.clone()) {
        (Some(listener), Some(writer)) => Some(listener.with_writer(writer, ends.released.clone())),
        _ => None,
    };
    let shows_page = control.settings().metrics.as_ref().is_some_and(|metrics| metrics.page);
    let pages = match metrics.as_ref().filter(|_| shows_page) {
        Some(listener) => {
            let decisions = management.as_ref().map(ManagementApi::decisions);
            let (query_log, address) = (server.query_log().clone(), listener.address());
            let pages = Pages::new(control.clone(), query_log, writer.as_ref(), decisions, address);
            Some(Arc::new(pages.context("no secret can be made for the page")?))
        }
        None => None,
    };
    #[cfg(unix)]
    let quic = predecessor.as_ref().map_or_else(QuicKeys::random, |predecessor| Ok(predecessor.quic()));
    #[cfg(unix)]
    let quic = quic.context("no keys can be made for QUIC")?;
    #[cfg(unix)]
    let turn = Turn::new(quic.clone(), predecessor.is_some());
    #[cfg(unix)]
    let server = server.with_turn(turn.clone());
    let query_log = server.query_log().clone();
    let addresses: Vec<_> = server.addresses().collect();
    let listeners: Vec<_> = addresses.iter().copied().zip(&control.settings().listen).collect();
    let message = match ready {
        Ready::Text => welcome(loaded, files, &listeners) + &tell_of_page(pages.as_deref()),
        Ready::Json => {
            let clients = clients::clients(&control.published().load());
            let others = [
                ("metrics", metrics.as_ref().map(MetricsListener::address)),
                ("management", management.as_ref().map(ManagementApi::address)),
            ];
            ready_line(loaded, &listeners, clients, &others, pages.as_deref())
        }
    };
    let running = server.start(stop.clone())?;
    let serving = running.listeners().clone();
    control.serve_by(serving.clone());
    let patience = notify::patience();
    #[cfg(unix)]
    let patience = patience.or_else(|| predecessor.as_ref()?.watchdog());
    #[cfg(unix)]
    if let Some(predecessor) = &predecessor {
        match predecessor.end(begun.taken) {
            Ok(handed) => {
                if let (Some(pages), Some(handed)) = (&pages, handed) {
                    pages.take_over(handed);
                }
            }
            Err(error) => {
                // What this process has received it answers.
                stop.cancel();
                running.stopped().await;
                return Err(error);
            }
        }
    }
    let mut stopped = tokio::spawn(running.stopped());
    #[cfg(unix)]
    if let Some(predecessor) = predecessor {
        if let Some(writer) = &writer {
            writer.store().resume();
        }
        control_socket.iter().for_each(ControlSocket::take);
        tracing::info!(process = predecessor.process(), "this process has taken over from another one");
        notify::taken_over();
        let wait = move || {
            predecessor.wait_for_quic();
            turn.begins.cancel();
        };
        thread::Builder::new().name("replace".to_owned()).spawn(wait).context("cannot start a thread")?;
    }
    control.metrics().register(log.clone());
    #[cfg(unix)]
    let handover = Arc::new(Handover {
        control: control.clone(),
        writer: writer.clone(),
        listeners: serving,
        others: others(metrics.as_ref(), management.as_ref(), control.settings())?,
        pages: pages.clone(),
        ends: ends.clone(),
        quic,
        watchdog: patience,
        runtime: Handle::current(),
        is_busy: AtomicBool::new(false),
    });
    if let Some(listener) = metrics {
        tracing::info!(listen = %listener.address(), "metrics and health are shown");
        let site = pages.clone().map(|pages| -> Arc<dyn Site> { pages });
        tokio::spawn(listener.serve(control.metrics().clone(), control.published().clone(), site, ends.clone()));
    }
    if let Some(api) = management {
        tracing::info!(listen = %api.address(), "the management API is served");
        tokio::spawn(api.serve(ends));
    }
    print_aside(message)?;
    tracing::info!(generation = loaded.generation.number(), listen = ?addresses, "serving");
    let health = control.metrics().clone();
    let following = replicas.follow(writer.as_ref(), &stop);
    let reloads = Arc::new(Reloads { control, writer, pages, replicas });
    #[cfg(unix)]
    if let Some(socket) = control_socket {
        tokio::spawn(socket.serve(reloads.clone(), query_log, handover));
    }
    notify::ready();
    tokio::spawn(notify::watchdog(patience, health, stop.clone()));
    let ended = tokio::select! {
        () = signals.handle(reloads, &stop) => stopped.await,
        // Only by a panic.
        ended = &mut stopped => ended,
    };
    ended.unwrap_or_else(|error| resume_unwind(error.into_panic()));
    Replicas::end(following).await;
    tracing::info!("stopped");
    Ok(())
}

/// The sockets that do not carry DNS, for a process that takes over.
#[cfg(unix)]
fn others(
    metrics: Option<&MetricsListener>,
    management: Option<&ManagementApi>,
    settings: &ServerSettings,
) -> anyhow::Result<Vec<(Place, OwnedFd)>> {
    let of_metrics = metrics.zip(settings.metrics.as_ref());
    let of_metrics = of_metrics.map(|(listener, settings)| ("metrics", settings.listen, listener.socket()));
    let of_management = management.zip(settings.management.as_ref());
    let of_management = of_management.map(|(listener, settings)| ("management", settings.listen, listener.socket()));
    let others = of_metrics
        .into_iter()
        .chain(of_management)
        .map(|(purpose, address, socket)| Ok((Place::other(purpose, address), socket.as_fd().try_clone_to_owned()?)));
    others.collect::<std::io::Result<_>>().context("there are no file descriptors left")
}

/// The error of a configuration that is not served: its problems are the message.
fn report(error: LoadError) -> anyhow::Error {
    match error {
        LoadError::Problems(problems) => anyhow::Error::new(problems),
        error => anyhow::Error::new(error),
    }
}

/// Most problems of a configuration that are logged: as many as the queue of the log takes at once.
const MOST_LOGGED: usize = 1000;

fn warn(loaded: &Loaded, settings: &ServerSettings) {
    log_each(&loaded.warnings, |warning| {
        // The command line may have named the folder.
        if warning.code == Code::UpdateWithoutState && settings.state.is_some() {
            return;
        }
        tracing::warn!(place = %warning.place, help = warning.mend, "{}", warning.what);
    });
    warn_of_aside(&loaded.aside);
}

/// Tells what the management API has made and is not served.
fn warn_of_aside(aside: &[Aside]) {
    for Aside { item, place, why, .. } in aside.iter().take(MOST_LOGGED) {
        tracing::warn!(
            %place,
            help = "take it out of the file to have that of the management API served again",
            "{item} of the management API is not served: {why}"
        );
    }
    if let Some(more @ 1..) = aside.len().checked_sub(MOST_LOGGED) {
        tracing::warn!(more, "there is more that the management API has made and is not served");
    }
}

fn log_each(problems: &Problems, log: impl Fn(&Problem)) {
    problems.iter().take(MOST_LOGGED).for_each(log);
    let more = problems.iter().count().saturating_sub(MOST_LOGGED);
    if more > 0 {
        tracing::warn!(more, "there are more problems: vnetdns check lists them all");
    }
}

/// Reads what stands behind `--listen`: it is refused with what a configuration is told.
fn listen_address(text: &str) -> Result<ListenAddress, String> {
    text.parse().map_err(|error: ListenAddressError| format!("{error}; {}", error.mend()))
}

/// Refuses an address that is given twice: the system would say that another program has it.
fn check_unique(addresses: &[ListenAddress]) -> anyhow::Result<()> {
    for (at, address) in addresses.iter().enumerate() {
        // Each port 0 becomes another one.
        if address.socket.port() != 0 && addresses[..at].contains(address) {
            bail!("--listen {address} is given twice: remove one of them");
        }
    }
    Ok(())
}

/// Puts listeners on these addresses in place of the configured ones, and returns those that are gone. One that is
/// configured for such an address stays as it is.
fn replace(configured: &mut Vec<Listen>, addresses: &[ListenAddress]) -> Vec<Listen> {
    let (kept, gone): (Vec<_>, Vec<_>) = configured.drain(..).partition(|listen| addresses.contains(&listen.address));
    for address in addresses {
        // One address may have a listener for each of several interfaces.
        let of_address = kept.iter().filter(|listen| listen.address == *address);
        let known = configured.len();
        configured.extend(of_address.cloned());
        if configured.len() == known {
            configured.push(address.clone().into());
        }
    }
    gone
}

/// Tells which settings are lost with a listener: who relies on its allow_from should know.
fn warn_replaced(listen: &Listen) {
    let lost = listen.settings();
    if !lost.is_empty() {
        let (address, lost) = (&listen.address, lost.join(", "));
        tracing::warn!(
            help = "give --listen the listener's own address and port to keep them",
            "--listen replaces the listener on {address}: its {lost} no longer hold"
        );
    }
}
