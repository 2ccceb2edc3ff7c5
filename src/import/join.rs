//! Joins resources of several files by their IDs, ignoring letter case.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_json::{Map, Value};

use super::resource::why_unknown;
use super::value::{flattened, get, text};
use super::{LeftOut, MAX_RESOURCES, Mistake, Place, Read, Resource};
use crate::azure::{ResourceId, ResourceIdError, Subscription};

/// Placeholder in an ID for an unknown subscription.
const UNKNOWN_SUBSCRIPTION: &str = "<unknown>";

/// A resource, joined from all files that describe it.
#[derive(Clone, Debug)]
pub(super) struct Joined {
    pub(super) id: ResourceId,
    /// Its type in lower case.
    pub(super) kind: String,
    pub(super) location: Option<String>,
    /// Its properties; a nested `properties` object is merged into the object that holds it.
    pub(super) body: Value,
    /// `kind` and `sku`.
    pub(super) extra: Map<String, Value>,
    /// Where it was read; no place twice.
    pub(super) places: Vec<Place>,
}

/// All resources.
#[derive(Debug, Default)]
pub(super) struct Resources {
    /// In the order of the files.
    pub(super) all: Vec<Joined>,
    pub(super) left_out: Vec<LeftOut>,
    pub(super) passed_over: BTreeMap<String, usize>,
    pub(super) notes: Vec<String>,
    by_id: HashMap<ResourceId, usize>,
}

impl Resources {
    /// Joins the resources of all files.
    ///
    /// # Errors
    /// Resources with the same ID and different properties, each with both places.
    pub(super) fn new(files: Vec<Read>) -> Result<Self, Vec<Mistake>> {
        let subscription = sole_subscription(&files);
        let (mut resources, mut mistakes) = (Self::default(), Vec::new());
        for read in files {
            resources.left_out.extend(read.left_out);
            super::listing::add(&mut resources.passed_over, read.passed_over);
            resources.notes.extend(read.notes);
            for resource in read.resources {
                if resources.all.len() >= MAX_RESOURCES {
                    let what = format!("more than {MAX_RESOURCES} resources");
                    mistakes.push(Mistake::new(resource.place, what, "import the subscriptions one by one"));
                    return Err(mistakes);
                }
                resources.add(resource, &subscription, &mut mistakes);
            }
        }
        if mistakes.is_empty() { Ok(resources) } else { Err(mistakes) }
    }

    /// The resource of an ID.
    pub(super) fn get(&self, id: &ResourceId) -> Option<&Joined> {
        self.by_id.get(id).map(|number| &self.all[*number])
    }

    /// All resources of a type, which is in lower case.
    pub(super) fn of_kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Joined> {
        self.all.iter().filter(move |resource| resource.kind == kind)
    }

    fn add(&mut self, resource: Resource, subscription: &str, mistakes: &mut Vec<Mistake>) {
        let Resource { id, kind, location, properties, extra, place } = resource;
        let id = match parse(&id, subscription) {
            Ok(id) => id,
            Err(error) => {
                // Extension resources, and resources outside of resource groups, do not affect DNS.
                if !matches!(error, ResourceIdError::Extension | ResourceIdError::NoResourceGroup) {
                    let why = format!("its resource ID cannot be read: {error}");
                    self.left_out.push(LeftOut { place, what: kind, why });
                } else {
                    *self.passed_over.entry(kind).or_default() += 1;
                }
                return;
            }
        };
        let kind = id.resource_type().to_ascii_lowercase();
        let mut body = flattened(properties);
        let mut subnets = Vec::new();
        if kind == "microsoft.network/virtualnetworks" {
            subnets = take_list(&mut body, "subnets");
        }
        for (number, subnet) in subnets.into_iter().enumerate() {
            let place = Place { address: format!("{}.subnets[{number}]", place.address), ..place.clone() };
            match text(&subnet, "name").map(|name| id.child("subnets", name)) {
                Some(Ok(id)) => {
                    let kind = id.resource_type().to_ascii_lowercase();
                    let subnet =
                        Joined { id, kind, location: None, body: subnet, extra: Map::new(), places: vec![place] };
                    self.insert(subnet, mistakes);
                }
                _ => {
                    let why = "it has no name".to_owned();
                    self.left_out.push(LeftOut { place, what: "a subnet".to_owned(), why });
                }
            }
        }
        self.insert(Joined { id, kind, location, body, extra, places: vec![place] }, mistakes);
    }

