//! Recognises mistakes in the steps of an answer.

use std::net::IpAddr;
use std::time::{Duration, UNIX_EPOCH};

use super::predicates::holds_nothing;
use super::private_link::{Endpoint, Subject};
use super::{Lookup, Mistake, MistakeKind};
use crate::azure::catalogue::Catalogue;
use crate::azure::contents::{Links, NetworkId, Scope, ZoneContents};
use crate::azure::declaration::link_names;
use crate::azure::derive::Forwarding;
use crate::azure::inventory::Inventory;
use crate::dns::{Name, NameRef, RecordType, rdata};
use crate::time::utc;

/// The mistakes that the steps of an answer show, none twice, in the order of the names.
pub(in crate::azure) fn recognise(
    inventory: &Inventory,
    catalogue: &Catalogue,
    zones: &[ZoneContents],
    forwarding: &Forwarding,
    lookups: &[Lookup],
) -> Vec<Mistake> {
    let world = World { inventory, catalogue, zones, forwarding };
    let mut mistakes: Vec<Mistake> = Vec::new();
    for (at, lookup) in lookups.iter().enumerate() {
        let subject = Subject::new(inventory, catalogue, lookup.name.as_ref());
        let in_progress = world.in_progress(lookup);
        let found = match lookup.zone {
            _ if in_progress.is_some() => in_progress,
            _ if lookup.falls_back => None,
            Some(zone) if lookup.is_found => world.found(lookup, zone, &subject),
            Some(zone) => world.missing(lookup, zone, &subject, at > 0),
            None if lookup.rule.is_some() => world.forwarded(lookup, &subject, &lookups[at + 1..]),
            None => world.public(lookup, &subject),
        };
        let Some(found) = found.filter(|found| !mistakes.contains(found)) else { continue };
        // After a wrong forwarding rule, further mistakes are only consequences of it.
        let is_all = found.kind == MistakeKind::ForwarderForPrivatelink;
        mistakes.push(found);
        if is_all {
            break;
        }
    }
    mistakes
}

/// The declaration, and what is derived from it.
struct World<'a> {
    inventory: &'a Inventory,
    catalogue: &'a Catalogue,
    zones: &'a [ZoneContents],
    forwarding: &'a Forwarding,
}

/// A private zone: its index, its resource group and its links.
struct Private<'a> {
    at: usize,
    zone: &'a ZoneContents,
    resource_group: &'a str,
    links: &'a Links,
}

/// A name within a sentence, without the final dot.
fn plain(name: &Name) -> String {
    let name = name.to_string();
    name.strip_suffix('.').filter(|name| !name.is_empty()).unwrap_or(&name).to_owned()
}

impl Private<'_> {
    /// Its name in messages.
    fn called(&self) -> String {
        format!("{} in {}", plain(&self.zone.apex), self.resource_group)
    }

    fn holds(&self, name: NameRef<'_>) -> bool {
        self.zone.holds(name)
    }

    fn covers(&self, name: NameRef<'_>) -> bool {
        name.is_within(self.zone.apex.as_ref())
    }
}

