//! Private DNS zones with links and record sets.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::networks::Networks;
use super::{Estate, heading, places};
use crate::azure::{Address, ResourceId};
use crate::dns::Name;
use crate::import::join::Joined;
use crate::import::toml::{Toml, list, quoted, table};
use crate::import::value::{flag, get, list as elements, number, reference, text, texts, why_missing};
use crate::import::{LeftOut, Place, why_unknown};

/// Azure's default SOA record of a private zone (Microsoft Learn, "Overview of DNS zones and records", "SOA records"): member of
/// `soaRecord`, key of `soa`, value.
const SOA: [(&str, &str, u64); 4] = [
    ("refreshTime", "refresh_time", 3600),
    ("retryTime", "retry_time", 300),
    ("expireTime", "expire_time", 2_419_200),
    ("minimumTtl", "minimum_ttl", 10),
];
const SOA_TTL: u64 = 3600;
const SOA_EMAIL: &str = "azureprivatedns-host.microsoft.com";
/// TTL of a record set without one, which templates allow.
const DEFAULT_TTL: u64 = 3600;

/// The zones of an import.
pub(super) struct Zones {
    zones: Vec<Zone>,
    by_id: HashMap<ResourceId, usize>,
}

struct Zone {
    id: ResourceId,
    places: Vec<Place>,
    is_described: bool,
    links: Vec<Link>,
    soa: Vec<(&'static str, String)>,
    record_sets: Vec<RecordSet>,
    /// Owner and type of each record set, in lower case.
    names: HashSet<(String, String)>,
    /// Whether it has an autoregistered record set of a machine that is in no file.
    has_registered: bool,
    /// The master file with its records, where it comes from a DNS server's configuration.
    file: Option<String>,
}

struct Link {
    name: String,
    network: ResourceId,
    registration: bool,
    policy: Option<String>,
    place: Place,
}

/// A record set as it will be written.
pub(super) struct RecordSet {
    /// Relative to the zone.
    pub(super) name: String,
    pub(super) rtype: String,
    pub(super) ttl: u64,
    /// Each record in TOML; empty if they are unknown.
    pub(super) records: Vec<String>,
    pub(super) place: Place,
    /// The name of the private endpoint that created it.
    pub(super) creator: Option<String>,
    /// A remark about it.
    pub(super) note: Option<String>,
}

impl Zones {
    /// Reads zones, without the record sets that autoregistration of one of the machines creates.
    pub(super) fn collect(estate: &mut Estate<'_>, networks: &mut Networks, machines: &HashSet<String>) -> Self {
        let mut zones = Self { zones: Vec::new(), by_id: HashMap::new() };
        let resources = estate.resources;
        for resource in resources.of_kind("microsoft.network/privatednszones") {
            if resource.id.name().parse::<Name>().is_err() {
                estate.leave_out(&resource.places[0], resource.id.name(), "its name is not a domain name");
                continue;
            }
            let number = zones.insert(&resource.id, resource.places.clone(), true);
            zones.zones[number].file = resource.extra.get("file").and_then(Value::as_str).map(str::to_owned);
        }
        for resource in resources.of_kind("microsoft.network/privatednszones/virtualnetworklinks") {
            let network = reference(&resource.body, "virtualNetwork");
            let place = &resource.places[0];
            let what = format!("link {}", resource.id.names());
            if network.is_none() {
                estate.leave_out(
                    place,
                    what,
                    unknown_member(&resource.body, "virtualNetwork", "its network is not told"),
                );
                continue;
            }
            let Some(network) = estate.reference(resource, "network", network) else { continue };
            let Some(number) = resource.id.parent().map(|zone| zones.number(&zone, resource)) else { continue };
            networks.refer(estate, &network, resource);
            let policy = text(&resource.body, "resolutionPolicy");
            let known = ["Default", "NxDomainRedirect"];
            let policy = match policy {
                Some(policy) if !known.iter().any(|known| policy.eq_ignore_ascii_case(known)) => {
                    estate.leave_out(
                        place,
                        format!("{what}: its policy {policy:?}"),
                        "there is no such policy; Default counts",
                    );
                    None
                }
                policy => policy,
            };
            zones.zones[number].links.push(Link {
                name: resource.id.name().to_owned(),
                network,
                registration: flag(&resource.body, "registrationEnabled").unwrap_or(false),
                policy: policy.map(str::to_owned),
                place: place.clone(),
            });
        }
        for resource in &resources.all {
            let Some(rtype) = resource.kind.strip_prefix("microsoft.network/privatednszones/") else { continue };
            if rtype == "virtualnetworklinks" {
                continue;
            }
            let Some(zone) = resource.id.parent() else { continue };
            let number = zones.number(&zone, resource);
            if flag(&resource.body, "isAutoRegistered") == Some(true) {
                zones.zones[number].has_registered = true;
                if machines.contains(&resource.id.name().to_ascii_lowercase()) {
                    continue;
                }
                let why = "registered automatically: it follows from a virtual machine, and is not taken over as written by hand";
                let what = format!("{} {}", rtype.to_ascii_uppercase(), resource.id.names());
                estate.leave_out(&resource.places[0], what, why);
                continue;
            }
            match rtype {
                "soa" => zones.zones[number].soa = soa(resource),
                "a" | "aaaa" | "cname" | "mx" | "ptr" | "srv" | "txt" => match record_set(resource, rtype) {
                    Ok((set, why)) => {
                        if let Some(why) = why {
                            let what = format!("records of {} {}", rtype.to_ascii_uppercase(), resource.id.names());
                            estate.not_known(&resource.places[0], what, why);
                        }
                        zones.push(number, set);
                    }
                    Err(why) => {
                        let what = format!("{} {}", rtype.to_ascii_uppercase(), resource.id.names());
                        estate.leave_out(&resource.places[0], what, why);
                    }
                },
                _ => {
                    let what = format!("{} {}", resource.id.resource_type(), resource.id.names());
                    estate.leave_out(&resource.places[0], what, "private zones have no record sets of this type");
                }
            }
        }
        zones
    }