    fn insert(&mut self, resource: Joined, mistakes: &mut Vec<Mistake>) {
        let Some(number) = self.by_id.get(&resource.id).copied() else {
            self.by_id.insert(resource.id.clone(), self.all.len());
            self.all.push(resource);
            return;
        };
        let known = &mut self.all[number];
        let mut differences = Vec::new();
        for member in members_of(&known.kind) {
            merge_member(&mut known.body, &resource.body, member, member, &mut differences);
        }
        if let Some(member) = differences.first() {
            let (first, second) = (&known.places[0], &resource.places[0]);
            let what = format!("{} is described in two ways: {member} differs from that in {first}", known.id);
            let mend = "import one of the two, or make both anew at one time";
            mistakes.push(Mistake::new(second.clone(), what, mend));
            return;
        }
        for (name, member) in resource.extra {
            known.extra.entry(name).or_insert(member);
        }
        known.location = known.location.take().or(resource.location);
        let new = resource.places.into_iter().filter(|place| !known.places.contains(place)).collect::<Vec<_>>();
        known.places.extend(new);
    }
}

/// The properties of a type that affect DNS; two descriptions may differ in all others, such as `etag`.
fn members_of(kind: &str) -> &'static [&'static str] {
    match kind {
        "microsoft.network/virtualnetworks" => &["addressSpace", "dhcpOptions"],
        "microsoft.network/virtualnetworks/subnets" => &["addressPrefix", "addressPrefixes"],
        "microsoft.network/privateendpoints" => &[
            "subnet",
            "privateLinkServiceConnections",
            "manualPrivateLinkServiceConnections",
            "ipConfigurations",
            "customDnsConfigs",
            "networkInterfaces",
            "customNetworkInterfaceName",
        ],
        "microsoft.network/privateendpoints/privatednszonegroups" => &["privateDnsZoneConfigs"],
        "microsoft.network/networkinterfaces" => {
            &["ipConfigurations", "dnsSettings", "virtualMachine", "privateEndpoint"]
        }
        "microsoft.network/privatednszones/virtualnetworklinks" => {
            &["virtualNetwork", "registrationEnabled", "resolutionPolicy"]
        }
        "microsoft.network/dnsresolvers" => &["virtualNetwork"],
        "microsoft.network/dnsresolvers/inboundendpoints" => &["ipConfigurations"],
        "microsoft.network/dnsforwardingrulesets/forwardingrules" => {
            &["domainName", "targetDnsServers", "forwardingRuleState"]
        }
        "microsoft.network/dnsforwardingrulesets/virtualnetworklinks" => &["virtualNetwork"],
        "microsoft.network/privatelinkservices" => &["alias"],
        "microsoft.compute/virtualmachines" => &["osProfile", "networkProfile"],
        _ if kind.starts_with("microsoft.network/privatednszones/") => &[
            "ttl",
            "aRecords",
            "aaaaRecords",
            "cnameRecord",
            "mxRecords",
            "ptrRecords",
            "srvRecords",
            "txtRecords",
            "soaRecord",
            "isAutoRegistered",
            "metadata",
        ],
        _ => &[],
    }
}

/// Members, at any depth, that are not configuration.
const NOISE: [&str; 9] = [
    "actionsRequired",
    "description",
    "etag",
    "id",
    "name",
    "provisioningState",
    "resourceGroup",
    "serialNumber",
    "type",
];

/// Adds to one description what the other has more, and records the paths at which they differ.
fn merge_member(known: &mut Value, other: &Value, name: &str, path: &str, differences: &mut Vec<String>) {
    let Some(theirs) = get(other, name) else { return };
    let Some(object) = known.as_object_mut() else { return };
    let key = object.keys().find(|key| key.eq_ignore_ascii_case(name)).cloned();
    let ours = key.and_then(|key| object.get_mut(&key));
    match ours {
        None => _ = object.insert(name.to_owned(), theirs.clone()),
        Some(ours) if is_empty(ours) => *ours = theirs.clone(),
        Some(_) if is_empty(theirs) => {}
        Some(ours @ Value::Object(_)) if theirs.is_object() && text(ours, "id").is_none() => {
            let names = theirs.as_object().map(|object| object.keys().cloned().collect::<Vec<_>>()).unwrap_or_default();
            for name in names.iter().filter(|name| !NOISE.contains(&name.as_str())) {
                merge_member(ours, theirs, name, &format!("{path}.{name}"), differences);
            }
        }
        Some(ours) if canonical(ours) != canonical(theirs) => {
            differences.push(path.to_owned());
        }
        Some(_) => {}
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(elements) => elements.is_empty(),
        Value::String(text) => text.is_empty(),
        Value::Object(object) => object.is_empty() || why_unknown(value).is_some(),
        _ => false,
    }
}

/// The form in which values are compared: without members that are not configuration, member names and IDs in lower case, and
/// references as the ID alone.
fn canonical(value: &Value) -> Value {
    match value {
        Value::Object(object) => {
            if let Some(id) = text(value, "id").filter(|id| object.len() <= 2 && id.starts_with('/')) {
                return Value::String(id.to_ascii_lowercase());
            }
            let members = object.iter().filter(|(name, member)| {
                !is_empty(member) && !NOISE.iter().any(|noise| noise.eq_ignore_ascii_case(name))
            });
            Value::Object(members.map(|(name, member)| (name.to_ascii_lowercase(), canonical(member))).collect())
        }
        Value::Array(elements) => Value::Array(elements.iter().map(canonical).collect()),
        Value::String(text) if text.starts_with('/') => Value::String(text.to_ascii_lowercase()),
        other => other.clone(),
    }
}

