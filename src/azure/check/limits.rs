//! Azure's own limits on numbers and names, which DNS does not have.
//!
//! Sources: Microsoft Learn, "What is an Azure Private DNS zone?" (2026-06-22) for names, "Overview of DNS records"
//! for record sets, the limits of Azure DNS and of Private Link for numbers. `limits = "off"` turns them off. Public
//! recordings show a TTL of 0, which the documents exclude: it is a warning.

use std::collections::{BTreeSet, HashMap};

use crate::azure::catalogue::Catalogue;
use crate::azure::contents::{NetworkId, is_private_link};
use crate::azure::declaration::{
    Declaration, Declared, Limits, Origin, PrivateDnsZone, RecordSet, ResolutionPolicy, VirtualNetworkLink,
};
use crate::azure::finding::Finding;
use crate::azure::identity::ResourceId;
use crate::azure::inventory::Inventory;
use crate::codes::Code;
use crate::dns::{Name, RecordType, TypeName, rdata};

/// Labels that a zone's name may have.
const LABELS: std::ops::RangeInclusive<usize> = 2..=34;
/// Record sets in a zone, the SOA record's among them.
const RECORD_SETS: usize = 25_000;
/// Records in a record set.
const RECORDS: usize = 20;
/// Octets of all texts in a TXT record set, in the global cloud and in the national ones (dns-private-records.md, 2023-10).
const TXT_OCTETS: usize = 4096;
const NATIONAL_TXT_OCTETS: usize = 1024;
/// Virtual network links of a zone.
const LINKS: usize = 1000;
/// Most of them with registration.
const REGISTRATION_LINKS: usize = 100;
/// Most zones linked to one network.
const LINKED_ZONES: usize = 1000;
/// Zones in one zone group (private-endpoint-dns-integration.md).
const ZONES_PER_GROUP: usize = 5;
/// Private endpoints in one network.
const ENDPOINTS: usize = 1000;

/// Names that no zone may have; zones below them are allowed.
const RESERVED: [&str; 25] = [
    "azclient.ms",
    // Undocumented, but refused: azure-docs issue 102958.
    "azure-api.net",
    "azure.com",
    "cloudapp.net",
    "core.windows.net",
    "microsoft.com",
    "msidentity.com",
    "trafficmanager.net",
    "windows.net",
    "azclient.us",
    "azure.us",
    "usgovcloudapp.net",
    "core.usgovcloudapi.net",
    "microsoft.us",
    "msidentity.us",
    "usgovtrafficmanager.net",
    "usgovcloudapi.net",
    "azclient.cn",
    "azure.cn",
    "chinacloudapp.cn",
    "core.chinacloudapi.cn",
    "microsoft.cn",
    "msidentity.cn",
    "trafficmanager.cn",
    "chinacloudapi.cn",
];

pub(super) const OFF: &str =
    "or write limits = \"off\" at the top of the file, where the lab may go past what Azure allows";

/// The limits that apply: those of national clouds if all resources, or otherwise all services' zones, are of such clouds.
pub(in crate::azure) fn limits_of(declaration: &Declaration, catalogue: &Catalogue) -> Limits {
    if declaration.limits == Limits::Off {
        return Limits::Off;
    }
    let resources = &declaration.private_link_resources;
    let mut clouds: BTreeSet<_> = resources.iter().filter_map(|resource| catalogue.cloud(&resource.region)).collect();
    if resources.is_empty() {
        let zones = declaration.private_dns_zones.iter();
        clouds.extend(zones.filter_map(|zone| catalogue.cloud_of_private_zone(&zone.name)));
    }
    match !clouds.is_empty() && !clouds.contains("global") {
        true => Limits::NationalCloud,
        false => Limits::Azure,
    }
}

