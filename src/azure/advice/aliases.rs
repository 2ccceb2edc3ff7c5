//! Aliases that end nowhere, form a loop, or are too many in a chain, for at least one network.

use std::collections::{BTreeSet, HashMap};

use crate::azure::contents::{NetworkId, Scope, ZoneContents};
use crate::azure::declaration::RecordSet;
use crate::azure::finding::Finding;
use crate::azure::inventory::Inventory;
use crate::codes::Code;
use crate::dns::{MAX_ALIASES, Name, NameRef, RecordType, rdata};

/// Most aliases followed to detect a loop.
const MOST_STEPS: usize = 4 * MAX_ALIASES;

/// Reports them.
pub(super) fn advise(inventory: &Inventory, zones: &[ZoneContents], findings: &mut Vec<Finding>) {
    let chains = Chains::new(inventory, zones);
    let mut circles = BTreeSet::new();
    for (number, zone) in zones.iter().enumerate() {
        // Many resources share one public endpoint: one warning for it is enough.
        let mut reported = BTreeSet::new();
        for record_set in zone.record_sets.values().filter(|record_set| record_set.rtype == RecordType::CNAME) {
            let Some(target) = target(record_set) else { continue };
            let numbers = chains.covering(target);
            let covering: Vec<_> = numbers.iter().map(|number| &zones[*number]).collect();
            if let Some(whom) = dead_end(inventory, zone, target, &covering)
                && reported.insert(target.to_name())
            {
                findings.push(Finding::new(
                    Code::DanglingAlias,
                    record_set.origin,
                    format!("{} is an alias for {target}, which no zone holds {whom}", record_set.owner),
                    "they get the alias and no address; give the target an address, or a public zone that holds it",
                ));
            }
            // The target of most aliases is not an alias itself.
            if numbers.iter().any(|number| chains.alias(*number, target).is_some()) {
                findings.extend(chains.chain(number, record_set, target, &mut circles));
            }
        }
    }
}

fn target(record_set: &RecordSet) -> Option<NameRef<'_>> {
    rdata::target(record_set.rdatas.first()?)
}

/// All zones, indexed for following aliases.
struct Chains<'z> {
    inventory: &'z Inventory,
    zones: &'z [ZoneContents],
    by_apex: HashMap<NameRef<'z>, Vec<usize>, foldhash::fast::RandomState>,
    aliases: Vec<Aliases<'z>>,
}

/// The aliases of a zone.
struct Aliases<'z> {
    exact: HashMap<NameRef<'z>, &'z RecordSet, foldhash::fast::RandomState>,
    /// Whether names without records of their own may be aliases, through a wildcard or a DNAME record.
    has_made: bool,
}

/// Who sends the query.
#[derive(Clone)]
enum Askers {
    Outside,
    /// Clients of these networks, at least one.
    Networks(Vec<NetworkId>),
}

/// A chain of aliases, by the names asked.
type Path<'z> = Vec<(Name, &'z RecordSet)>;

/// What is wrong with a chain, and for whom.
enum Wrong<'z> {
    /// It returns to that place in the path.
    Circle(Path<'z>, usize, String),
    /// It is so long that the target of the last alias is not looked up.
    Long(String),
}

impl<'z> Chains<'z> {
    fn new(inventory: &'z Inventory, zones: &'z [ZoneContents]) -> Self {
        let mut by_apex: HashMap<_, Vec<_>, _> = HashMap::default();
        for (number, zone) in zones.iter().enumerate() {
            by_apex.entry(zone.apex.as_ref()).or_default().push(number);
        }
        let aliases = zones.iter().map(|zone| {
            let sets = || zone.record_sets.values();
            let of_type = |rtype| sets().filter(move |set| set.rtype == rtype);
            let is_wildcard = |set: &RecordSet| set.owner.as_ref().is_wildcard();
            Aliases {
                exact: of_type(RecordType::CNAME).map(|set| (set.owner.as_ref(), set)).collect(),
                has_made: of_type(RecordType::CNAME).any(is_wildcard) || of_type(RecordType::DNAME).next().is_some(),
            }
        });
        Self { inventory, zones, by_apex, aliases: aliases.collect() }
    }

