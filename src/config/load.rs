//! Loads a configuration and everything that it names.

use std::collections::BTreeSet;
use std::mem;
use std::sync::{Arc, LazyLock};

use zeroize::Zeroizing;

use super::imported::{self, Text};
use super::mirror::ServiceType;
use super::problem::{Place, Places, Problem, Problems, Source};
use super::read::Mirror;
use super::read_ahead::ReadAhead;
use super::sources::FilesRead;
use super::{
    Certificates, DnsCookies, Files, LoopbackClients, ServerSettings, Sources, declare, digest, key_file, loopback,
    read,
};
use crate::azure::{Allocations, Catalogue, Declaration, Finding, Made, ResourceId, Service, Topology};
use crate::codes::{Code, Severity};
use crate::world::{Layered, LayeredDeclaration};

/// The embedded catalogue, parsed once.
static EMBEDDED: LazyLock<Arc<Catalogue>> = LazyLock::new(|| Arc::new(Catalogue::embedded()));

/// A configuration that can be served.
#[derive(Debug)]
pub struct Config {
    /// The settings of the server.
    pub server: ServerSettings,
    /// The certificates of its listeners.
    pub certificates: Certificates,
    /// The settings of DNS cookies.
    pub cookies: DnsCookies,
    /// What is declared, checked and derived.
    pub topology: Topology,
    /// The services that are known, including those declared in the configuration.
    pub catalogue: Arc<Catalogue>,
    /// Advice: what is legal but probably not intended.
    pub warnings: Problems,
    /// The places of what is declared.
    pub places: Places,
}

/// A configuration that was read but not checked.
#[derive(Debug)]
pub struct Read {
    server: ServerSettings,
    certificates: Certificates,
    cookies: DnsCookies,
    pub(super) declaration: Declaration,
    catalogue: Arc<Catalogue>,
    problems: Problems,
    places: Places,
    pub(super) files_read: FilesRead,
    /// The clients on this host that networks were given.
    loopback: Option<LoopbackClients>,
}

/// A configuration that was read, with the layer of the management API.
#[derive(Debug)]
#[expect(missing_docs, reason = "as those of Config")]
pub struct ReadLayers {
    pub server: ServerSettings,
    pub certificates: Certificates,
    pub cookies: DnsCookies,
    pub layers: LayeredDeclaration,
    pub catalogue: Arc<Catalogue>,
    /// The digest of what files declare, for comparison between replicas.
    pub digest: Option<[u8; 32]>,
    problems: Problems,
    places: Places,
    files_read: FilesRead,
    loopback: Option<LoopbackClients>,
}

/// What is known of a configuration that is being served.
#[derive(Debug)]
#[expect(missing_docs, reason = "as those of LayeredConfig")]
pub struct Description {
    pub warnings: Problems,
    pub sources: Sources,
    pub loopback: LoopbackClients,
}

/// A checked configuration with the layer of the management API: see [`Config`].
#[derive(Debug)]
#[expect(missing_docs, reason = "as those of Config")]
pub struct LayeredConfig {
    pub server: ServerSettings,
    pub certificates: Certificates,
    pub cookies: DnsCookies,
    pub layered: Layered,
    pub catalogue: Arc<Catalogue>,
    pub warnings: Problems,
    /// The files that it was read from.
    pub sources: Sources,
    /// The clients on this host that networks were given.
    pub loopback: LoopbackClients,
    /// The digest of what files declare, for comparison between replicas.
    pub digest: Option<[u8; 32]>,
}

/// Reads, checks and derives a configuration.
///
/// # Errors
/// All problems, including warnings, if at least one is an error.
pub fn load(files: &Files) -> Result<Config, Problems> {
    load_after(files, &Allocations::default())
}

/// As [`load`]; private endpoints keep the addresses that they were allocated in `before`.
///
/// # Errors
/// As for [`load`].
pub fn load_after(files: &Files, before: &Allocations) -> Result<Config, Problems> {
    load_with(files, before, |_| ()).map(|(config, ())| config)
}

/// As [`load_after`]; each network without clients in 127.0.0.0/8 is given some.
///
/// # Errors
/// As for [`load`].
pub fn load_on_loopback(files: &Files, before: &Allocations) -> Result<(Config, LoopbackClients), Problems> {
    let (config, clients) = load_with(files, before, loopback::give)?;
    let example = loopback::example(&config.topology);
    Ok((config, LoopbackClients { example, ..clients }))
}

/// The service declared by a `[[private_link_service_type]]`.
fn service(declared: &ServiceType) -> Service {
    let resource_type = declared.resource_type.get_ref().clone();
    Service {
        cloud: declared.cloud.clone().unwrap_or_else(|| "global".to_owned()),
        title: declared.title.clone().unwrap_or_else(|| resource_type.clone()),
        resource_type,
        group_id: declared.group_id.clone(),
        each: declared.each.clone(),
        skus: declared.skus.clone(),
        scope: declared.scope.clone(),
        defaults: declared.defaults.clone(),
        by_region: declared.by_region.clone(),
        assigned: declared.assigned.clone(),
        lists: declared.lists.clone(),
        source: None,
        unverified: None,
        members: declared.member.clone(),
    }
}