/// Checks private zones, links and endpoints against Azure's limits.
pub(super) fn check(inventory: &Inventory, findings: &mut Vec<Finding>) {
    if inventory.limits == Limits::Off {
        return;
    }
    let mut registration_zones: HashMap<&ResourceId, &PrivateDnsZone> = HashMap::new();
    for (at, zone) in inventory.private_dns_zones.iter().enumerate() {
        for record_set in &zone.record_sets {
            self::record_set(record_set, inventory.limits, findings);
        }
        size(&zone.name, zone.name.origin, zone.record_sets.len() + 1, findings);
        for link in inventory.registering(at) {
            if let Some(other) = registration_zones.insert(&link.link.virtual_network, zone) {
                // Text of Azure's: Azure-Landing-Zones issue 3890.
                let what = format!(
                    "the machines of \"{}\" are registered in {} already; Azure refuses this: \"A virtual network can \
                     only be linked to 1 Private DNS zone(s) with auto-registration enabled\" (Conflict)",
                    inventory.label(&link.link.virtual_network),
                    other.name
                );
                findings.push(refused(
                    Code::RegistrationRefused,
                    link.link.virtual_network.origin,
                    what,
                    "keep registration_enabled on one link",
                ));
            }
        }
        if inventory.unchecked_links(at).is_some() {
            name(zone, findings);
            links(inventory, zone, findings);
        }
    }
    linked_zones(inventory, findings);
    let mut endpoints: HashMap<&ResourceId, usize> = HashMap::new();
    for endpoint in &inventory.private_endpoints {
        if let Some(zone) = endpoint.private_dns_zone_group.get(ZONES_PER_GROUP) {
            let what = format!("a zone group holds at most {ZONES_PER_GROUP} zones");
            findings.push(refused(
                Code::AzureLimit,
                zone.origin,
                what,
                "make a second private endpoint for the other zones",
            ));
        }
    }
    let of_resources = inventory.private_endpoints.iter().filter(|endpoint| !endpoint.deleted);
    let of_resources = of_resources.map(|endpoint| (&endpoint.virtual_network, &endpoint.id));
    let of_services = inventory.service_endpoints.iter().map(|endpoint| (&endpoint.virtual_network, &endpoint.id));
    for (network, id) in of_resources.chain(of_services) {
        let count = endpoints.entry(network).or_default();
        *count += 1;
        if *count == ENDPOINTS + 1 {
            let what = format!("\"{}\" holds more than {ENDPOINTS} private endpoints", inventory.label(network));
            findings.push(refused(Code::AzureLimit, id.origin, what, "put some into another network"));
        }
    }
}

/// Checks the number of zones linked to each network.
fn linked_zones(inventory: &Inventory, findings: &mut Vec<Finding>) {
    let zones = || inventory.private_dns_zones.iter().enumerate();
    if zones().all(|(at, _)| inventory.unchecked_links(at).is_none()) {
        return;
    }
    let mut linked_zones = vec![0; inventory.virtual_networks.len()];
    // Links to unknown networks.
    let mut linked_elsewhere: HashMap<&ResourceId, usize> = HashMap::new();
    let mut is_one_too_many = |number: Option<NetworkId>, network| {
        let count = match number {
            Some(number) => &mut linked_zones[number.index()],
            None => linked_elsewhere.entry(network).or_default(),
        };
        *count += 1;
        *count == LINKED_ZONES + 1
    };
    let mut refuse = |network: &Declared<ResourceId>| {
        let what = format!("\"{}\" is linked to more than {LINKED_ZONES} zones", inventory.label(network));
        findings.push(refused(Code::AzureLimit, network.origin, what, "link it to fewer"));
    };
    for (at, zone) in zones() {
        let networks = zone.virtual_network_links.iter().map(|link| &link.link.virtual_network);
        match inventory.unchecked_links(at) {
            Some(numbers) => {
                let linked = networks.zip(numbers).filter(|(network, number)| is_one_too_many(**number, network));
                linked.for_each(|(network, _)| refuse(network));
            }
            None => {
                for number in
                    inventory.links(at).all_networks().filter(|number| is_one_too_many(Some(*number), &zone.id))
                {
                    networks.clone().filter(|network| inventory.number(network) == Some(number)).for_each(&mut refuse);
                }
            }
        }
    }
}

/// Checks the links of a zone against each other.
pub(super) fn links(inventory: &Inventory, zone: &PrivateDnsZone, findings: &mut Vec<Finding>) {
    if inventory.limits == Limits::Off {
        return;
    }
    redirect(zone, findings);
    if let Some(link) = zone.virtual_network_links.get(LINKS) {
        let what = format!("the zone {} has more than {LINKS} links", zone.name);
        findings.push(refused(
            Code::AzureLimit,
            link.link.virtual_network.origin,
            what,
            "make a second zone for the other networks",
        ));
    }
    let mut registration_links = zone.virtual_network_links.iter().filter(|link| link.registration_enabled);
    if let Some(link) = registration_links.nth(REGISTRATION_LINKS) {
        let what = format!("the zone {} has more than {REGISTRATION_LINKS} links that register", zone.name);
        findings.push(refused(
            Code::AzureLimit,
            link.link.virtual_network.origin,
            what,
            "make a second zone for the other networks",
        ));
    }
}

/// Whether a network may be linked to this many zones.
pub(super) fn is_allowed(inventory: &Inventory, linked_zones: usize) -> bool {
    inventory.limits == Limits::Off || linked_zones <= LINKED_ZONES
}

fn refused(code: Code, origin: Origin, what: String, mend: &str) -> Finding {
    Finding::new(code, origin, what, format!("{mend}, {OFF}"))
}

