//! The records that the platform writes: SOA records, records of private DNS zone groups, the public side of Private Link.

mod forwarding;
mod internal;
mod machines;
mod managed;
mod name_servers;
mod public;
mod reserved;
mod zone_group;

use std::collections::HashMap;
use std::net::IpAddr;

use super::catalogue::Catalogue;
use super::contents::{RecordSets, Scope, ZoneContents};
use super::declaration::{Address, Origin, PrivateDnsZone, PublicZone, RecordSet, SoaEdit, Writer};
use super::finding::Finding;
use super::identity::ResourceId;
use super::inventory::Inventory;
use crate::dns::{Name, Rdatas, RecordType, Ttl, rdata};
use crate::parallel;

pub use forwarding::{Destination, Forwarding, Rule, SecurityRule, Targets};
pub(super) use forwarding::{forwarding, has_custom_dns, standing_in};
pub(super) use internal::INTERNAL_APEX;
pub(super) use managed::ALIAS_APEX;
pub(super) use name_servers::is_private;
pub(super) use zone_group::zone_for;

/// With fewer zones, sorting their record sets takes less time than starting another thread.
const ZONES_OF_A_THREAD: usize = 256;
/// TTL of a private zone's SOA record, in seconds (seen in captures; private-dns-privatednszone.md).
const SOA_TTL: u32 = 3600;
/// Serial, refresh, retry, expire and minimum of a private zone's SOA record (seen in captures).
const PRIVATE_SOA: [u32; 5] = [1, 3600, 300, 2_419_200, 10];

/// Zones of the previous topology that are unchanged in the next one.
#[derive(Default)]
pub(super) struct Known<'a> {
    /// Private zones whose record sets are unchanged.
    pub(super) private: HashMap<ResourceId, &'a ZoneContents>,
    /// All public zones, if they are unchanged.
    pub(super) public: Option<Vec<&'a ZoneContents>>,
}

/// All zones with all their records: first the private ones in the order of the declaration, last the internal ones. Moves the
/// record sets out of the declaration, as there may be many. Unchanged zones, to which the platform does not write, keep their
/// previous record sets.
pub(super) fn zones(
    inventory: &mut Inventory,
    catalogue: &Catalogue,
    known: &Known<'_>,
    findings: &mut Vec<Finding>,
) -> Vec<ZoneContents> {
    let declaration = inventory.declaration_mut();
    let take = |zone: &mut PrivateDnsZone| take_record_sets(&zone.name, &mut zone.record_sets);
    let record_sets = parallel::map(&mut declaration.private_dns_zones, ZONES_OF_A_THREAD, "derive", take);
    let declared_public: Vec<_> = declaration.public_zones.iter_mut().map(public_zone).collect();
    let inventory = &*inventory;
    let zones = inventory.private_dns_zones.iter().zip(record_sets);
    let private = zones.enumerate().map(|(at, (zone, record_sets))| {
        let scope = Scope::Private { id: zone.id.clone(), links: inventory.links(at).clone() };
        match known.private.get(&zone.id) {
            Some(known) => known.with_scope(scope, zone.name.origin),
            None => private_zone(zone, scope, record_sets),
        }
    });
    let mut private: Vec<_> = private.collect();
    zone_group::write(inventory, catalogue, &mut private, findings);
    for (at, zone) in private.iter_mut().enumerate() {
        machines::register(inventory, at, zone, findings);
    }
    let mut internal = internal::InternalZones::default();
    machines::internal_names(inventory, &private, &mut internal);
    managed::names(inventory, catalogue, &mut internal, findings);
    let mut public = match &known.public {
        Some(known) => known.iter().copied().cloned().collect(),
        None => {
            let mut public = public::zones(inventory, catalogue, declared_public, findings);
            public.extend(managed::alias_zone(inventory, &public));
            public
        }
    };
    private.append(&mut public);
    private.extend(internal.finish(inventory));
    name_servers::write(inventory, &mut private, findings);
    private
}