    fn insert(&mut self, id: &ResourceId, places: Vec<Place>, is_described: bool) -> usize {
        let number = self.zones.len();
        self.by_id.insert(id.clone(), number);
        self.zones.push(Zone {
            id: id.clone(),
            places,
            is_described,
            links: Vec::new(),
            soa: Vec::new(),
            record_sets: Vec::new(),
            names: HashSet::new(),
            has_registered: false,
            file: None,
        });
        number
    }

    /// The number of a zone that a resource refers to.
    fn number(&mut self, id: &ResourceId, from: &Joined) -> usize {
        match self.by_id.get(id) {
            Some(number) => *number,
            None => self.insert(id, vec![from.places[0].clone()], false),
        }
    }

    /// Notes that a resource refers to a zone.
    pub(super) fn refer(&mut self, estate: &Estate<'_>, id: &ResourceId, from: &Joined) {
        if !estate.is_declared_beside(id) {
            self.number(id, from);
        }
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = &ResourceId> {
        self.zones.iter().map(|zone| &zone.id)
    }

    fn push(&mut self, number: usize, set: RecordSet) {
        let zone = &mut self.zones[number];
        zone.names.insert((set.name.to_ascii_lowercase(), set.rtype.to_ascii_lowercase()));
        zone.record_sets.push(set);
    }

    /// The record sets that private endpoints created, according to their metadata, each with its zone, by the endpoint's name in
    /// lower case.
    pub(super) fn by_creator(&self) -> HashMap<String, Vec<(&ResourceId, &RecordSet)>> {
        let mut written: HashMap<String, Vec<_>> = HashMap::new();
        for (zone, set) in self.zones.iter().flat_map(|zone| zone.record_sets.iter().map(move |set| (&zone.id, set))) {
            if let Some(creator) = &set.creator {
                written.entry(creator.to_ascii_lowercase()).or_default().push((zone, set));
            }
        }
        written
    }

    /// Notes networks with autoregistration for which the files have no machine.
    pub(super) fn registration(&self, estate: &mut Estate<'_>, with_machines: &HashSet<ResourceId>) {
        for zone in self.zones.iter().filter(|zone| !zone.has_registered) {
            for link in zone.links.iter().filter(|link| link.registration && !with_machines.contains(&link.network)) {
                let network = link.network.name();
                estate.doubts.push(LeftOut {
                    place: link.place.clone(),
                    what: format!("link {}/{}", zone.id.name(), link.name),
                    why: format!(
                        "it registers the machines of {network}, and the files have none: their names are missing"
                    ),
                });
            }
        }
    }

    /// Removes the record sets that vnetdns derives from private endpoints, given as zone, owner and type in lower case.
    pub(super) fn retain_others(&mut self, derived: &HashSet<(ResourceId, String, String)>) {
        for zone in &mut self.zones {
            zone.record_sets.retain(|set| {
                let key = (zone.id.clone(), set.name.to_ascii_lowercase(), set.rtype.to_ascii_lowercase());
                set.creator.is_none() || !derived.contains(&key)
            });
            for set in zone.record_sets.iter_mut().filter(|set| set.creator.is_some()) {
                let creator = set.creator.as_deref().unwrap_or_default();
                set.note = Some(format!("written by private endpoint {creator}, from which it does not follow here"));
            }
        }
    }

    /// Adds a record set of a zone group, unless the zone already has one of its name and type.
    pub(super) fn add(&mut self, zone: &ResourceId, set: RecordSet) {
        let Some(number) = self.by_id.get(zone) else { return };
        let (number, key) = (*number, (set.name.to_ascii_lowercase(), set.rtype.to_ascii_lowercase()));
        if !self.zones[number].names.contains(&key) {
            self.push(number, set);
        }
    }

    pub(super) fn write(&self, estate: &Estate<'_>, toml: &mut Toml) {
        if self.zones.is_empty() {
            return;
        }
        heading("Private DNS zones", toml);
        for zone in &self.zones {
            toml.gap();
            toml.from(places(&zone.places));
            match zone.is_described {
                true => toml.comment(&places(&zone.places)),
                false => toml.comment(&format!("in none of the files; named by {}", places(&zone.places))),
            }
            toml.line("[[private_dns_zone]]");
            estate.identity(&zone.id, zone.id.name(), toml);
            if let Some(file) = &zone.file {
                toml.key("file", &quoted(file));
            }
            if !zone.soa.is_empty() {
                toml.key("soa", &table(zone.soa.iter().map(|(key, value)| (*key, value.clone()))));
            }
            if !zone.links.is_empty() {
                toml.line("virtual_network_links = [");
                for link in &zone.links {
                    toml.from(&link.place);
                    let mut members =
                        vec![("virtual_network", estate.quoted_label(&link.network)), ("name", quoted(&link.name))];
                    if link.registration {
                        members.push(("registration_enabled", "true".to_owned()));
                    }
                    if let Some(policy) =
                        link.policy.as_deref().filter(|policy| !policy.eq_ignore_ascii_case("Default"))
                    {
                        let is_redirect = policy.eq_ignore_ascii_case("NxDomainRedirect");
                        members
                            .push(("resolution_policy", quoted(if is_redirect { "NxDomainRedirect" } else { policy })));
                    }
                    toml.line(&format!(
                        "    {}, {}",
                        table(members),
                        crate::import::toml::comment(&link.place.to_string())
                    ));
                }
                toml.line("]");
            }
            if !zone.record_sets.is_empty() {
                toml.line("record_set = [");
                for set in &zone.record_sets {
                    toml.from(&set.place);
                    let records = match set.records.is_empty() {
                        true => quoted(Address::UNKNOWN),
                        false => format!("[{}]", set.records.join(", ")),
                    };
                    let members = [
                        ("name", quoted(&set.name)),
                        ("type", quoted(&set.rtype)),
                        ("ttl", set.ttl.to_string()),
                        ("records", records),
                    ];
                    let note = set.note.as_ref().map_or_else(String::new, |note| format!("; {note}"));
                    let comment = crate::import::toml::comment(&format!("{}{note}", set.place));
                    toml.line(&format!("    {}, {comment}", table(members)));
                }
                toml.line("]");
            }
        }
    }
}

/// Why a member, or the ID in it, is unknown.
pub(super) fn unknown_member(value: &Value, name: &str, otherwise: &str) -> String {
    let member = value
        .as_object()
        .and_then(|object| object.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, member)| member));
    let why = member.and_then(|member| why_unknown(member).or_else(|| why_unknown(member.get("id")?)));
    why.map_or_else(|| otherwise.to_owned(), |why| format!("{otherwise}: {why}"))
}