impl<'a> World<'a> {
    fn network(&self, network: NetworkId) -> &'a str {
        self.inventory.network_label(network)
    }

    fn private(&self, at: usize) -> Option<Private<'a>> {
        let zone = self.zones.get(at)?;
        let Scope::Private { id, links } = &zone.scope else { return None };
        Some(Private { at, zone, resource_group: id.resource_group().name(), links })
    }

    fn private_zones(&self) -> impl Iterator<Item = Private<'a>> + '_ {
        (0..self.zones.len()).map_while(|at| self.private(at))
    }

    /// The name is in a zone whose link to the network is in progress, and that will be asked before whatever has answered.
    fn in_progress(&self, lookup: &Lookup) -> Option<Mistake> {
        let (name, network) = (lookup.name.as_ref(), lookup.network);
        let labels = |zone: &Private<'_>| zone.zone.apex.as_ref().labels().count();
        let answered = lookup.zone.and_then(|at| self.private(at)).map_or(0, |zone| labels(&zone));
        let coming = self.private_zones().filter(|zone| zone.links.has_in_progress(network) && zone.covers(name));
        let zone = coming.max_by_key(labels).filter(|zone| labels(zone) > answered)?;
        let links = &self.inventory.private_dns_zones.get(zone.at)?.virtual_network_links;
        let at = links.iter().position(|link| self.inventory.number(&link.link.virtual_network) == Some(network))?;
        let name = link_names(links.iter().map(|link| &link.link)).into_iter().nth(at)?;
        let until = UNIX_EPOCH.checked_add(Duration::from_millis(links[at].in_progress_until?))?;
        Some(Mistake {
            kind: MistakeKind::LinkInProgress,
            what: format!(
                "the link {name} of {} to {} is in progress until {}",
                zone.called(),
                self.network(network),
                utc(until)
            ),
            mend: "wait until it is completed".to_owned(),
        })
    }

    /// No private zone answered, and no rule applied: the name is looked up publicly.
    fn public(&self, lookup: &Lookup, subject: &Subject<'_>) -> Option<Mistake> {
        let (name, network) = (lookup.name.as_ref(), lookup.network);
        if !subject.is_privatelink(name) {
            // A zone with a custom name, to which no public name leads.
            let holds = |zone: &Private<'_>| zone.covers(name) && zone.holds(name) && !zone.links.contains(network);
            return self.private_zones().find(holds).map(|zone| self.not_linked(network, &zone, None));
        }
        let expected = subject.private_zone()?;
        if let Some(custom) = self.custom_zone(network, expected) {
            let (network, expected) = (self.network(network), plain(expected));
            return Some(Mistake {
                kind: MistakeKind::CustomZoneName,
                what: format!(
                    "{network} is linked to {}, which is never asked, as public names lead to {expected}",
                    custom.called()
                ),
                mend: format!("have the zone {expected}, and link that to {network}"),
            });
        }
        let covering: Vec<_> = self.private_zones().filter(|zone| zone.covers(name)).collect();
        let holders: Vec<_> = covering.iter().filter(|zone| zone.holds(name)).collect();
        let own = subject.in_network(network);
        if let Some(endpoint) = own.filter(|_| holders.is_empty()) {
            return Some(self.record_missing(endpoint, &plain(expected)));
        }
        let own_zone = own.and_then(|endpoint| self.private(endpoint.zone?));
        let zone = match own_zone.as_ref().filter(|zone| zone.holds(name)) {
            Some(zone) => zone,
            None => holders.first().copied().or_else(|| covering.first())?,
        };
        let of_scopes = subject.in_use().filter(|endpoint| endpoint.is_of_scope);
        let siblings = of_scopes.flat_map(|endpoint| &endpoint.endpoint.private_dns_zone_group);
        let mut siblings = siblings.filter_map(|zone| self.private(self.inventory.zone(zone)?.0));
        let sibling = siblings.find(|zone| zone.links.contains(network));
        Some(self.not_linked(network, zone, sibling.as_ref()))
    }

    /// `sibling` is a linked zone of the same private link scope.
    fn not_linked(&self, network: NetworkId, zone: &Private<'_>, sibling: Option<&Private<'_>>) -> Mistake {
        let network = self.network(network);
        if let Some(sibling) = sibling {
            return Mistake {
                kind: MistakeKind::ScopeZoneNotLinked,
                what: format!(
                    "{network} is linked to {}, a zone of a private link scope, but not to {}, another one of it",
                    sibling.called(),
                    zone.called()
                ),
                mend: "link all zones of the scope, or none of them".to_owned(),
            };
        }
        let linked: Vec<_> = zone.links.networks().map(|network| self.network(network)).collect();
        let mend = match linked.is_empty() {
            true => "link it".to_owned(),
            false => format!("link it, or have the name asked in a network that is linked ({})", linked.join(", ")),
        };
        Mistake {
            kind: MistakeKind::ZoneNotLinked,
            what: format!("{network} is not linked to {}", zone.called()),
            mend,
        }
    }

    /// A linked zone with a custom name beside the service's.
    fn custom_zone(&self, network: NetworkId, expected: &Name) -> Option<Private<'a>> {
        let is_custom = |apex: &Name| {
            let first = apex.as_ref().labels().next().unwrap_or_default();
            apex != expected
                && apex.as_ref().parent() == expected.as_ref().parent()
                && first.to_ascii_lowercase().starts_with(b"privatelink")
        };
        self.private_zones().find(|zone| zone.links.contains(network) && is_custom(&zone.zone.apex))
    }

    /// A private zone answered, and does not have the name.
    fn missing(&self, lookup: &Lookup, at: usize, subject: &Subject<'_>, is_after_alias: bool) -> Option<Mistake> {
        let name = lookup.name.as_ref();
        let zone = self.private(at)?;
        let leads_here = subject.is_privatelink(name) || (is_after_alias && zone.zone.is_private_link());
        if !leads_here {
            return self.overridden(&lookup.name, &zone);
        }
        if let Some(mistake) = self.record_gone(at, subject) {
            return Some(mistake);
        }
        if let Some(own) = subject.in_network(lookup.network) {
            let other = own.zone.and_then(|zone| self.private(zone));
            return Some(match other.filter(|other| other.at != at && other.holds(name)) {
                Some(other) => self.zones_of_one_name(lookup.network, own, &zone, &other),
                None => self.record_missing(own, &zone.called()),
            });
        }
        let network = self.network(lookup.network);
        let fallback = "set the link's resolution policy to NxDomainRedirect";
        if holds_nothing(zone.zone) {
            return Some(Mistake {
                kind: MistakeKind::UnusedZoneLinked,
                what: format!("{network} is linked to {}, which holds no record", zone.called()),
                mend: format!("unlink it until {network} has an endpoint whose records it gets, or {fallback}"),
            });
        }
        let whose = subject.in_use().next().map_or_else(
            || "Somebody has a private endpoint for the resource".to_owned(),
            |endpoint| format!("The resource has private endpoint {} elsewhere", endpoint.label(self.inventory)),
        );
        Some(Mistake {
            kind: MistakeKind::EndpointOfOthers,
            what: format!(
                "{whose}, so that its public name leads to {}, which {}, linked to {network}, does not hold",
                plain(&lookup.name),
                zone.called()
            ),
            mend: format!("make a private endpoint for it in {network}, or {fallback}"),
        })
    }

    fn overridden(&self, name: &Name, zone: &Private<'_>) -> Option<Mistake> {
        let is_overridden = !zone.zone.is_private_link() && self.catalogue.is_public_zone(&zone.zone.apex);
        is_overridden.then(|| Mistake {
            kind: MistakeKind::PublicZoneOverridden,
            what: format!(
                "{} has the name of a service's whole public zone, and does not hold {}",
                zone.called(),
                plain(name)
            ),
            mend:
                "have the privatelink zone of the service in its place, to which the names of connected resources lead"
                    .to_owned(),
        })
    }

    /// A deleted endpoint wrote the record, as did one that still exists.
    fn record_gone(&self, at: usize, subject: &Subject<'_>) -> Option<Mistake> {
        let claimants = || subject.endpoints.iter().filter(move |endpoint| endpoint.zone == Some(at));
        let gone = claimants().find(|endpoint| endpoint.endpoint.takes_away())?.label(self.inventory);
        let left = claimants().find(|endpoint| endpoint.endpoint.is_in_use())?.label(self.inventory);
        Some(Mistake {
            kind: MistakeKind::RecordGoneWithEndpoint,
            what: format!(
                "Private endpoint {gone} has taken the record with it, which private endpoint {left} writes, too"
            ),
            mend: format!("make the zone group of {left} anew"),
        })
    }

    fn zones_of_one_name(
        &self,
        network: NetworkId,
        own: &Endpoint<'_>,
        zone: &Private<'_>,
        other: &Private<'_>,
    ) -> Mistake {
        Mistake {
            kind: MistakeKind::ZonesOfOneName,
            what: format!(
                "Private endpoint {} of {} writes to {}, and the network is linked to {}, a zone of the same name",
                own.label(self.inventory),
                self.network(network),
                other.called(),
                zone.called()
            ),
            mend: "have one zone of that name, which all endpoints write to and all networks are linked to".to_owned(),
        }
    }

    /// `zone` is the name in messages of the zone that lacks the record.
    fn record_missing(&self, endpoint: &Endpoint<'_>, zone: &str) -> Mistake {
        let label = endpoint.label(self.inventory);
        let why = match endpoint.endpoint.private_dns_zone_group.is_empty() {
            true => "has no zone group",
            false => "has no such zone in its zone group",
        };
        let member = &endpoint.member.name;
        Mistake {
            kind: MistakeKind::RecordMissing,
            what: format!("Private endpoint {label} {why}, and {zone} lacks the record of its member {member}"),
            mend: format!("add {zone} to the zone group of {label}, or write the record by hand"),
        }
    }

    /// A private zone answered with records.
    fn found(&self, lookup: &Lookup, at: usize, subject: &Subject<'_>) -> Option<Mistake> {
        let zone = self.private(at)?;
        let claimants: Vec<_> = subject.in_use().filter(|endpoint| endpoint.zone == Some(at)).collect();
        if let [.., before, last] = &claimants[..] {
            return Some(self.replaced(&zone, before, last));
        }
        let sees = |endpoint: &&Endpoint<'_>| endpoint.network.is_some_and(|network| zone.links.contains(network));
        let address = subject.in_use().filter(sees).find_map(Endpoint::address)?;
        let all: Vec<IpAddr> = subject.in_use().filter_map(Endpoint::address).collect();
        let of_type = |rtype| zone.zone.rdatas_by_hand(&lookup.name, rtype);
        let by_hand: Vec<_> = [RecordType::A, RecordType::AAAA].into_iter().filter_map(of_type).collect();
        let addresses = by_hand.iter().flat_map(|rdatas| rdatas.iter()).filter_map(|data| rdata::address(data));
        let stale = addresses.filter(|address| !all.contains(address)).min()?;
        Some(Mistake {
            kind: MistakeKind::StaleRecord,
            what: format!(
                "The record in {} was written by hand and says {stale}, and the private endpoint has {address}",
                zone.called()
            ),
            mend: "correct the record, or let a zone group write it".to_owned(),
        })
    }

    fn replaced(&self, zone: &Private<'_>, before: &Endpoint<'_>, last: &Endpoint<'_>) -> Mistake {
        let (first, second) = (before.label(self.inventory), last.label(self.inventory));
        let (kind, mend) = match last.is_of_scope {
            true => (MistakeKind::SecondScope, "have one private link scope for all networks that see the zone"),
            false => {
                (MistakeKind::LastWriterWins, "keep one endpoint for the resource, or give each a zone of its own")
            }
        };
        let what = format!(
            "Private endpoints {first} and {second} write one record in {}, and that of {second} has replaced the other",
            zone.called()
        );
        Mistake { kind, what, mend: mend.to_owned() }
    }

    /// A rule applied to the public name, and the rule for the privatelink name was not used.
    fn forwarded(&self, lookup: &Lookup, subject: &Subject<'_>, later: &[Lookup]) -> Option<Mistake> {
        if later.iter().any(|later| later.zone.is_some() && later.is_found) {
            return None;
        }
        let by = lookup.rule.as_ref()?;
        let public = subject.members.iter().find(|member| member.public_name == lookup.name)?;
        let rule = self.forwarding.rules.iter().find(|rule| {
            let covers = |name: &Name| name.as_ref().is_within(rule.domain_name.as_ref());
            rule.virtual_networks.contains(&lookup.network) && !covers(&lookup.name) && covers(&public.privatelink_name)
        })?;
        let domain = plain(&rule.domain_name);
        Some(Mistake {
            kind: MistakeKind::ForwarderForPrivatelink,
            what: format!(
                "{} forwards {domain}, but {} falls to its rule for {}, and whoever is asked there follows the alias alone",
                self.network(lookup.network),
                plain(&lookup.name),
                plain(by)
            ),
            mend: format!("forward {} in place of {domain}", plain(&public.public_zone)),
        })
    }
}
