//! Changes of what is served: the only place that publishes snapshots.

mod faults;
mod follow;
mod layers;
mod links;
mod listeners;
mod look;
mod orphans;
mod reload;
mod retire;
mod writer;

use std::error::Error;
use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;

use crate::azure::{Allocations, Change, Item, Made};
use crate::config::{
    Chaos, DnsCookies, EncryptedTransport, Files, LayeredConfig, Listen, LoopbackClients, Problems, ServerSettings,
    Sources, read_files,
};
use crate::dns::CookieSecrets;
use crate::faults::{Fault, FaultSettings, Live};
use crate::observe::Metrics;
use crate::snapshot::{Counts, Designation, Generation, Identity, Published, Snapshot};
use crate::state::Digest;
use crate::world::{Applied, Refused, World};
use crate::zone::CompileError;
use layers::{CheckedLayers, check, with_layer};
use links::{Completion, now};
use retire::Retirement;

pub use faults::PutFaultError;
use faults::{Flapping, with_faults};
pub use follow::FollowError;
pub use layers::{ApplyError, Aside, DeclaredBy, Locked};
pub use listeners::Listeners;
use listeners::{Adjust, Slots};
pub use look::Look;
pub use orphans::{Lost, Orphan};
use orphans::{gone_endpoints, orphans};
pub use writer::{GoBackError, Restored, Transaction, View, WriteError, Writer, Written, record_set_id};

/// Maximum addresses that were inbound endpoints since the start and are no longer.
const MAX_GONE: usize = 65_536;

/// Subject of the condition of a server whose reload was refused.
const CONFIGURATION: &str = "configuration";

/// Loads the configuration, applies changes, and publishes the result.
#[derive(Debug)]
pub struct Control {
    files: Files,
    /// Whether each network is given clients on this host.
    on_loopback: bool,
    /// The settings as declared at the start, to report what a reload cannot change.
    declared: ServerSettings,
    /// The settings that the server was started with.
    settings: ServerSettings,
    adjust: Adjust,
    /// Opens and closes listeners; without it the listeners of the start stay.
    listeners: OnceLock<Arc<dyn Listeners>>,
    /// The secret of cookies, used if the configuration has none.
    random_secret: CookieSecrets,
    published: Arc<Published>,
    metrics: Arc<Metrics>,
    outcomes: Arc<Outcomes>,
    retirement: Retirement,
    completion: Completion,
    /// The digest of what files declare, for comparison between replicas.
    files_digest: Mutex<Option<Digest>>,
    flapping: Flapping,
    held: Mutex<Held>,
}

/// The served world.
#[derive(Debug)]
struct Held {
    world: World,
    /// The files that declare it.
    sources: Sources,
    /// Whether the findings in `sources` are still complete.
    is_quiet: bool,
    /// Changes of the management API that do not fit what files declare.
    aside: Vec<Change>,
    /// The listeners by number.
    slots: Slots,
    /// What files say of faults.
    faults: FaultSettings,
    unchanged_keys: Vec<String>,
}

/// Why a configuration is not served.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It has problems.
    #[error("the configuration is refused")]
    Problems(#[source] Problems),
    /// A zone is too large, or the world is refused.
    #[error("it cannot be served")]
    Refused(#[from] Refused),
    /// Too many inbound endpoints have lost their networks since the start.
    #[error(
        "{0} addresses were inbound endpoints since the start and are none any more, {MAX_GONE} are the most: restart to \
         have them forgotten"
    )]
    Gone(usize),
    /// A listener cannot be opened.
    #[error("{0}")]
    Listener(String),
    /// The system gives no random numbers.
    #[error("no secret can be made for DNS cookies; set cookie_secret_file")]
    Random(#[source] getrandom::Error),
    /// Something that the server needs besides its configuration is missing.
    #[error(transparent)]
    Needed(Box<dyn Error + Send + Sync>),
}

/// What a server starts with besides its configuration.
pub struct Beginning {
    /// Provides what clients have made. It is called again if not all of that fits the files.
    pub made: Box<dyn Fn() -> Result<Made, LoadError>>,
    /// The secret of cookies to use if the configuration has none: that of the replaced process.
    pub cookie_secret: Option<CookieSecrets>,
}