/// The identities of all resources in a configuration, and whether an address of each is unknown.
///
/// # Errors
/// As for [`load`].
pub fn resources(files: &Files) -> Result<Vec<(ResourceId, bool)>, Problems> {
    load_with(files, &Allocations::default(), |declaration| declaration.resources()).map(|(_, resources)| resources)
}

/// Reads a configuration, without checks that need everything that is declared. Private endpoints keep the addresses that they
/// were allocated in `before`. With `on_loopback`, each network without clients in 127.0.0.0/8 is given some.
///
/// # Errors
/// The configuration cannot be read.
pub fn read_files(files: &Files, before: &Allocations, on_loopback: bool) -> Result<Read, Problems> {
    let look = |declaration: &mut Declaration| on_loopback.then(|| loopback::give(declaration));
    let (read, loopback) = read_with(files, before, look)?;
    Ok(Read { loopback, ..read })
}

/// Loads a configuration; `look` can read or extend the declaration before it is checked.
fn load_with<T>(
    files: &Files,
    before: &Allocations,
    look: impl FnOnce(&mut Declaration) -> T,
) -> Result<(Config, T), Problems> {
    let (read, seen) = read_with(files, before, look)?;
    Ok((read.check()?, seen))
}

fn read_with<T>(
    files: &Files,
    before: &Allocations,
    look: impl FnOnce(&mut Declaration) -> T,
) -> Result<(Read, T), Problems> {
    let mut problems = Problems::default();
    let text = imported::text(files, &mut problems)?;
    read_text(files, text, problems, before, look)
}

/// Loads a text, about which there may already be problems.
pub(super) fn load_text(files: &Files, text: Text, problems: Problems) -> Result<Config, Problems> {
    let (read, ()) = read_text(files, text, problems, &Allocations::default(), |_| ())?;
    read.check()
}

fn read_text<T>(
    files: &Files,
    text: Text,
    mut problems: Problems,
    before: &Allocations,
    look: impl FnOnce(&mut Declaration) -> T,
) -> Result<(Read, T), Problems> {
    let Text { path, file, text, origins, is_imported } = text;
    // A refused text may be another file, with a secret.
    let mut text = Zeroizing::new(text);
    if key_file::is_one(&text) {
        // The TOML parser makes copies of the text, which nothing wipes.
        let mend = "give the path of a configuration file, which names this one: [[tsig_key]] file = \"FILE\"";
        problems.report(Code::NotAConfiguration, Place::file(&file), "a key, not a configuration", mend);
        return Err(problems);
    }
    let mut places = Places::default();
    let source = Source::new(file, text.as_bytes()).with_origins(origins);
    let mirror = read::read(&source, &text, &mut problems);
    let named = |file: &str| Files::relative(&path, file);
    let (read_ahead, mut catalogue) = ReadAhead::new(&mirror, files, named, || EMBEDDED.clone());
    for service_type in &mirror.service_types {
        let at = service_type.value.resource_type.span().start;
        if let Err((what, mend)) = Arc::make_mut(&mut catalogue).declare(service(&service_type.value)) {
            problems.report(Code::BadServiceType, source.place(at), what, mend);
        }
    }
    let allow = allowed(&mirror, &source, &mut problems);
    problems.allow(allow);
    let mut declarer = declare::Declarer::new(&mirror, &catalogue, files, &path, &source, &mut places, &mut problems);
    declarer.read_ahead = read_ahead;
    let mut server = declarer.server(&mirror.server);
    server.metrics = mirror.metrics.as_ref().and_then(|metrics| declarer.metrics(&metrics.value));
    server.management = mirror.management.as_ref().and_then(|management| declarer.management(&management.value));
    if server.management.is_some() && server.state.is_none() {
        server.state = Some(Files::relative(&path, declare::management::DEFAULT_STATE));
    }
    server.dnstap = mirror.dnstap.as_ref().and_then(|dnstap| declarer.dnstap(dnstap));
    let faults = mirror.faults.as_ref().map(|faults| declarer.faults(&faults.value));
    let cookies = declarer.cookies(&mirror.server);
    let mut declaration = declarer.declaration(mirror);
    let (zone_files, secrets, includes) = (declarer.zone_files, declarer.secrets, declarer.includes);
    let certificates = declarer.certificates;
    // Other resources may refer to what could not be read.
    declaration.incomplete = problems.has_errors();
    if let Some((faults, places)) = faults {
        if !declaration.incomplete {
            places.check(&faults, &declaration, &source, &mut problems);
        }
        server.faults = faults;
    }
    declaration.allocations.clone_from(before);
    let paths: BTreeSet<_> = zone_files.iter().map(|file| &file.path).collect();
    let has_deleted = declaration.private_endpoints.iter().any(|endpoint| endpoint.deleted || endpoint.was_approved);
    let is_comparable = !is_imported && !includes && !has_deleted && paths.len() == zone_files.len();
    let seen = look(&mut declaration);
    let config = Zeroizing::new(mem::take(&mut *text));
    let files_read = FilesRead::new(config, zone_files, secrets, is_comparable, &declaration);
    let loopback = None;
    Ok((Read { server, certificates, cookies, declaration, catalogue, problems, places, files_read, loopback }, seen))
}