    /// The zones that cover a name, longest apex first.
    fn covering(&self, name: NameRef<'_>) -> Vec<usize> {
        name.ancestors().filter_map(|apex| self.by_apex.get(&apex)).flatten().copied().collect()
    }

    /// If a name is an alias in a zone: its target, and the record set that makes it one.
    fn alias(&self, number: usize, name: NameRef<'_>) -> Option<(Name, &'z RecordSet)> {
        let Aliases { exact, has_made } = &self.aliases[number];
        let zone = &self.zones[number];
        if !exact.contains_key(&name) && !has_made {
            return None;
        }
        let within: Vec<_> = name.ancestors().take_while(|above| above.is_within(zone.apex.as_ref())).collect();
        let find = |owner: NameRef<'_>, rtype| zone.record_sets.get(&(owner.to_name(), rtype));
        let (_, above) = within.split_first()?;
        for above in above.iter().rev() {
            if *above != zone.apex.as_ref() && find(*above, RecordType::NS).is_some() {
                return None;
            }
            if let Some(dname) = find(*above, RecordType::DNAME) {
                return Some((name.with_suffix(*above, target(dname)?)?, dname));
            }
        }
        if let Some(set) = exact.get(&name) {
            return Some((target(set)?.to_name(), set));
        }
        let closest = within.iter().position(|name| zone.exists(*name))?;
        let wildcard = Name::relative("*", *within.get(closest).filter(|_| closest > 0)?).ok()?;
        let set = exact.get(&wildcard.as_ref())?;
        Some((target(set)?.to_name(), set))
    }

    /// Reports what is wrong with the chain that begins at a record set, unless it was reported for another one.
    fn chain(
        &self,
        number: usize,
        start: &'z RecordSet,
        target: NameRef<'_>,
        circles: &mut BTreeSet<Vec<Name>>,
    ) -> Option<Finding> {
        let askers = match &self.zones[number].scope {
            Scope::Public => Askers::Outside,
            Scope::Private { links, .. } => Askers::Networks(links.networks().collect()),
            Scope::Internal { networks } => Askers::Networks(networks.to_vec()),
        };
        let is_asked = !matches!(&askers, Askers::Networks(networks) if networks.is_empty());
        let path = vec![(start.owner.clone(), start)];
        match is_asked.then(|| self.follow(path, target.to_name(), askers))?? {
            Wrong::Circle(path, from, whom) => {
                let circle = &path[from..];
                let mut key: Vec<_> = circle.iter().map(|(_, set)| set.owner.clone()).collect();
                key.sort();
                let names: Vec<_> = circle.iter().chain(&circle[..1]).map(|(name, _)| name.to_string()).collect();
                let first = circle.iter().map(|(_, set)| *set).min_by_key(|set| &set.owner)?;
                circles.insert(key).then(|| {
                    let what = format!("aliases lead in a circle {whom}: {}", names.join(" → "));
                    Finding::new(
                        Code::CircularAlias,
                        first.origin,
                        what,
                        "an alias has to end at a name with data: correct one of the targets",
                    )
                })
            }
            Wrong::Long(whom) => Some(Finding::new(
                Code::LongAliasChain,
                start.origin,
                format!(
                    "{} is the first of {MAX_ALIASES} aliases in a chain {whom}: the target of the last is not looked up",
                    start.owner
                ),
                "shorten the chain",
            )),
        }
    }

