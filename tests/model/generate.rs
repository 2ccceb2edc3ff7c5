//! Random worlds and queries. Few labels and apexes, so that names collide; what the checks would refuse is left out
//! while a world is put together, so that no case is lost.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use vnetdns::azure::SecurityAction;

use crate::elsewhere::{Leads, PolicyRule, Rule, Settings};
use crate::labels::{Labels, MAX_NAME, in_case, is_within, join, labels, lower, to_wire};
use crate::model::{A, AAAA, CNAME, DNAME, DS, MX, NS, PTR, SOA, SRV, TXT};
use crate::world::{Case, Query, SetSpec, World, ZoneSpec, canonical_rdata};

const APEXES: [&str; 16] = [
    "example",
    "example",
    "example",
    "b.example",
    "b.example",
    "a.b.example",
    "c.example",
    "privatelink.example",
    "privatelink.example",
    "a.privatelink.example",
    "test",
    "test",
    "b.test",
    "privatelink.test",
    "privatelink.test",
    ".",
];
const LABELS: [&str; 7] = ["a", "b", "c", "*", "privatelink", "a", "b"];
/// With a target of such labels, a name below a DNAME record grows too long.
const LONG_LABEL: &[u8] = &[b'o'; 63];
const SET_TYPES: [u16; 20] =
    [A, A, A, A, AAAA, TXT, MX, SRV, PTR, CNAME, CNAME, CNAME, CNAME, CNAME, NS, NS, DNAME, DNAME, DNAME, DS];
const QUERY_TYPES: [u16; 24] =
    [A, A, A, A, A, A, AAAA, TXT, MX, MX, SRV, PTR, CNAME, CNAME, NS, NS, SOA, DNAME, DS, DS, 255, 255, 65, 65280];
const TTLS: [u32; 8] = [0, 5, 30, 60, 300, 3600, 86_400, i32::MAX as u32];
const MINIMA: [u32; 5] = [0, 10, 300, 7200, u32::MAX];

/// What a random world is put together from: numbers that only mean something within the whole.
#[derive(Clone, Debug)]
struct RawZone {
    apex: usize,
    is_public: bool,
    group: usize,
    /// For each network: no link, a link, or one that redirects.
    links: Vec<u8>,
    numbers: [Option<u32>; 2],
    /// Whether it delegates the public zones below it.
    delegates: bool,
    chain: Option<usize>,
    sets: Vec<RawSet>,
    case: u64,
}

#[derive(Clone, Debug)]
struct RawSet {
    labels: Labels,
    rtype: u16,
    ttl: u32,
    targets: Vec<RawTarget>,
    /// How many addresses or texts; many make an answer too long for UDP.
    count: usize,
    case: u64,
}

#[derive(Clone, Debug)]
struct RawSettings {
    custom_dns: Option<u8>,
    rules: Vec<(Labels, u8, bool)>,
    policy: Vec<(u32, u8, Vec<Labels>, bool)>,
}

/// What a record points at.
#[derive(Clone, Debug)]
enum RawTarget {
    Owner(Index),
    /// Labels in front of the apex of a zone.
    Under(Index, Labels),
    /// A host below the record's own owner: glue, where that is a zone cut.
    BelowOwner,
    Elsewhere,
    Long,
}

/// What a name in a question ends in.
#[derive(Clone, Debug)]
enum RawName {
    Set(Index),
    /// A zone cut or the owner of a DNAME record.
    Special(Index),
    Target(Index),
    Apex(Index),
    /// What the rule, policy or custom DNS server is for.
    Domain(Index),
    Elsewhere(Labels),
    Root,
}

fn label() -> impl Strategy<Value = Vec<u8>> {
    select(&LABELS[..]).prop_map(|label| label.as_bytes().to_vec())
}

/// Mostly lower case.
fn letter_case() -> impl Strategy<Value = u64> {
    prop_oneof![3 => Just(0), 1 => any::<u64>()]
}

fn raw_set() -> impl Strategy<Value = RawSet> {
    let target = prop_oneof![
        6 => any::<Index>().prop_map(RawTarget::Owner),
        3 => (any::<Index>(), vec(label(), 0..3)).prop_map(|(zone, labels)| RawTarget::Under(zone, labels)),
        2 => Just(RawTarget::BelowOwner),
        1 => Just(RawTarget::Elsewhere),
        1 => Just(RawTarget::Long),
    ];
    let count = prop_oneof![4 => 1_usize..4, 1 => Just(45)];
    let rtype = select(&SET_TYPES[..]);
    let ttl = select(&TTLS[..]);
    (vec(label(), 0..4), rtype, ttl, vec(target, 1..4), count, letter_case())
        .prop_map(|(labels, rtype, ttl, targets, count, case)| RawSet { labels, rtype, ttl, targets, count, case })
}

