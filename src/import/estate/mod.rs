//! Writes joined resources as a topology in TOML, grouped and commented, and collects the remarks about it.

mod endpoints;
mod forwarding;
mod machines;
mod networks;
mod services;
mod zones;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::join::{Joined, Resources, parse};
use super::toml::{Toml, quoted};
use super::{Import, LeftOut, Mistake, Options, Place};
use crate::azure::{Catalogue, Directory, Kind, ResourceGroup, ResourceId, Subscription};
use networks::Networks;
use services::Services;
use zones::Zones;

/// Azure types that affect DNS or addresses, and are read here or with their parents.
const READ: [&str; 24] = [
    "microsoft.network/virtualnetworks",
    "microsoft.network/virtualnetworks/subnets",
    "microsoft.network/privateendpoints",
    "microsoft.network/privateendpoints/privatednszonegroups",
    "microsoft.network/networkinterfaces",
    "microsoft.network/privatednszones",
    "microsoft.network/privatednszones/virtualnetworklinks",
    "microsoft.network/privatednszones/a",
    "microsoft.network/privatednszones/aaaa",
    "microsoft.network/privatednszones/cname",
    "microsoft.network/privatednszones/mx",
    "microsoft.network/privatednszones/ptr",
    "microsoft.network/privatednszones/soa",
    "microsoft.network/privatednszones/srv",
    "microsoft.network/privatednszones/txt",
    "microsoft.network/dnsresolvers",
    "microsoft.network/dnsresolvers/inboundendpoints",
    "microsoft.network/dnsforwardingrulesets",
    "microsoft.network/dnsforwardingrulesets/forwardingrules",
    "microsoft.network/dnsforwardingrulesets/virtualnetworklinks",
    "microsoft.network/privatelinkservices",
    "microsoft.compute/virtualmachines",
    "microsoft.dashboard/grafana/managedprivateendpoints",
    "microsoft.insights/privatelinkscopes/scopedresources",
];
/// The types of DNS security policies.
const READ_POLICIES: [&str; 4] = [
    "microsoft.network/dnsresolverpolicies",
    "microsoft.network/dnsresolverpolicies/dnssecurityrules",
    "microsoft.network/dnsresolverpolicies/virtualnetworklinks",
    "microsoft.network/dnsresolverdomainlists",
];

/// The types that are read, in lower case.
pub(super) fn types(catalogue: &Catalogue) -> BTreeSet<String> {
    let services = catalogue.services().iter().map(|service| service.resource_type.to_ascii_lowercase());
    services.chain(READ.into_iter().chain(READ_POLICIES).map(str::to_owned)).collect()
}

/// Most lines of one kind in the header of the text.
const MOST_IN_HEAD: usize = 100;

/// The state that all parts of one import share.
struct Estate<'a> {
    resources: &'a Resources,
    catalogue: &'a Catalogue,
    options: &'a Options,
    /// Every resource that the text declares, and those that the other configuration declares.
    directory: Directory,
    /// The subscription declared at the top of the text; `None` if the text is appended to another configuration.
    subscription: Option<Subscription>,
    left_out: Vec<LeftOut>,
    notes: Vec<String>,
    unknown: Vec<LeftOut>,
    doubts: Vec<LeftOut>,
    /// Resources that the other configuration declares.
    beside: HashSet<&'a ResourceId>,
    passed_over: BTreeMap<String, usize>,
}

/// Writes the topology.
///
/// # Errors
/// If an option matches nothing in the files.
pub(super) fn write(
    resources: &Resources,
    files: &[Arc<str>],
    options: &Options,
    catalogue: &Catalogue,
) -> Result<Import, Vec<Mistake>> {
    let subscription = options.beside.is_none().then(|| most_frequent_subscription(resources));
    let default = match (&options.beside, &subscription) {
        (Some(beside), _) => beside.default.clone(),
        (None, subscription) => {
            let subscription = subscription.clone().unwrap_or_default();
            ResourceGroup::new(subscription, ResourceGroup::DEFAULT).expect("a constant")
        }
    };
    let mut estate = Estate {
        resources,
        catalogue,
        options,
        directory: Directory::new(default),
        subscription,
        left_out: resources.left_out.clone(),
        notes: resources.notes.clone(),
        unknown: Vec::new(),
        doubts: Vec::new(),
        beside: options.beside.iter().flat_map(|beside| &beside.declared).collect(),
        passed_over: resources.passed_over.clone(),
    };
    for id in options.beside.iter().flat_map(|beside| &beside.declared) {
        estate.directory.insert(id);
    }
    let mut networks = Networks::collect(&mut estate)?;
    let machines = machines::collect(&mut estate, &mut networks);
    let mut zones = Zones::collect(&mut estate, &mut networks, &machines::names(&machines));
    let services = Services::collect(&mut estate, &mut networks, &mut zones);
    let forwarding = forwarding::Forwarding::collect(&mut estate, &mut networks);
    zones.registration(&mut estate, &machines::networks(&machines));
    estate.count_others();
    for id in networks.ids().chain(zones.ids()).chain(services.ids()).chain(forwarding.ids()) {
        estate.directory.insert(id);
    }
    for list in [&mut estate.left_out, &mut estate.unknown, &mut estate.doubts] {
        list.sort();
        list.dedup();
    }
    let mut toml = Toml::default();
    estate.head(files, &networks, &mut toml);
    networks.write(&estate, &mut toml);
    machines::write(&machines, &estate, &mut toml);
    zones.write(&estate, &mut toml);
    services.write(&estate, &mut toml);
    forwarding.write(&estate, &mut toml);
    Ok(Import {
        text: toml.text,
        origins: toml.origins,
        asked: networks.asked(),
        left_out: estate.left_out,
        passed_over: estate.passed_over,
        notes: estate.notes,
        unknown: estate.unknown,
        doubts: estate.doubts,
    })
}