fn name(zone: &PrivateDnsZone, findings: &mut Vec<Finding>) {
    let labels = zone.name.as_ref().labels().count();
    let text = zone.name.to_string().to_lowercase();
    let text = text.trim_end_matches('.');
    if !LABELS.contains(&labels) {
        let what = match labels {
            // Text of Azure's: provider-upjet-azure issue 19.
            1 => format!(
                "the name of the private zone {} has one label; Azure refuses this: \"The zone name '{text}' does not have \
                 enough labels. Zone names must have two or more labels.\" (BadRequest)",
                zone.name
            ),
            _ => format!("the name of the private zone {} has {labels} labels; Azure allows 2 to 34", zone.name),
        };
        findings.push(refused(Code::RefusedZoneName, zone.name.origin, what, "choose another name"));
    }
    if RESERVED.contains(&text) {
        // Text of Azure's: azure-docs issue 102958.
        let what = format!(
            "Azure keeps the name {} for itself: \"The Private DNS zone name '{text}' is not permitted as it is a reserved \
             Azure infrastucture domain\" (BadRequest)",
            zone.name
        );
        findings.push(refused(
            Code::RefusedZoneName,
            zone.name.origin,
            what,
            "make a zone for the name below it that you need",
        ));
    }
}

fn redirect(zone: &PrivateDnsZone, findings: &mut Vec<Finding>) {
    let mut links = zone.virtual_network_links.iter();
    let redirects = |link: &&VirtualNetworkLink| link.resolution_policy == ResolutionPolicy::NxDomainRedirect;
    if let Some(link) = links.find(redirects).filter(|_| !is_private_link(zone.name.as_ref())) {
        let what = format!("NxDomainRedirect on {}: Azure has it for Private Link zones only", zone.name);
        findings.push(refused(
            Code::RedirectRefused,
            link.link.virtual_network.origin,
            what,
            "remove resolution_policy from the link",
        ));
    }
}

/// Checks how many record sets a private zone has.
pub(super) fn size(apex: &Name, origin: Origin, record_sets: usize, findings: &mut Vec<Finding>) {
    if record_sets > RECORD_SETS {
        let what = format!("the zone {apex} has {record_sets} record sets; Azure allows {RECORD_SETS}");
        findings.push(refused(Code::AzureLimit, origin, what, "divide the zone"));
    }
}

/// Checks a record set of a private zone.
pub(super) fn record_set(record_set: &RecordSet, limits: Limits, findings: &mut Vec<Finding>) {
    let RecordSet { owner, rtype, origin, rdatas, .. } = record_set;
    if record_set.ttl.as_secs() == 0 {
        let what =
            format!("the TTL of {owner} is 0; Azure's documents say 1 to 2147483647, though it has been seen with 0");
        findings.push(Finding::new(Code::ZeroTtl, *origin, what, "write a TTL of at least 1"));
    }
    // Text of Azure's portal: azure-docs issue 30476.
    if owner.as_ref().labels().enumerate().any(|(at, label)| label.contains(&b'*') && (at > 0 || label != b"*")) {
        let what = format!(
            "{owner} has an asterisk within a label or behind the first one; Azure refuses this: \"A wildcard ('*' \
             character) is permitted either as the single character in the name, or as the first label in the name.\""
        );
        findings.push(refused(
            Code::RefusedRecordSet,
            *origin,
            what,
            "write the asterisk as the whole first label, or another name",
        ));
    }
    if rdatas.len() > RECORDS {
        let what =
            format!("{owner} has {} {} records; Azure allows {RECORDS} in a set", rdatas.len(), TypeName(*rtype));
        findings.push(refused(Code::AzureLimit, *origin, what, "keep 20"));
    }
    if *rtype == RecordType::TXT {
        let most = if limits == Limits::NationalCloud { NATIONAL_TXT_OCTETS } else { TXT_OCTETS };
        let octets: usize = rdatas.iter().flat_map(|rdata| rdata::strings(rdata)).map(<[u8]>::len).sum();
        if octets > most {
            let of_cloud = if limits == Limits::NationalCloud { " in a national cloud" } else { "" };
            let what = format!("the texts of {owner} have {octets} octets; Azure allows {most} in a set{of_cloud}");
            findings.push(refused(Code::AzureLimit, *origin, what, "shorten them"));
        }
    }
    if *rtype == RecordType::SRV && has_twins(rdatas) {
        // Text of Azure's: azure-cli issue 21716.
        let what = format!(
            "{owner} has SRV records that differ in their ports alone; Azure refuses this: \"The list of record sets of \
             type 'SRV' may not contain multiple entries with the same '(priority, weight, target)'.\" (BadRequest)"
        );
        findings.push(refused(Code::RefusedRecordSet, *origin, what, "give them other priorities or weights"));
    }
}