fn raw_zone() -> impl Strategy<Value = RawZone> {
    let link = prop_oneof![2 => Just(0_u8), 2 => Just(1), 2 => Just(2)];
    let numbers = (prop::option::of(select(&TTLS[..])), prop::option::of(select(&MINIMA[..])));
    let chain = prop_oneof![12 => Just(None), 1 => (14_usize..20).prop_map(Some)];
    let fixed = (0..APEXES.len(), any::<bool>(), 0_usize..2, vec(link, 3), numbers);
    (fixed, any::<bool>(), chain, vec(raw_set(), 0..12), letter_case()).prop_map(
        |((apex, is_public, group, links, numbers), delegates, chain, sets, case)| RawZone {
            apex,
            is_public,
            group,
            links,
            numbers: [numbers.0, numbers.1],
            delegates,
            chain,
            sets,
            case,
        },
    )
}

/// The domain of a rule: an apex, or a name below one.
fn domain() -> impl Strategy<Value = Labels> {
    let suffix = prop_oneof![4 => select(&APEXES[..]), 1 => Just("."), 1 => Just("elsewhere")];
    let in_front = prop_oneof![3 => Just(Labels::new()).boxed(), 2 => vec(label(), 1).boxed()];
    (in_front, suffix).prop_map(|(in_front, suffix)| join(&in_front, &labels(suffix)))
}

fn raw_settings() -> impl Strategy<Value = RawSettings> {
    let custom_dns = prop_oneof![5 => Just(None), 1 => any::<u8>().prop_map(Some)];
    let is_enabled = || prop_oneof![5 => Just(true), 1 => Just(false)];
    let rule = (domain(), any::<u8>(), is_enabled());
    let policy = (100_u32..110, 0_u8..3, vec(domain(), 1..3), is_enabled());
    let policy = prop_oneof![2 => Just(Vec::new()).boxed(), 1 => vec(policy, 1..4).boxed()];
    (custom_dns, vec(rule, 0..6), policy).prop_map(|(custom_dns, rules, policy)| RawSettings {
        custom_dns,
        rules,
        policy,
    })
}

/// A random world with at least so many networks.
pub(crate) fn world(least_networks: usize) -> impl Strategy<Value = World> {
    let networks = prop_oneof![1 => least_networks..=3, 2 => Just(2), 2 => Just(3)];
    let settings = prop_oneof![1 => Just(None).boxed(), 1 => vec(raw_settings(), 3).prop_map(Some).boxed()];
    let upstream = prop_oneof![4 => Just(None), 1 => Just(Some(false)), 1 => Just(Some(true))];
    let name_servers = prop_oneof![2 => Just(Vec::new()).boxed(), 1 => vec(any::<Index>(), 1..3).boxed()];
    let parts = (networks, vec(raw_zone(), 1..7), settings, upstream, name_servers);
    parts.prop_map(|(networks, raw, settings, upstream, name_servers)| {
        let settings = settings.map(|raw| raw[..networks].iter().map(|raw| build_settings(raw, networks)).collect());
        let settings = settings.unwrap_or_else(|| vec![Settings::default(); networks]);
        let mut world = World { settings, upstream, ..build(networks, &raw) };
        add_name_servers(&mut world, &name_servers);
        world
    })
}

/// What a network might have in a world of so many.
pub(crate) fn settings_in(networks: usize) -> impl Strategy<Value = Settings> {
    raw_settings().prop_map(move |raw| build_settings(&raw, networks))
}

fn build_settings(raw: &RawSettings, networks: usize) -> Settings {
    let leads = |number: u8| match usize::from(number / 2) % (networks + 2) {
        network if network < networks && number.is_multiple_of(2) => Leads::Endpoint(network),
        network if network < networks => Leads::Forwarder(network),
        server => Leads::Server(2 + (server - networks) as u8),
    };
    let mut settings = Settings { custom_dns: raw.custom_dns.map(leads), ..Settings::default() };
    for (domain, number, is_enabled) in &raw.rules {
        if settings.rules.iter().all(|rule| rule.domain != *domain) {
            settings.rules.push(Rule { domain: domain.clone(), leads: leads(*number), is_enabled: *is_enabled });
        }
    }
    for (priority, action, domains, is_enabled) in &raw.policy {
        let action = [SecurityAction::Allow, SecurityAction::Alert, SecurityAction::Block][usize::from(*action)];
        if settings.policy.iter().all(|rule| rule.priority != *priority) {
            let (domains, is_enabled) = (domains.clone(), *is_enabled);
            settings.policy.push(PolicyRule { priority: *priority, action, domains, is_enabled });
        }
    }
    settings
}