impl<'a> Estate<'a> {
    fn leave_out(&mut self, place: &Place, what: impl Into<String>, why: impl Into<String>) {
        self.left_out.push(LeftOut { place: place.clone(), what: what.into(), why: why.into() });
    }

    /// Notes a value that is declared as unknown.
    fn not_known(&mut self, place: &Place, what: impl Into<String>, why: impl Into<String>) {
        self.unknown.push(LeftOut { place: place.clone(), what: what.into(), why: why.into() });
    }

    /// Parses the ID of a resource that another one refers to; an invalid ID is noted with the referring resource.
    fn reference(&mut self, from: &Joined, what: &str, id: Option<&str>) -> Option<ResourceId> {
        let subscription = from.id.resource_group().subscription().to_string();
        let id = id?;
        match parse(id, &subscription) {
            Ok(id) => Some(id),
            Err(error) => {
                let why = format!("the ID of its {what} cannot be read: {error}");
                self.leave_out(&from.places[0], from.id.names(), why);
                None
            }
        }
    }

    /// Whether the other configuration declares the resource.
    fn is_declared_beside(&self, id: &ResourceId) -> bool {
        self.beside.contains(id)
    }

    /// The shortest unambiguous reference to a resource.
    fn label(&self, id: &ResourceId) -> String {
        let means_it =
            |reference: &String| self.directory.find(Kind::of(id), reference, |_| true).is_ok_and(|found| found == *id);
        let name = id.names();
        let references = [name.to_owned(), format!("{}/{name}", id.resource_group().name())];
        let short = references.into_iter().filter(|_| !name.contains('/')).find(means_it);
        short.unwrap_or_else(|| self.directory.label(id))
    }

    fn quoted_label(&self, id: &ResourceId) -> String {
        quoted(&self.label(id))
    }

    /// Writes `name`, and where the resource is.
    fn identity(&self, id: &ResourceId, name: &str, toml: &mut Toml) {
        toml.key("name", &quoted(name));
        let group = id.resource_group();
        if self.subscription.as_ref() != Some(group.subscription()) {
            toml.key("subscription", &quoted(&group.subscription().to_string()));
        }
        toml.key("resource_group", &quoted(group.name()));
    }

    /// Writes the header: which files the text is from, and what it leaves out.
    fn head(&self, files: &[Arc<str>], networks: &Networks, toml: &mut Toml) {
        let names: Vec<_> = files.iter().map(|file| &**file).collect();
        toml.from(names.join(", "));
        toml.comment(&format!("Imported by vnetdns {} from {}", env!("CARGO_PKG_VERSION"), names.join(", ")));
        for asked in networks.asked() {
            toml.comment("");
            toml.comment(&format!(
                "The address space of {} is in none of the files: write it below, or import with --network {}=PREFIX",
                asked.id, asked.id
            ));
        }
        for (title, list) in [
            ("Left out:", &self.left_out),
            ("Declared, with a value that is not known:", &self.unknown),
            ("In doubt:", &self.doubts),
        ] {
            if list.is_empty() {
                continue;
            }
            toml.comment("");
            toml.comment(title);
            for LeftOut { place, what, why } in list.iter().take(MOST_IN_HEAD) {
                toml.comment(&format!("  {place}: {what}: {why}"));
            }
            if list.len() > MOST_IN_HEAD {
                toml.comment(&format!("  and {} more, which `vnetdns import` prints", list.len() - MOST_IN_HEAD));
            }
        }
        for note in &self.notes {
            toml.comment("");
            toml.comment(note);
        }
        if let Some(subscription) = &self.subscription {
            toml.gap();
            toml.key("subscription", &quoted(&subscription.to_string()));
        }
    }

    /// Counts resources of types that are not read.
    fn count_others(&mut self) {
        let types = types(self.catalogue);
        for resource in &self.resources.all {
            if !types.contains(&resource.kind) {
                *self.passed_over.entry(resource.id.resource_type().to_owned()).or_default() += 1;
            }
        }
    }
}

/// `# FILE: ADDRESS`; several places are separated by `; `.
fn places(places: &[Place]) -> String {
    let places: Vec<_> = places.iter().map(ToString::to_string).collect();
    places.join("; ")
}

/// Writes a heading above a group of resources.
fn heading(title: &str, toml: &mut Toml) {
    toml.gap();
    toml.comment(&format!("--- {title} ---"));
}

/// The subscription of most resources.
fn most_frequent_subscription(resources: &Resources) -> Subscription {
    let mut counts: HashMap<String, (usize, &Subscription)> = HashMap::new();
    for resource in &resources.all {
        let subscription = resource.id.resource_group().subscription();
        counts.entry(subscription.to_string().to_ascii_lowercase()).or_insert((0, subscription)).0 += 1;
    }
    let most = counts.into_iter().max_by(|(a, (m, _)), (b, (n, _))| (m, b).cmp(&(n, a)));
    most.map(|(_, (_, subscription))| subscription.clone()).unwrap_or_default()
}