/// A publication.
#[derive(Debug)]
pub struct Loaded {
    /// The generation of the new snapshot.
    pub generation: Generation,
    /// Its size.
    pub counts: Counts,
    /// How the files were read.
    pub way: Way,
    /// Advice: what is legal but probably not intended.
    pub warnings: Problems,
    /// The keys of `[server]` that the file has changed since the start, and a reload cannot change: see
    /// [`ServerSettings::differences`].
    pub unchanged_keys: Vec<String>,
    /// Listeners that have lost their networks to this reload or an earlier one.
    pub orphans: Vec<Orphan>,
    /// The clients on this host that networks were given.
    pub loopback: LoopbackClients,
    /// Changes of the management API that were set aside because files declare the same or no longer declare what they need;
    /// after a reload, the changes that it deleted.
    pub aside: Vec<Aside>,
}

/// How a configuration was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// All of it was loaded.
    Whole,
    /// All of it was read, and the differences were applied.
    Changes,
    /// Only the changes of zone files were read.
    ZoneFiles,
}

impl Control {
    /// Loads a configuration for the first time. `adjust` may change the server's settings before they are used, now and at each
    /// reload.
    ///
    /// # Errors
    /// See [`LoadError`].
    pub fn start(
        files: Files,
        adjust: impl Fn(&mut ServerSettings) + Send + Sync + 'static,
    ) -> Result<(Self, Loaded), LoadError> {
        Self::start_with(files, false, Made::default(), adjust)
    }

    /// As [`Control::start`], with the changes that clients have made, in order. Files take precedence: changes that conflict
    /// with them are set aside and reported. With `on_loopback`, each network without clients in 127.0.0.0/8 is given some, now
    /// and after each reload.
    ///
    /// # Errors
    /// See [`LoadError`].
    pub fn start_with(
        files: Files,
        on_loopback: bool,
        made: impl Into<Made>,
        adjust: impl Fn(&mut ServerSettings) + Send + Sync + 'static,
    ) -> Result<(Self, Loaded), LoadError> {
        let made = made.into();
        let begin = |_: &_| Ok(Beginning { made: Box::new(move || Ok(made.clone())), cookie_secret: None });
        Self::start_from(files, on_loopback, adjust, begin)
    }

    /// As [`Control::start_with`]; `begin` provides what there is besides the files, for the adjusted settings. It is called
    /// after the files were read without errors.
    ///
    /// # Errors
    /// See [`LoadError`].
    pub fn start_from(
        files: Files,
        on_loopback: bool,
        adjust: impl Fn(&mut ServerSettings) + Send + Sync + 'static,
        begin: impl FnOnce(&ServerSettings) -> Result<Beginning, LoadError>,
    ) -> Result<(Self, Loaded), LoadError> {
        let none = Allocations::default();
        let read = || read_files(&files, &none, on_loopback);
        let first = read().map_err(LoadError::Problems)?;
        let mut settings = first.server().clone();
        adjust(&mut settings);
        let Beginning { made, cookie_secret } = begin(&settings)?;
        // Links that became due while no server ran are completed from the beginning.
        let now = now();
        let made = || made().map(|made| made.settled(now));
        let CheckedLayers { config, aside } = check(with_layer(first, made()?), read, made)?;
        let LayeredConfig {
            server: declared,
            certificates,
            cookies,
            mut layered,
            catalogue,
            warnings,
            sources,
            loopback,
            digest,
        } = config;
        let slots = Slots::new(&settings);
        layered.topology_mut().set_listener_networks(slots.networks());
        let world = World::of(layered, catalogue, identity(&settings));
        let mut world = world.map_err(Refused::Compile)?;
        let (generation, counts) = (world.snapshot().generation(), world.snapshot().counts());
        let random_secret = cookie_secret.map_or_else(random_secret, Ok)?;
        let metrics = Metrics::new(settings.metrics.as_ref().map(|metrics| metrics.max_networks));
        world.adjust(|snapshot| {
            let snapshot = snapshot
                .with_cookie_secrets(cookie_secrets(cookies, &random_secret))
                .with_network_slots(|name| metrics.networks().slot(name))
                .with_certificates(slots.shown(&certificates, None));
            designated(with_faults(snapshot, &settings.faults), &slots).map_err(Refused::Compile)
        })?;
        let published = Arc::new(Published::new(world.snapshot().clone()));
        let outcomes = Arc::new(Outcomes::default());
        metrics.register(outcomes.clone());
        let retirement = Retirement::start();
        let (unchanged_keys, orphans) = (Vec::new(), Vec::new());
        let kept = aside.iter().map(|aside| aside.made.clone()).collect();
        let aside = aside.iter().map(|why| Aside::new(why, &sources, &files)).collect();
        let faults = settings.faults.clone();
        let held = Held { world, sources, is_quiet: true, aside: kept, slots, faults, unchanged_keys: Vec::new() };
        let control = Self {
            files,
            on_loopback,
            declared,
            settings,
            adjust: Adjust::new(adjust),
            listeners: OnceLock::new(),
            random_secret,
            published,
            metrics,
            outcomes,
            retirement,
            completion: Completion::default(),
            files_digest: Mutex::new(digest.map(Digest)),
            flapping: Flapping::default(),
            held: Mutex::new(held),
        };
        let way = Way::Whole;
        Ok((control, Loaded { generation, counts, way, warnings, unchanged_keys, orphans, loopback, aside }))
    }