/// A random zone that only `network` sees.
pub(crate) fn zone_of(network: usize) -> impl Strategy<Value = ZoneSpec> {
    raw_zone().prop_map(move |mut raw| {
        raw.is_public = false;
        // The last one, the root, is always public.
        raw.apex %= APEXES.len() - 1;
        let mut zone = build(0, &[raw]).zones.remove(0);
        zone.group = Some("unlinked".to_owned());
        zone.links = vec![(network, true)];
        zone
    })
}

fn build(networks: usize, raw: &[RawZone]) -> World {
    let apexes: Vec<Labels> = raw.iter().map(|zone| labels(APEXES[zone.apex])).collect();
    let owners: Vec<Labels> = std::iter::zip(raw, &apexes)
        .flat_map(|(zone, apex)| zone.sets.iter().map(move |set| join(&set.labels, apex)))
        .chain(apexes.iter().cloned())
        .collect();
    let mut zones: Vec<ZoneSpec> = Vec::new();
    for (number, (raw_zone, apex)) in std::iter::zip(raw, &apexes).enumerate() {
        let is_public = raw_zone.is_public || apex.is_empty();
        let group = (!is_public).then(|| format!("group{}", raw_zone.group));
        if zones.iter().any(|other| lower(&other.apex) == *apex && other.group == group) {
            continue;
        }
        // Azure links a network to one zone of a name only.
        let is_taken = |network: usize| {
            let of_name = zones.iter().filter(|other| lower(&other.apex) == *apex);
            of_name.flat_map(|other| &other.links).any(|(linked, _)| *linked == network)
        };
        let links = raw_zone.links[..networks].iter().enumerate();
        let links = links.filter(|(network, link)| !is_public && **link > 0 && !is_taken(*network));
        let mut zone = ZoneSpec {
            apex: in_case(apex, raw_zone.case),
            group,
            links: links.map(|(network, link)| (network, *link == 2)).collect(),
            soa_ttl: raw_zone.numbers[0].filter(|_| !is_public),
            minimum: raw_zone.numbers[1].filter(|_| !is_public),
            sets: Vec::new(),
        };
        if is_public {
            add_public_sets(&mut zone, number, raw_zone, raw, &apexes);
        }
        add_chain(&mut zone, raw_zone);
        for (at, set) in raw_zone.sets.iter().enumerate() {
            add_set(&mut zone, (number, at), set, &owners, &apexes);
        }
        zones.push(zone);
    }
    World { networks, zones, settings: Vec::new(), upstream: None, name_servers: Vec::new() }
}

/// Name servers in zones of the world, and one that is in none but the root.
fn add_name_servers(world: &mut World, indices: &[Index]) {
    let apexes: Vec<Labels> = world.zones.iter().map(|zone| lower(&zone.apex)).collect();
    let in_zone = |(at, index): (usize, &Index)| join(&labels(&format!("dns{at}")), index.get::<Labels>(&apexes));
    let in_zones = indices.iter().enumerate().map(in_zone);
    let names: Vec<Labels> = in_zones.chain((!indices.is_empty()).then(|| labels("dns.elsewhere"))).collect();
    let sets = || world.zones.iter().flat_map(|zone| &zone.sets);
    let is_hidden = |name: &Labels| sets().any(|set| set.rtype == DNAME && is_within(name, &lower(&set.owner)));
    let shown: Vec<Labels> = names.into_iter().filter(|name| !is_hidden(name)).collect();
    world.name_servers = shown;
}

