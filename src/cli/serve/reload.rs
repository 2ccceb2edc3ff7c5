//! Reloads the configuration, and logs the result.

use std::error::Error;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Instant;

use super::replicas::Replicas;
use super::{log_each, notify, warn};
use crate::config::Problems;
use crate::control::{ApplyError, Control, LoadError, Loaded, Lost, Orphan, Restored, Writer};
use crate::management::made;
use crate::observe::Condition;
use crate::page::Pages;
use crate::sabotage::{self, Spot};
use crate::state::Revision;

/// Most addresses listed in a line of the log.
const MAX_LISTED: usize = 10;

/// What a reload needs, and other commands of the control socket.
pub(super) struct Reloads {
    pub(super) control: Arc<Control>,
    /// The writer of the state, if there is one.
    pub(super) writer: Option<Writer>,
    /// The page, if it is enabled.
    pub(super) pages: Option<Arc<Pages>>,
    /// The other replicas of the state.
    pub(super) replicas: Replicas,
}

impl Reloads {
    fn listener(&self, at: usize) -> String {
        let address = self.control.addresses().get(at).copied().flatten();
        let mut listener =
            format!("the listener on {}", address.map_or_else(String::new, |address| address.to_string()));
        let listening = self.control.listening();
        let interface = listening.get(at).and_then(|listen| listen.as_ref()?.interface.as_ref());
        if let Some(interface) = interface {
            write!(listener, " of interface {interface}").expect("a string takes it");
        }
        listener
    }

    /// The health condition of a listener that has lost its network.
    fn network_of_listener(&self, at: usize) -> String {
        format!("the network of {}", self.listener(at))
    }
}

/// Why a configuration was not published; it was logged as well.
pub(super) enum Refused {
    /// It has these findings.
    Problems(Problems),
    /// Any other reason.
    Other(String),
}

/// Reports to the log and to health checks the listeners that refuse everybody because their networks are gone.
fn warn_of_orphans(reloads: &Reloads, orphans: &[Orphan]) {
    let health = reloads.control.metrics().health();
    for (at, _) in reloads.control.listening().iter().enumerate().filter(|(_, listen)| listen.is_some()) {
        if !orphans.iter().any(|orphan| orphan.listener.index() == at) {
            health.clear(&reloads.network_of_listener(at));
        }
    }
    for Orphan { listener, lost } in orphans {
        let at = listener.index();
        let listener = reloads.listener(at);
        let why = match lost {
            Lost::Network(network) => {
                format!("the virtual network \"{network}\" is gone: whoever asks there is REFUSED")
            }
            Lost::InboundEndpoints(_) => "an inbound endpoint is gone: whoever asks there is REFUSED".to_owned(),
        };
        health.set(reloads.network_of_listener(at), Condition::Degraded(why));
        match lost {
            Lost::Network(network) => tracing::warn!(
                help = "declare that network again, or restart to have the listener as the configuration says",
                "{listener} belongs to the virtual network \"{network}\", which is gone: whoever asks there is REFUSED"
            ),
            Lost::InboundEndpoints(lost) => {
                let mut listed: Vec<_> = lost.iter().take(MAX_LISTED).map(ToString::to_string).collect();
                if lost.len() > MAX_LISTED {
                    listed.push(format!("{} more", lost.len() - MAX_LISTED));
                }
                let listed = listed.join(", ");
                tracing::warn!(
                    help = "declare the inbound endpoint again, or restart to have its clients known by other ways",
                    "{listener} answers where an inbound endpoint is gone ({listed}): whoever asks there is REFUSED"
                );
            }
        }
    }
}

/// Logs the keys of `[server]` that keep the values from the start.
fn warn_of_unchanged(keys: &[String]) {
    if keys.is_empty() {
        return;
    }
    let mut listed = keys[..keys.len().min(MAX_LISTED)].join("; ");
    if keys.len() > MAX_LISTED {
        write!(listed, "; {} more", keys.len() - MAX_LISTED).expect("a string takes it");
    }
    tracing::warn!(keys = listed, "[server] has changed: restart to put that into effect");
}

/// Loads the configuration again and logs the result. May take long: not to be called from a thread that serves.
pub(super) fn reload(reloads: &Reloads, force: bool) -> Result<Loaded, Refused> {
    sabotage::at(Spot::Reload);
    let control = &reloads.control;
    let start = Instant::now();
    notify::reloading();
    // Nothing stores changes from the management API.
    let result = control.reload_with(force, |deleted| match &reloads.writer {
        Some(writer) => writer.forget(deleted),
        None => Ok(()),
    });
    notify::ready();
    match result {
        Ok(loaded) => {
            reloads.replicas.files_changed();
            tell(reloads, &loaded, start, "reloaded");
            Ok(loaded)
        }
        Err(error) => Err(refused(reloads, error, "the reload")),
    }
}

/// Restores the state to a revision, and serves that; the files are loaded again as well. May take long: not to be called from a
/// thread that serves.
#[cfg(unix)]
pub(super) fn restore(reloads: &Reloads, writer: &Writer, revision: Revision) -> Result<Restored, Refused> {
    let start = Instant::now();
    match writer.go_back(revision, made) {
        Ok((loaded, restored)) => {
            tell(reloads, &loaded, start, "restored");
            Ok(restored)
        }
        Err(error) => Err(refused(reloads, error, "the restoration")),
    }
}

/// Logs what is served now.
fn tell(reloads: &Reloads, loaded: &Loaded, start: Instant, what: &str) {
    warn(loaded, reloads.control.settings());
    warn_of_orphans(reloads, &loaded.orphans);
    warn_of_unchanged(&loaded.unchanged_keys);
    let counts = loaded.counts;
    tracing::info!(
        generation = loaded.generation.number(),
        virtual_networks = counts.networks,
        private_dns_zones = counts.private_zones,
        public_zones = counts.public_zones,
        record_sets = counts.record_sets,
        took = ?start.elapsed(),
        "{what}"
    );
}

/// Logs why something was not loaded.
fn refused<E: Error + Send + Sync + 'static>(reloads: &Reloads, error: ApplyError<E>, what: &str) -> Refused {
    match error {
        ApplyError::Load(LoadError::Problems(problems)) => {
            log_each(&problems, |problem| {
                tracing::error!(place = %problem.place, help = problem.mend, "{}", problem.what);
            });
            let generation = reloads.control.published().load().generation().number();
            tracing::error!(generation, "{what} is refused, the old configuration is served on");
            Refused::Problems(problems)
        }
        error => {
            let error = match error {
                ApplyError::Commit(error) => format!("{:#}", anyhow::Error::new(error)),
                error => format!("{:#}", anyhow::Error::new(error)),
            };
            tracing::error!("{what} is refused, the old configuration is served on: {error}");
            Refused::Other(error)
        }
    }
}