    /// The published snapshot.
    pub fn published(&self) -> &Arc<Published> {
        &self.published
    }

    /// The metrics and the health of the server.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// The secret of cookies that is used if the configuration has none.
    pub fn cookie_secret(&self) -> &CookieSecrets {
        &self.random_secret
    }

    /// The settings that the server was started with.
    pub fn settings(&self) -> &ServerSettings {
        &self.settings
    }

    /// Lets reloads open and close listeners and change their rules, as the files say.
    pub fn serve_by(&self, listeners: Arc<dyn Listeners>) {
        // The first value stays.
        let _ = self.listeners.set(listeners);
    }

    /// The listeners by number; `None` for one that is gone.
    pub fn listening(&self) -> Vec<Option<Listen>> {
        self.hold().slots.all().to_vec()
    }

    /// The addresses of listeners by number; `None` for one that is gone.
    pub fn addresses(&self) -> Vec<Option<SocketAddr>> {
        self.listeners.get().map_or_else(Vec::new, |listeners| listeners.addresses())
    }

    /// Applies changes of the management API, all or none, and publishes the result. After all checks and before publication
    /// `commit` is called; if it fails, nothing changes. Not for a thread that serves.
    ///
    /// # Errors
    /// See [`ApplyError`]; then the published snapshot stays.
    pub fn apply<E>(
        &self,
        changes: Vec<Change>,
        commit: impl FnOnce() -> Result<(), E>,
    ) -> Result<Applied, ApplyError<E>> {
        self.apply_held(&mut self.hold(), changes, commit)
    }

    fn apply_held<E>(
        &self,
        held: &mut Held,
        changes: Vec<Change>,
        commit: impl FnOnce() -> Result<(), E>,
    ) -> Result<Applied, ApplyError<E>> {
        let Held { world, sources, slots, .. } = held;
        let begins_link = changes.iter().any(Change::begins_link);
        let finish = |snapshot| self.finish(snapshot, slots).map_err(ApplyError::from);
        let applied = world.apply_with(changes, finish, || commit().map_err(ApplyError::Commit));
        let applied = applied.map_err(|error| error.placed(sources, &self.files))?;
        held.is_quiet &= held.world.is_quiet();
        self.retirement.retire(self.published.swap(held.world.snapshot().clone()));
        if begins_link {
            self.completion.look();
        }
        Ok(applied)
    }

    /// What declares an item: the management API, or a file at this place; `None` if it is not declared.
    pub fn declared(&self, item: &Item) -> Option<DeclaredBy> {
        let held = self.hold();
        let origin = held.world.declared(item)?;
        Some(match held.world.is_made(item) {
            true => DeclaredBy::Api,
            false => DeclaredBy::File(held.sources.place(&self.files, item, origin)),
        })
    }

    fn hold(&self) -> MutexGuard<'_, Held> {
        // A panic has published nothing, so the world is unchanged.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds what does not follow from the topology to a snapshot that was compiled as a whole.
    fn finish(&self, snapshot: Snapshot, slots: &Slots) -> Result<Snapshot, LoadError> {
        let gone = gone_endpoints(&snapshot).count();
        if gone > MAX_GONE {
            return Err(LoadError::Gone(gone));
        }
        let snapshot = snapshot.with_network_slots(|name| self.metrics.networks().slot(name));
        Ok(designated(snapshot, slots).map_err(Refused::Compile)?)
    }