fn private_zone(zone: &PrivateDnsZone, scope: Scope, record_sets: RecordSets) -> ZoneContents {
    let mut contents = ZoneContents::new((*zone.name).clone(), scope, record_sets, zone.name.origin);
    let soa = private_soa(&zone.name, &zone.soa, zone.name.origin);
    // A hand-written one is kept, for the check to refuse it.
    contents.record_sets.entry((soa.owner.clone(), soa.rtype)).or_insert(soa);
    contents
}

/// The SOA record that Azure creates with a private zone. Host and serial number cannot be changed.
pub(crate) fn private_soa(apex: &Name, edit: &SoaEdit, origin: Origin) -> RecordSet {
    let [serial, refresh, retry, expire, minimum] = PRIVATE_SOA;
    let numbers = [
        serial,
        edit.refresh_time.unwrap_or(refresh),
        edit.retry_time.unwrap_or(retry),
        edit.expire_time.unwrap_or(expire),
        edit.minimum_ttl.unwrap_or(minimum),
    ];
    let email = edit.email.clone().unwrap_or_else(|| constant("azureprivatedns-host.microsoft.com"));
    RecordSet {
        owner: apex.clone(),
        rtype: RecordType::SOA,
        ttl: edit.ttl.unwrap_or_else(|| seconds(SOA_TTL)),
        rdatas: Rdatas::one(rdata::soa(&constant("azureprivatedns.net"), &email, numbers)),
        writer: Writer::Zone,
        origin,
    }
}

fn public_zone(zone: &mut PublicZone) -> ZoneContents {
    let record_sets = take_record_sets(&zone.name, &mut zone.record_sets);
    ZoneContents::new((*zone.name).clone(), Scope::Public, record_sets, zone.name.origin)
}

/// Record sets by owner and type; of duplicates, which have been reported, the last.
fn take_record_sets(apex: &Name, record_sets: &mut Vec<RecordSet>) -> RecordSets {
    let mut record_sets: Vec<_> = std::mem::take(record_sets).into_iter().map(Some).collect();
    let set = |at: usize| record_sets[at].as_ref().map(|set| (&set.owner, set.rtype));
    let hint = |at: usize| set(at).map_or(0, |(owner, _)| owner.as_ref().order_hint(apex.as_ref()));
    // The map would sort as well, but by comparing names, which is slow. This compares numbers first, and names only if those are
    // equal.
    let mut order: Vec<_> = (0..record_sets.len()).map(|at| (hint(at), at)).collect();
    order.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| (set(a.1), a.1).cmp(&(set(b.1), b.1))));
    let sorted = order.into_iter().filter_map(|(_, at)| record_sets[at].take());
    sorted.map(|record_set| ((record_set.owner.clone(), record_set.rtype), record_set)).collect()
}

/// An A and an AAAA record set, for the addresses there are. An unknown address counts as IPv4, as Azure allocates those, and
/// makes its record set unknown.
fn address_set(
    owner: &Name,
    addresses: impl IntoIterator<Item = Address>,
    ttl: Ttl,
    writer: Writer,
    origin: Origin,
) -> impl Iterator<Item = RecordSet> {
    let (mut v4, mut v6, mut has_unknown) = (Vec::new(), Vec::new(), false);
    for address in addresses {
        match address {
            Address::Known(IpAddr::V4(address)) => v4.push(address.octets().into()),
            Address::Known(IpAddr::V6(address)) => v6.push(address.octets().into()),
            Address::Unknown => has_unknown = true,
        }
    }
    let set = |rtype, rdatas: Vec<Box<[u8]>>| (!rdatas.is_empty()).then(|| (rtype, Rdatas::new(rtype, rdatas)));
    let v4 = match has_unknown {
        true => Some((RecordType::A, Rdatas::unknown())),
        false => set(RecordType::A, v4),
    };
    let v6 = set(RecordType::AAAA, v6);
    let owner = owner.clone();
    v4.into_iter().chain(v6).map(move |(rtype, rdatas)| RecordSet {
        owner: owner.clone(),
        rtype,
        ttl,
        rdatas,
        writer: writer.clone(),
        origin,
    })
}

fn constant(name: &str) -> Name {
    name.parse().expect("a constant of this module")
}

const fn seconds(seconds: u32) -> Ttl {
    Ttl::from_secs(seconds).expect("a constant of this module")
}