/// Reads an ID.
pub(super) fn parse(id: &str, subscription: &str) -> Result<ResourceId, ResourceIdError> {
    match id.contains(UNKNOWN_SUBSCRIPTION) {
        true => id.replacen(UNKNOWN_SUBSCRIPTION, subscription, 1).parse(),
        false => id.trim_end_matches('/').parse(),
    }
}

/// The only subscription that the files name; the zero GUID if they name several or none.
fn sole_subscription(files: &[Read]) -> Arc<str> {
    let ids = files.iter().flat_map(|read| &read.resources).map(|resource| resource.id.as_str());
    let mut subscriptions =
        ids.filter_map(|id| id.split('/').nth(2)).filter(|word| word.parse::<Subscription>().is_ok());
    let first = subscriptions.next().unwrap_or(Subscription::DEFAULT);
    let is_sole = subscriptions.all(|other| other.eq_ignore_ascii_case(first));
    Arc::from(if is_sole { first } else { Subscription::DEFAULT })
}

fn take_list(body: &mut Value, name: &str) -> Vec<Value> {
    let Some(object) = body.as_object_mut() else { return Vec::new() };
    let Some(key) = object.keys().find(|key| key.eq_ignore_ascii_case(name)).cloned() else { return Vec::new() };
    match object.remove(&key) {
        Some(Value::Array(elements)) => elements,
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const LINK: &str = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg/providers/Microsoft.Network/\
                        privateDnsZones/a.test/virtualNetworkLinks/l";

    fn read(file: &str, id: &str, properties: Value) -> Read {
        let kind = crate::import::listing::kind_of(id).expect("a type");
        let place = Place::new(&Arc::from(file), "[0]");
        let resource = Resource { id: id.to_owned(), kind, location: None, properties, extra: Map::new(), place };
        Read { resources: vec![resource], ..Read::default() }
    }

    #[test]
    fn one_id_in_other_letters_is_one_resource_with_the_members_of_both() {
        let network = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg/providers/N/v/n";
        let first = json!({"virtualNetwork": {"id": network}, "registrationEnabled": null, "etag": "a"});
        let second = json!({"virtualNetwork": {"id": network.to_uppercase(), "resourceGroup": "rg"}, "registrationEnabled": true, "etag": "b"});
        let resources =
            Resources::new(vec![read("a", LINK, first), read("b", &LINK.to_lowercase(), second)]).expect("one");
        let [link] = resources.all.as_slice() else { panic!("one") };
        assert_eq!(get(&link.body, "registrationEnabled"), Some(&json!(true)));
        assert_eq!(link.places.len(), 2);
    }

    #[test]
    fn two_bodies_for_one_id_are_named_both() {
        let first = read("a.json", LINK, json!({"resolutionPolicy": "Default"}));
        let second = read("b.json", LINK, json!({"properties": {}, "resolutionPolicy": "NxDomainRedirect"}));
        let mistakes = Resources::new(vec![first, second]).expect_err("different");
        let [mistake] = mistakes.as_slice() else { panic!("one") };
        assert_eq!(mistake.place.to_string(), "b.json: [0]");
        assert!(mistake.what.contains("a.json: [0]") && mistake.what.contains("resolutionPolicy"), "{}", mistake.what);
    }

    #[test]
    fn an_unknown_subscription_is_the_one_of_the_file() {
        let unknown = LINK.replace("00000000-0000-0000-0000-000000000001", UNKNOWN_SUBSCRIPTION).replace("/l", "/m");
        let resources = Resources::new(vec![read("a", LINK, json!({})), read("b", &unknown, json!({}))]).expect("two");
        assert_eq!(resources.all.len(), 2);
        let group = |at: usize| resources.all[at].id.resource_group().clone();
        assert_eq!(group(0), group(1));
    }

    #[test]
    fn subnets_of_a_network_are_resources_of_their_own() {
        let id = LINK.split("/privateDnsZones").next().unwrap().to_owned() + "/virtualNetworks/v";
        let network = json!({"subnets": [{"name": "s", "properties": {"addressPrefix": "10.0.0.0/24"}}, {}]});
        let resources = Resources::new(vec![read("a", &id, network)]).expect("read");
        let subnet = resources.of_kind("microsoft.network/virtualnetworks/subnets").next().expect("a subnet");
        assert_eq!((subnet.id.names(), text(&subnet.body, "addressPrefix")), ("v/s", Some("10.0.0.0/24")));
        assert_eq!(resources.left_out[0].place.address, "[0].subnets[1]");
    }
}