    fn publish(&self, held: &Held, way: Way, warnings: Problems) -> Loaded {
        let snapshot = held.world.snapshot();
        let (generation, counts, orphans) = (snapshot.generation(), snapshot.counts(), orphans(snapshot, &held.slots));
        self.retirement.retire(self.published.swap(snapshot.clone()));
        if snapshot.faults().is_some() || !held.world.disconnected().is_empty() {
            self.flapping.look();
        }
        self.completion.look();
        let (unchanged_keys, loopback) = (held.unchanged_keys.clone(), LoopbackClients::default());
        Loaded { generation, counts, way, warnings, unchanged_keys, orphans, loopback, aside: Vec::new() }
    }
}

/// Counts of reloads by outcome.
#[derive(Debug, Default)]
struct Outcomes {
    published: AtomicU64,
    refused: AtomicU64,
}

impl Outcomes {
    fn count(&self, is_published: bool) {
        let count = if is_published { &self.published } else { &self.refused };
        count.fetch_add(1, Ordering::Relaxed);
    }
}

impl Collector for Outcomes {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Reloads by outcome";
        let mut family = encoder.encode_descriptor("reloads", help, None, MetricType::Counter)?;
        for (outcome, count) in [("published", &self.published), ("refused", &self.refused)] {
            let count = ConstCounter::new(count.load(Ordering::Relaxed));
            count.encode(family.encode_family(&[("outcome", outcome)])?)?;
        }
        Ok(())
    }
}

fn random_secret() -> Result<CookieSecrets, LoadError> {
    let mut secret = [0; 16];
    getrandom::fill(&mut secret).map_err(LoadError::Random)?;
    Ok(CookieSecrets::new(secret, None))
}

fn cookie_secrets(cookies: DnsCookies, random: &CookieSecrets) -> Option<CookieSecrets> {
    match cookies {
        DnsCookies::Off => None,
        DnsCookies::Random => Some(random.clone()),
        DnsCookies::Secrets(secrets) => Some(secrets),
    }
}

/// Announces the encrypted listeners of some settings in a snapshot, if the settings want it. The certificates of the snapshot
/// provide their names.
///
/// # Errors
/// There are too many listeners.
pub fn with_designations(snapshot: Snapshot, settings: &ServerSettings) -> Result<Snapshot, CompileError> {
    designated(snapshot, &Slots::new(settings))
}

/// A snapshot with the faults that some settings declare.
pub fn with_declared_faults(snapshot: Snapshot, settings: &ServerSettings) -> Snapshot {
    let live = |fault: &Fault| Live::new(fault.clone(), true, Instant::now());
    snapshot.with_faults(settings.faults.seed, settings.faults.declared.iter().map(live))
}

fn designated(snapshot: Snapshot, slots: &Slots) -> Result<Snapshot, CompileError> {
    let mut all: Vec<Designation> = Vec::new();
    for (id, listen) in slots.iter().filter(|_| slots.are_designated) {
        let (Some(encryption), address) = (&listen.encryption, listen.address.socket) else { continue };
        let name = snapshot.certificate(id).and_then(|certificate| certificate.first_name());
        let Some(name) = name.and_then(|name| name.to_string().parse().ok()) else { continue };
        if address.port() == 0 {
            continue;
        }
        let (protocol, path) = match &encryption.transport {
            EncryptedTransport::Tls => ("dot", None),
            EncryptedTransport::Https { path } => ("h2", Some(path)),
            EncryptedTransport::Http3 { path } => ("h3", Some(path)),
            EncryptedTransport::Quic => ("doq", None),
        };
        let designation = Designation {
            network: listen.virtual_network.clone(),
            name,
            address: Some(address.ip()).filter(|address| !address.is_unspecified()),
            port: address.port(),
            protocols: vec![protocol],
            path: path.cloned(),
        };
        // HTTP/2 and HTTP/3 on the same port are announced as one service.
        let is_same = |known: &&mut Designation| {
            Designation { protocols: known.protocols.clone(), ..designation.clone() } == **known
        };
        match all.iter_mut().find(is_same) {
            Some(known) => known.protocols.push(protocol),
            None => all.push(designation),
        }
    }
    snapshot.with_designations(&all)
}

fn identity(settings: &ServerSettings) -> Identity {
    if settings.chaos == Chaos::Off {
        return Identity::default();
    }
    // An ID that was written into the configuration is for everybody.
    let tells_strangers = settings.chaos == Chaos::Everybody || settings.id.is_some();
    let id = settings.id.clone().unwrap_or_else(|| gethostname::gethostname().to_string_lossy().into_owned());
    Identity { version: Some(concat!("vnetdns ", env!("CARGO_PKG_VERSION")).to_owned()), id: Some(id), tells_strangers }
}