    fn follow(&self, path: Path<'z>, name: Name, askers: Askers) -> Option<Wrong<'z>> {
        let is_too_long = path.len() == MAX_ALIASES;
        let everybody = self.whom(&askers);
        let deciding = self.deciding(name.as_ref(), askers);
        if deciding.is_empty() && is_too_long {
            return Some(Wrong::Long(everybody));
        }
        for (number, askers) in deciding {
            let Some((target, set)) = self.alias(number, name.as_ref()) else {
                if is_too_long {
                    return Some(Wrong::Long(self.whom(&askers)));
                }
                continue;
            };
            let seen = path.iter().position(|(asked, _)| *asked == name);
            if seen.is_some() || path.len() > MOST_STEPS {
                return Some(Wrong::Circle(path, seen.unwrap_or_default(), self.whom(&askers)));
            }
            let mut path = path.clone();
            path.push((name.clone(), set));
            let wrong = self.follow(path, target, askers);
            if wrong.is_some() {
                return wrong;
            }
        }
        None
    }

    fn whom(&self, askers: &Askers) -> String {
        let networks = match askers {
            Askers::Outside => return "for everyone".to_owned(),
            Askers::Networks(networks) => networks,
        };
        let label = networks.first().map_or("", |network| self.inventory.network_label(*network));
        format!("for clients of \"{label}\"")
    }

    /// The zones that decide about a name, and for whom.
    fn deciding(&self, name: NameRef<'_>, askers: Askers) -> Vec<(usize, Askers)> {
        let covering = self.covering(name);
        let are = |wanted: fn(&Scope) -> bool| {
            let covering = covering.iter().copied();
            covering.filter(move |number| wanted(&self.zones[*number].scope))
        };
        let public = || are(|scope| *scope == Scope::Public).next();
        let mut undecided = match askers {
            Askers::Outside => return public().map(|number| (number, Askers::Outside)).into_iter().collect(),
            Askers::Networks(networks) => networks,
        };
        let mut deciding = Vec::new();
        // Linked zones take precedence over internal ones; within each group, the longest apex does.
        let private = are(|scope| matches!(scope, Scope::Private { .. }));
        let internal = are(|scope| matches!(scope, Scope::Internal { .. }));
        for number in private.chain(internal) {
            let sees = |network: &NetworkId| match &self.zones[number].scope {
                Scope::Private { links, .. } => links.contains(*network),
                Scope::Internal { networks } => networks.binary_search(network).is_ok(),
                Scope::Public => false,
            };
            let (decided, others): (Vec<_>, Vec<_>) = undecided.into_iter().partition(sees);
            undecided = others;
            if !decided.is_empty() {
                deciding.push((number, Askers::Networks(decided)));
            }
        }
        deciding.extend(public().filter(|_| !undecided.is_empty()).map(|number| (number, Askers::Networks(undecided))));
        deciding
    }
}

/// The clients for whom an alias ends nowhere. `covering` are the zones that cover its target, longest apex first.
fn dead_end(
    inventory: &Inventory,
    zone: &ZoneContents,
    target: NameRef<'_>,
    covering: &[&ZoneContents],
) -> Option<String> {
    let is_public = |other: &&&ZoneContents| other.scope == Scope::Public;
    let held_publicly = || covering.iter().find(is_public).is_some_and(|zone| zone.holds(target));
    let Scope::Private { links, .. } = &zone.scope else {
        // If a private zone holds the alias, only its networks see it.
        return (!covering.iter().any(|zone| zone.holds(target))).then(|| "here".to_owned());
    };
    // Most targets are in the alias's own zone, which decides for all networks that see it.
    let first_private = covering.iter().find(|other| matches!(other.scope, Scope::Private { .. }));
    if first_private.is_some_and(|first| std::ptr::eq(*first, zone) && zone.holds(target)) {
        return None;
    }
    let clients_of = |network: &NetworkId| format!("for clients of \"{}\"", inventory.network_label(*network));
    let mut undecided: BTreeSet<NetworkId> = links.networks().collect();
    // Linked zones take precedence over internal ones; within each group, the longest apex does.
    let is_private = |other: &&&ZoneContents| matches!(other.scope, Scope::Private { .. });
    let internal = covering.iter().filter(|other| matches!(other.scope, Scope::Internal { .. }));
    for other in covering.iter().filter(is_private).chain(internal) {
        let sees = |network: &NetworkId| match &other.scope {
            Scope::Private { links, .. } => links.contains(*network),
            Scope::Internal { networks } => networks.binary_search(network).is_ok(),
            Scope::Public => false,
        };
        // The first zone that a network sees decides for it.
        let decided: Vec<_> = undecided.iter().copied().filter(sees).collect();
        if let Some(network) = decided.first().filter(|_| !other.holds(target)) {
            return Some(clients_of(network));
        }
        for network in decided {
            undecided.remove(&network);
        }
    }
    undecided.first().filter(|_| !held_publicly()).map(clients_of)
}