/// Whether SRV records have priority, weight and target in common.
fn has_twins(rdatas: &[Box<[u8]>]) -> bool {
    let mut seen = BTreeSet::new();
    !rdatas.iter().all(|rdata| seen.insert((rdata.get(..4), rdata.get(6..).map(<[u8]>::to_ascii_lowercase))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::azure::declaration::{Declared, Link, PrivateEndpoint, SoaEdit, Writer};
    use crate::azure::identity::{ResourceGroup, testing};
    use crate::dns::Ttl;

    const ORIGIN: Origin = Origin(0);

    fn zone(name: &str, links: usize, record_sets: usize) -> PrivateDnsZone {
        let name: Name = name.parse().unwrap();
        let link = |at| VirtualNetworkLink {
            link: Link::to(testing::network(&format!("vnet-{at}"))),
            registration_enabled: false,
            resolution_policy: ResolutionPolicy::Default,
            in_progress_until: None,
        };
        let record_set = |at: usize| RecordSet {
            owner: Name::relative(&format!("n{at}"), name.as_ref()).unwrap(),
            rtype: RecordType::A,
            ttl: Ttl::MAX,
            rdatas: crate::dns::Rdatas::one([10, 0, 0, 1]),
            writer: Writer::Person,
            origin: ORIGIN,
        };
        PrivateDnsZone {
            virtual_network_links: (0..links).map(link).collect(),
            record_sets: (0..record_sets).map(record_set).collect(),
            id: PrivateDnsZone::id(&ResourceGroup::default(), &name),
            soa: SoaEdit::default(),
            locked: false,
            name: Declared::new(name, ORIGIN),
        }
    }

    /// How many errors there are for these zones and endpoints, with limits and without.
    #[track_caller]
    fn check(zones: Vec<PrivateDnsZone>, endpoints: usize, expected: usize) {
        let endpoint = PrivateEndpoint {
            id: testing::resource("Microsoft.Network/privateEndpoints", "pe"),
            virtual_network: testing::network("vnet-0"),
            subnet: None,
            private_link_resource: testing::resource("Microsoft.KeyVault/vaults", "r"),
            group_id: Declared::new("g".to_owned(), ORIGIN),
            connection_state: Default::default(),
            ip_configurations: Default::default(),
            has_unknown_addresses: false,
            was_approved: false,
            private_dns_zone_group: Vec::new(),
            deleted: false,
        };
        let mut declaration = Declaration {
            private_dns_zones: zones,
            private_endpoints: vec![endpoint; endpoints],
            ..Declaration::default()
        };
        for (limits, expected) in [(Limits::Azure, expected), (Limits::Off, 0)] {
            declaration.limits = limits;
            let mut findings = Vec::new();
            super::check(&Inventory::new(declaration.clone(), &Catalogue::embedded(), None), &mut findings);
            assert_eq!(findings.len(), expected, "{findings:?}");
        }
    }

    #[test]
    fn a_number_at_its_limit_is_allowed_and_one_more_is_not() {
        check(vec![zone("a.b", 0, 24_999)], 0, 0);
        check(vec![zone("a.b", 0, 25_000)], 0, 1);
        check(vec![zone("a.b", 1000, 0)], 0, 0);
        check(vec![zone("a.b", 1001, 0)], 0, 1);
        check((0..1000).map(|at| zone(&format!("z{at}.b"), 1, 0)).collect(), 0, 0);
        check((0..1001).map(|at| zone(&format!("z{at}.b"), 1, 0)).collect(), 0, 1);
        check(Vec::new(), 1000, 0);
        check(Vec::new(), 1002, 1);
    }

    #[test]
    fn a_zone_registers_100_networks_and_a_network_is_registered_in_one_zone() {
        let registering = |name, links| {
            let mut zone = zone(name, links, 0);
            zone.virtual_network_links.iter_mut().for_each(|link| link.registration_enabled = true);
            zone
        };
        check(vec![registering("a.b", 100)], 0, 0);
        check(vec![registering("a.b", 101)], 0, 1);
        check(vec![registering("a.b", 1), zone("b.b", 1, 0)], 0, 0);
        check(vec![registering("a.b", 1), registering("b.b", 1)], 0, 1);
    }

    #[test]
    fn names_have_2_to_34_labels_and_reserved_ones_are_refused_exactly() {
        check(vec![zone("b", 0, 0)], 0, 1);
        check(vec![zone(&["a"; 34].join("."), 0, 0)], 0, 0);
        check(vec![zone(&["a"; 35].join("."), 0, 0)], 0, 1);
        check(RESERVED.iter().map(|name| zone(name, 0, 0)).collect(), 0, RESERVED.len());
        check(vec![zone("privatelink.azure.com", 0, 0), zone("database.windows.net", 0, 0)], 0, 0);
    }
}