/// What a public zone has at its apex, and where it delegates public zones below it.
fn add_public_sets(zone: &mut ZoneSpec, number: usize, raw_zone: &RawZone, raw: &[RawZone], apexes: &[Labels]) {
    let apex = apexes[number].clone();
    let host = |label: &str| to_wire(&join(&labels(label), &apex));
    let [ttl, minimum] = raw_zone.numbers.map(|number| number.unwrap_or(900));
    let numbers = [number as u32, 7200, 600, 1_209_600, minimum].map(u32::to_be_bytes).concat();
    let soa = [host("ns"), host("hostmaster"), numbers].concat();
    zone.insert(SetSpec { owner: apex.clone(), rtype: SOA, ttl, rdatas: vec![soa] });
    zone.insert(SetSpec { owner: apex.clone(), rtype: NS, ttl: 3600, rdatas: vec![host("ns"), host("b")] });
    if raw_zone.delegates {
        for (below, child) in std::iter::zip(raw, apexes) {
            if below.is_public && *child != apex {
                let server = to_wire(&join(&labels("ns"), child));
                zone.insert(SetSpec { owner: child.clone(), rtype: NS, ttl: 1800, rdatas: vec![server] });
            }
        }
    }
}

/// A chain of aliases near the bound: `n0`, `n1` and so on.
fn add_chain(zone: &mut ZoneSpec, raw_zone: &RawZone) {
    let Some(length) = raw_zone.chain else { return };
    let at = |step: usize| join(&labels(&format!("n{step}")), &zone.apex);
    let alias = |step| SetSpec { owner: at(step), rtype: CNAME, ttl: 60, rdatas: vec![to_wire(&at(step + 1))] };
    let mut sets: Vec<_> = (0..length).map(alias).collect();
    sets.push(SetSpec { owner: at(length), rtype: A, ttl: 60, rdatas: vec![vec![10, 9, 9, 9]] });
    for set in sets {
        zone.insert(set);
    }
}

fn add_set(zone: &mut ZoneSpec, number: (usize, usize), raw: &RawSet, owners: &[Labels], apexes: &[Labels]) {
    let rtype = match raw.rtype {
        NS if zone.group.is_some() => A,
        DNAME if zone.group.is_some() => CNAME,
        DS if zone.group.is_some() => TXT,
        rtype => rtype,
    };
    let owner = join(&raw.labels, &lower(&zone.apex));
    let targets: Vec<Labels> = raw.targets.iter().map(|target| self::target(target, &owner, owners, apexes)).collect();
    let (zone_number, set_number) = (number.0 as u8, number.1 as u8);
    let each = |make: &dyn Fn(u8) -> Vec<u8>| (0..raw.count as u8).map(make).collect::<Vec<_>>();
    let pointing = |before: &[u8]| -> Vec<Vec<u8>> {
        targets.iter().map(|target| [before, &to_wire(&in_case(target, raw.case))].concat()).collect()
    };
    let mut rdatas = match rtype {
        A => each(&|n| vec![10, zone_number, set_number, n]),
        AAAA => each(&|n| [&[0xfd; 13][..], &[zone_number, set_number, n]].concat()),
        TXT => each(&|n| {
            let text = format!("Text {n} of set {set_number} in zone {zone_number}");
            [&[text.len() as u8], text.as_bytes()].concat()
        }),
        DS => each(&|n| [&[0, n, 13, 2, zone_number, set_number][..], &[0xd5; 30]].concat()),
        MX => pointing(&[0, 10]),
        SRV => pointing(&[0, 1, 0, 2, 1, 187]),
        CNAME | DNAME => pointing(&[]).into_iter().take(1).collect(),
        _ => pointing(&[]),
    };
    rdatas.sort_by_key(|rdata| canonical_rdata(rtype, rdata));
    rdatas.dedup_by_key(|rdata| canonical_rdata(rtype, rdata));
    let glue = (rtype == NS).then_some(targets).into_iter().flatten().filter(|target| is_within(target, &owner));
    let glue: Vec<_> = glue.collect();
    let signer = (rtype == NS && raw.count == 2).then(|| vec![0, 1, 13, 2, zone_number, set_number]);
    zone.insert(SetSpec { owner: in_case(&owner, raw.case), rtype, ttl: raw.ttl, rdatas });
    for (at, host) in glue.into_iter().enumerate() {
        let addresses = each(&|n| vec![10, zone_number, set_number, 50 * (1 + at as u8) + n]);
        zone.insert(SetSpec { owner: host, rtype: A, ttl: 45, rdatas: addresses });
    }
    if let Some(ds) = signer {
        zone.insert(SetSpec { owner, rtype: DS, ttl: 90, rdatas: vec![ds] });
    }
}

