//! Reads a configuration and everything that it names.

use std::collections::BTreeSet;
use std::mem;
use std::sync::{Arc, LazyLock};

use zeroize::Zeroizing;

use super::imported::{self, Text};
use super::mirror::ServiceType;
use super::problem::{Place, Places, Problem, Problems, Source};
use super::read_ahead::ReadAhead;
use super::{
    Certificates, DnsCookies, Files, LoopbackClients, ServerSettings, Sources, declare, key_file, loopback, read,
};
use crate::azure::{Allocations, Catalogue, Declaration, Finding, ResourceId, Service, Topology};
use crate::codes::Code;

/// The catalogue that is part of the program, read once.
static EMBEDDED: LazyLock<Arc<Catalogue>> = LazyLock::new(|| Arc::new(Catalogue::embedded()));

/// A configuration that can be served.
#[derive(Debug)]
pub struct Config {
    /// How the server runs.
    pub server: ServerSettings,
    /// What its listeners show of themselves.
    pub certificates: Certificates,
    /// Whether it gives DNS cookies.
    pub cookies: DnsCookies,
    /// What it serves.
    pub topology: Topology,
    /// The services that are known, those that the configuration declares among them.
    pub catalogue: Arc<Catalogue>,
    /// What is legal but may not be meant.
    pub warnings: Problems,
    /// Where what is declared stands.
    pub places: Places,
    /// What it was read from; `None` where the files are not all there is to compare, as one includes others or is
    /// that of two zones, or a deleted endpoint takes records away.
    pub sources: Option<Sources>,
}

/// Reads, checks and derives.
///
/// # Errors
/// Every problem that was found, warnings included, where at least one is an error.
pub fn load(files: &Files) -> Result<Config, Problems> {
    load_after(files, &Allocations::default())
}

/// As [`load`], where private endpoints had been given these addresses before: they keep them.
///
/// # Errors
/// As for [`load`].
pub fn load_after(files: &Files, before: &Allocations) -> Result<Config, Problems> {
    load_with(files, before, |_| ()).map(|(config, ())| config)
}

/// As [`load_after`], with clients in 127.0.0.0/8 for each network that has none there.
///
/// # Errors
/// As for [`load`].
pub fn load_on_loopback(files: &Files, before: &Allocations) -> Result<(Config, LoopbackClients), Problems> {
    let (config, clients) = load_with(files, before, loopback::give)?;
    let example = loopback::example(&config);
    Ok((config, LoopbackClients { example, ..clients }))
}

/// The service that a `[[private_link_service_type]]` declares.
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

/// The identities of all resources that a configuration declares, and whether an address of theirs is not known.
///
/// # Errors
/// As for [`load`].
pub fn resources(files: &Files) -> Result<Vec<(ResourceId, bool)>, Problems> {
    load_with(files, &Allocations::default(), |declaration| declaration.resources()).map(|(_, resources)| resources)
}

/// Loads, and looks at the declaration before it is checked, or adds to it.
fn load_with<T>(
    files: &Files,
    before: &Allocations,
    look: impl FnOnce(&mut Declaration) -> T,
) -> Result<(Config, T), Problems> {
    let mut problems = Problems::default();
    let text = imported::text(files, &mut problems)?;
    load_text(files, text, problems, before, look)
}

/// Loads a text, about which there may be something to say already.
pub(super) fn load_text<T>(
    files: &Files,
    text: Text,
    mut problems: Problems,
    before: &Allocations,
    look: impl FnOnce(&mut Declaration) -> T,
) -> Result<(Config, T), Problems> {
    let Text { path, file, text, origins, is_imported } = text;
    // What is refused may be another file, with a secret.
    let mut text = Zeroizing::new(text);
    if key_file::is_one(&text) {
        // What reads TOML makes copies of it, which nothing wipes.
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
    let mut declarer = declare::Declarer::new(&mirror, &catalogue, files, &path, &source, &mut places, &mut problems);
    declarer.read_ahead = read_ahead;
    let mut server = declarer.server(&mirror.server);
    server.metrics = mirror.metrics.as_ref().and_then(|metrics| declarer.metrics(&metrics.value));
    server.dnstap = mirror.dnstap.as_ref().and_then(|dnstap| declarer.dnstap(dnstap));
    let cookies = declarer.cookies(&mirror.server);
    let mut declaration = declarer.declaration(mirror);
    let (zone_files, secrets, includes) = (declarer.zone_files, declarer.secrets, declarer.includes);
    let certificates = declarer.certificates;
    // What could not be read may be what others refer to.
    declaration.incomplete = problems.has_errors();
    declaration.allocations.clone_from(before);
    let paths: BTreeSet<_> = zone_files.iter().map(|file| &file.path).collect();
    let has_deleted = declaration.private_endpoints.iter().any(|endpoint| endpoint.deleted || endpoint.was_approved);
    let is_comparable = !is_imported && !includes && !has_deleted && paths.len() == zone_files.len();
    let found = |finding: Finding| Problem {
        code: finding.code,
        place: places.place(finding.origin),
        what: finding.what,
        mend: finding.mend,
    };
    let seen = look(&mut declaration);
    match Topology::new(declaration, &catalogue) {
        Ok((topology, findings)) => {
            let is_quiet = findings.is_empty();
            findings.into_iter().map(found).for_each(|problem| problems.push(problem));
            let problems = problems.sorted();
            if problems.has_errors() {
                return Err(problems);
            }
            let warnings = problems.clone();
            let config = mem::take(&mut *text);
            let mut sources = Sources { config, zone_files, secrets, warnings, is_quiet };
            sources.assign_zones(&topology);
            let sources = is_comparable.then_some(sources);
            Ok((
                Config { server, certificates, cookies, topology, catalogue, warnings: problems, places, sources },
                seen,
            ))
        }
        Err(findings) => {
            findings.into_iter().map(found).for_each(|problem| problems.push(problem));
            Err(problems.sorted())
        }
    }
}
