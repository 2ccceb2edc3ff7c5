//! What expectations cover of a world.

use std::collections::{BTreeMap, BTreeSet};

use hickory_proto::rr::DNSClass;

use super::{Asked, Asker};
use crate::azure::{NetworkId, Scope, Writer};
use crate::dns::{Name, NameRef, Question, RecordType};
use crate::resolve::{Observer, Replies, Step, resolve};
use crate::snapshot::Snapshot;
use crate::view::ViewId;

/// What questions cover: record sets of private zones, the virtual network links through which clients see those zones, and
/// private endpoints, by the record sets that they write.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    /// By the number of the zone, the owner in lower case and the type.
    record_sets: BTreeSet<(usize, String, u16)>,
    /// By the number of the zone.
    links: BTreeSet<(usize, NetworkId)>,
}

/// What no question covers, and the totals.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Untouched {
    /// Record sets of private zones, without SOA and NS records: owner and type.
    pub record_sets: Vec<(String, RecordType)>,
    /// The number of all record sets.
    pub all_record_sets: usize,
    /// Virtual network links: the zone's apex, and the network.
    pub links: Vec<(String, String)>,
    /// The number of all links.
    pub all_links: usize,
    /// Private endpoints that write record sets.
    pub private_endpoints: Vec<String>,
    /// The number of all private endpoints.
    pub all_private_endpoints: usize,
}

/// Follows one question through private zones.
struct Walk<'a> {
    snapshot: &'a Snapshot,
    view: ViewId,
    name: Name,
    rtype: RecordType,
    coverage: &'a mut Coverage,
}

impl Observer for Walk<'_> {
    fn observe(&mut self, step: Step<'_>) {
        match step {
            Step::Name(name) => self.name = name.to_name(),
            Step::View(view) => self.view = view,
            Step::PrivateZone(linked) => {
                let Some(zone) = self.snapshot.place_of(linked.zone) else { return };
                let owner = self.name.to_string().to_lowercase();
                for rtype in [self.rtype, RecordType::CNAME] {
                    self.coverage.record_sets.insert((zone, owner.clone(), rtype.into()));
                }
                if let Some(network) = &self.snapshot.view(self.view).network {
                    self.coverage.links.insert((zone, network.number));
                }
            }
            _ => {}
        }
    }
}

impl Coverage {
    /// Adds what a question covers, along its whole chain of aliases.
    pub fn touch(&mut self, world: &Asked<'_>, asker: &Asker, qname: NameRef<'_>, qtype: RecordType) {
        let (snapshot, view) = (&world.snapshot, asker.view);
        if snapshot.refuses(view) {
            return;
        }
        let mut walk = Walk { snapshot, view, name: qname.to_name(), rtype: qtype, coverage: self };
        let question = Question { qname, qtype, qclass: DNSClass::IN };
        resolve(snapshot, view, &question, Some(&Replies::default()), &mut walk);
    }

    /// What is not covered.
    pub fn untouched(&self, world: &Asked<'_>) -> Untouched {
        let mut untouched = Untouched::default();
        let mut endpoints: BTreeMap<&str, bool> = BTreeMap::new();
        for (number, zone) in world.topology.zones().iter().enumerate() {
            let Scope::Private { links, .. } = &zone.scope else { continue };
            let apex = zone.apex.to_string().to_lowercase();
            for network in links.networks() {
                untouched.all_links += 1;
                if !self.links.contains(&(number, network)) {
                    untouched.links.push((apex.clone(), world.topology.network_label(network).to_owned()));
                }
            }
            for ((owner, rtype), set) in &zone.record_sets {
                if matches!(*rtype, RecordType::SOA | RecordType::NS) {
                    continue;
                }
                untouched.all_record_sets += 1;
                let owner = owner.to_string().to_lowercase();
                let key = (number, owner, u16::from(*rtype));
                let is_touched = self.record_sets.contains(&key);
                if let Writer::PrivateEndpoint(endpoint) = &set.writer {
                    *endpoints.entry(endpoint).or_default() |= is_touched;
                }
                if !is_touched {
                    untouched.record_sets.push((key.1, *rtype));
                }
            }
        }
        untouched.record_sets.sort_by(|one, other| (&one.0, u16::from(one.1)).cmp(&(&other.0, u16::from(other.1))));
        untouched.links.sort();
        untouched.all_private_endpoints = endpoints.len();
        let left = endpoints.into_iter().filter(|(_, is_touched)| !is_touched);
        untouched.private_endpoints = left.map(|(endpoint, _)| endpoint.to_owned()).collect();
        untouched
    }
}