fn target(raw: &RawTarget, owner: &Labels, owners: &[Labels], apexes: &[Labels]) -> Labels {
    match raw {
        RawTarget::Owner(index) => index.get(owners).clone(),
        RawTarget::Under(index, labels) => join(labels, index.get::<Labels>(apexes)),
        RawTarget::BelowOwner => join(&labels("ns"), owner),
        RawTarget::Elsewhere => labels("host.elsewhere"),
        RawTarget::Long => join(&vec![LONG_LABEL.to_vec(); 3], &apexes[0]),
    }
}

/// A random case: a world and what it is asked.
pub(crate) fn case(least_networks: usize, queries: usize) -> impl Strategy<Value = Case> {
    let name = prop_oneof![
        6 => any::<Index>().prop_map(RawName::Set),
        3 => any::<Index>().prop_map(RawName::Special),
        2 => any::<Index>().prop_map(RawName::Target),
        4 => any::<Index>().prop_map(RawName::Apex),
        3 => any::<Index>().prop_map(RawName::Domain),
        1 => select(&["windows.net", "azure.com", "elsewhere"][..]).prop_map(|name| RawName::Elsewhere(labels(name))),
        1 => Just(RawName::Root),
    ];
    let in_front = prop_oneof![10 => label(), 2 => Just(LONG_LABEL.to_vec()), 1 => Just(b"n0".to_vec())];
    let in_front = prop_oneof![
        2 => Just(Labels::new()).boxed(),
        2 => vec(in_front, 1).boxed(),
        1 => vec(label(), 2..=4).boxed(),
    ];
    // Mostly the type of the set that the name was taken from.
    let qtype = prop_oneof![1 => Just(None), 1 => select(&QUERY_TYPES[..]).prop_map(Some)];
    let network = prop_oneof![6 => any::<Index>().prop_map(Some), 1 => Just(None)];
    let payload_size = select(&[None, Some(1232), Some(1232), Some(4096), Some(700), Some(100)][..]);
    let query =
        (name, in_front, qtype, network, payload_size, any::<u64>(), prop_oneof![3 => Just(true), 1 => Just(false)]);
    (world(least_networks), vec(query, 1..=queries)).prop_map(|(world, raw)| {
        let query = |(name, in_front, qtype, network, payload_size, case, recursion_desired): (
            _,
            Labels,
            Option<u16>,
            Option<Index>,
            _,
            _,
            _,
        )| {
            let (end, stored) = name_in(&world, &name);
            let mut qname = join(&in_front, &end);
            while to_wire(&qname).len() > MAX_NAME {
                qname.remove(0);
            }
            let network = network.filter(|_| world.networks > 0).map(|network| network.index(world.networks));
            let qtype = qtype.unwrap_or(stored);
            Query { qname: in_case(&qname, case), qtype, network, recursion_desired, payload_size }
        };
        let queries = raw.into_iter().map(query).collect();
        Case { world, queries }
    })
}

/// A name in the world, and a type to ask for there.
fn name_in(world: &World, raw: &RawName) -> (Labels, u16) {
    let sets = || world.zones.iter().flat_map(|zone| &zone.sets);
    let own = |set: &SetSpec| (set.owner.clone(), set.rtype);
    let (index, names): (_, Vec<(Labels, u16)>) = match raw {
        RawName::Set(index) => (index, sets().map(own).collect()),
        RawName::Special(index) => {
            (index, sets().filter(|set| matches!(set.rtype, NS | DNAME)).map(|set| (own(set).0, A)).collect())
        }
        RawName::Target(index) => {
            let targets = sets().flat_map(SetSpec::targets).chain(world.name_servers.iter().cloned());
            (index, targets.map(|target| (target, A)).collect())
        }
        RawName::Apex(index) => {
            let rtype = if world.name_servers.is_empty() { A } else { NS };
            (index, world.zones.iter().map(|zone| (zone.apex.clone(), rtype)).collect())
        }
        RawName::Domain(index) => {
            let rules = world.settings.iter().flat_map(|settings| &settings.rules).map(|rule| &rule.domain);
            let policies = world.settings.iter().flat_map(|settings| &settings.policy).flat_map(|rule| &rule.domains);
            (index, rules.chain(policies).map(|domain| (domain.clone(), A)).collect())
        }
        RawName::Elsewhere(name) => return (name.clone(), A),
        RawName::Root => return (Labels::new(), A),
    };
    if names.is_empty() { (Labels::new(), A) } else { index.get(&names).clone() }
}