/// The members of the SOA record that differ from Azure's default.
fn soa(resource: &Joined) -> Vec<(&'static str, String)> {
    let Some(record) = get(&resource.body, "soaRecord") else { return Vec::new() };
    let email = text(record, "email").filter(|email| !email.trim_end_matches('.').eq_ignore_ascii_case(SOA_EMAIL));
    let email = email.filter(|email| email.replacen('@', ".", 1).parse::<Name>().is_ok());
    let numbers = SOA.into_iter().filter_map(|(member, key, usual)| {
        let value = number(record, member).filter(|value| *value != usual)?;
        Some((key, value.to_string()))
    });
    let ttl = number(&resource.body, "ttl").filter(|ttl| *ttl != SOA_TTL).map(|ttl| ("ttl", ttl.to_string()));
    email.map(|email| ("email", quoted(email))).into_iter().chain(numbers).chain(ttl).collect()
}

/// The name of the private endpoint that created a record set.
fn creator(body: &Value) -> Option<String> {
    let creator = text(get(body, "metadata")?, "creator")?;
    let rest = creator.strip_prefix("created by private endpoint ")?;
    Some(rest.split_whitespace().next()?.to_owned())
}

/// Reads a record set; the text says why its records are unknown, where they are.
fn record_set(resource: &Joined, rtype: &str) -> Result<(RecordSet, Option<String>), String> {
    let body = &resource.body;
    let (mut records, mut why_not) = (Vec::new(), None);
    let mut take = |member: &str, record: &dyn Fn(&Value) -> Option<String>| -> Result<(), String> {
        for element in elements(body, member) {
            match record(element) {
                Some(record) => records.push(record),
                None => {
                    let of_members = || element.as_object()?.values().find_map(|member| why_unknown(member));
                    let why = why_unknown(element).or_else(of_members).map(str::to_owned);
                    why_not = Some(why.ok_or_else(|| format!("{member} has an element that is none"))?);
                }
            }
        }
        Ok(())
    };
    let name = |text: &str| text.parse::<Name>().is_ok().then(|| quoted(text));
    let target = |element: &Value, name: &str| -> Option<String> {
        text(element, name).filter(|target| target.parse::<Name>().is_ok()).map(str::to_owned)
    };
    let one = |name: &'static str| {
        move |element: &Value| {
            crate::import::value::address(element, name)
                .filter(|address| address.is_ipv4() == name.starts_with("ipv4"))
                .map(|address| quoted(&address.to_string()))
        }
    };
    match rtype {
        "a" => take("aRecords", &one("ipv4Address"))?,
        "aaaa" => take("aaaaRecords", &one("ipv6Address"))?,
        "ptr" => take("ptrRecords", &|element| target(element, "ptrdname").as_deref().map(quoted))?,
        "mx" => take("mxRecords", &|element| {
            Some(quoted(&format!("{} {}", number(element, "preference")?, target(element, "exchange")?)))
        })?,
        "srv" => take("srvRecords", &|element| {
            let [priority, weight, port] = ["priority", "weight", "port"].map(|name| number(element, name));
            Some(quoted(&format!("{} {} {} {}", priority?, weight?, port?, target(element, "target")?)))
        })?,
        "txt" => take("txtRecords", &|element| {
            let strings = get(element, "value").map(|_| texts_untrimmed(element))?;
            Some(match strings.as_slice() {
                [] => return None,
                [one] => quoted(one),
                several => list(several),
            })
        })?,
        _ => {
            let cname = get(body, "cnameRecord").and_then(|record| text(record, "cname"));
            records.extend(cname.and_then(name));
        }
    }
    let member = if rtype == "cname" { "cnameRecord".to_owned() } else { format!("{rtype}Records") };
    let of_cname = || get(body, "cnameRecord").and_then(|record| why_missing(record, "cname"));
    let whole = why_missing(body, &member).or_else(of_cname);
    let why_not = why_not.or_else(|| whole.map(str::to_owned));
    if why_not.is_some() {
        // If one record is unknown, the whole set is.
        records.clear();
    } else if records.is_empty() {
        return Err("it has no records".to_owned());
    }
    let zone = resource.id.parent().map_or_else(String::new, |zone| zone.name().to_owned());
    let name = match resource.id.name() {
        // Some tools write the zone's name for the apex.
        name if name.eq_ignore_ascii_case(&zone) => "@",
        name => name,
    };
    let set = RecordSet {
        name: name.to_owned(),
        rtype: rtype.to_ascii_uppercase(),
        ttl: number(body, "ttl").unwrap_or(DEFAULT_TTL),
        records,
        place: resource.places[0].clone(),
        creator: creator(body),
        note: None,
    };
    Ok((set, why_not))
}

/// The strings of one TXT record; white space is kept.
fn texts_untrimmed(element: &Value) -> Vec<String> {
    match get(element, "value") {
        Some(Value::Array(strings)) => strings.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        Some(Value::String(string)) => vec![string.clone()],
        _ => texts(element, "value").into_iter().map(str::to_owned).collect(),
    }
}