impl Read {
    /// Checks what is declared, and derives what follows from it.
    ///
    /// # Errors
    /// All problems, including warnings, if at least one is an error.
    pub fn check(self) -> Result<Config, Problems> {
        let Self { server, certificates, cookies, declaration, catalogue, mut problems, places, .. } = self;
        let checked = Topology::new(declaration, &catalogue);
        let (topology, _) = found(checked, &mut problems, &places)?;
        Ok(Config { server, certificates, cookies, topology, catalogue, warnings: problems, places })
    }

    /// The settings of the server.
    pub fn server(&self) -> &ServerSettings {
        &self.server
    }

    /// Adds the layer of the management API.
    pub fn with_layer(self, made: Made) -> ReadLayers {
        let Self { server, certificates, cookies, declaration, catalogue, problems, places, files_read, loopback } =
            self;
        let compares = server.management.as_ref().is_some_and(|management| management.etcd.is_some());
        let digest = compares.then(|| digest::digest(&files_read, &declaration));
        let layers = LayeredDeclaration::new(declaration, made);
        ReadLayers { server, certificates, cookies, layers, catalogue, digest, problems, places, files_read, loopback }
    }

    /// Whether it is refused already, whatever it declares.
    pub fn has_errors(&self) -> bool {
        self.problems.has_errors()
    }
}

impl ReadLayers {
    /// As [`Read::check`].
    ///
    /// # Errors
    /// As for [`Read::check`].
    pub fn check(self) -> Result<LayeredConfig, Problems> {
        let Self {
            server,
            certificates,
            cookies,
            layers,
            catalogue,
            digest,
            mut problems,
            places,
            files_read,
            loopback,
        } = self;
        let layered = layers.derive(&catalogue).map(|mut layered| {
            let findings = mem::take(&mut layered.findings);
            (layered, findings)
        });
        let (layered, is_quiet) = found(layered, &mut problems, &places)?;
        let sources = Sources::new(files_read, places, &problems, is_quiet, layered.topology());
        let loopback = clients_of(loopback, layered.topology());
        let warnings = problems;
        Ok(LayeredConfig { server, certificates, cookies, layered, catalogue, warnings, sources, loopback, digest })
    }

    /// The warnings and sources of the configuration, whose topology is being served. Unless `is_quiet`, the declaration is
    /// derived again to find advice.
    ///
    /// # Errors
    /// All problems, if at least one is an error: then the topology is not that of this configuration.
    pub fn describe(self, topology: &Topology, is_quiet: bool) -> Result<Description, Problems> {
        let Self { layers, catalogue, mut problems, places, files_read, loopback, .. } = self;
        let derived = match is_quiet {
            true => Ok(((), Vec::new())),
            false => layers.derive(&catalogue).map(|layered| ((), layered.findings)),
        };
        let ((), is_quiet) = found(derived, &mut problems, &places)?;
        let sources = Sources::new(files_read, places, &problems, is_quiet, topology);
        Ok(Description { warnings: problems, sources, loopback: clients_of(loopback, topology) })
    }

    /// Whether it is refused already, whatever it declares.
    pub fn has_errors(&self) -> bool {
        self.problems.has_errors()
    }
}

fn clients_of(loopback: Option<LoopbackClients>, topology: &Topology) -> LoopbackClients {
    let with_example = |clients| LoopbackClients { example: loopback::example(topology), ..clients };
    loopback.map_or_else(LoopbackClients::default, with_example)
}

/// Adds findings to the problems; also returns whether there were none.
fn found<T>(
    checked: Result<(T, Vec<Finding>), Vec<Finding>>,
    problems: &mut Problems,
    places: &Places,
) -> Result<(T, bool), Problems> {
    let (checked, findings) = match checked {
        Ok((checked, findings)) => (Some(checked), findings),
        Err(findings) => (None, findings),
    };
    let is_quiet = findings.is_empty();
    for Finding { code, origin, what, mend } in findings {
        problems.push(Problem { code, place: places.place(origin), what, mend });
    }
    *problems = mem::take(problems).sorted();
    match checked.filter(|_| !problems.has_errors()) {
        Some(checked) => Ok((checked, is_quiet)),
        None => Err(mem::take(problems)),
    }
}

/// The codes of warnings that the configuration allows.
fn allowed(mirror: &Mirror, source: &Source<'_>, problems: &mut Problems) -> Vec<Code> {
    let mut codes = Vec::new();
    for text in &mirror.check.allow {
        let mend = "write the codes of warnings, for instance allow = [\"VN509\"]";
        let what = match text.get_ref().parse::<Code>() {
            Ok(code) if code.severity() == Severity::Warning => {
                codes.push(code);
                continue;
            }
            Ok(code) => format!("{code} ({}) is an error, and warnings alone can be allowed", code.name()),
            Err(error) => error.to_string(),
        };
        problems.report(Code::BadAllow, source.place(text.span().start), what, mend);
    }
    codes
}
