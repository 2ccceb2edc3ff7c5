//! The azapi provider, whose bodies are those of Azure Resource Manager.

use serde_json::{Map, Value};

use super::super::{Place, unknown};
use super::collected::{Collected, Said, Standing};
use super::instance::{Instance, elements};
use super::values::{Body, Values, fill};
use super::{Translation, arm_id, service};

/// Adds the resources that an instance describes.
pub(super) fn add(instance: &Instance<'_>, place: &Place, collected: &mut Collected) -> Translation {
    let values = instance.values();
    let standing = match (instance.kind, instance.managed) {
        ("azapi_resource", true) => Standing::Managed,
        ("azapi_resource", false) => Standing::Data,
        ("azapi_update_resource", true) => Standing::Aside,
        ("azapi_resource_list", false) => return list(values, place, collected),
        _ => return Translation::NotNeeded,
    };
    let kind = values.get("type").text().and_then(|kind| kind.split('@').next()).unwrap_or_default();
    if !is_needed(kind) {
        return Translation::NotNeeded;
    }
    // For `azapi_update_resource`, both attributes hold the ID of the updated resource.
    let id =
        values.get("id").text().filter(|id| arm_id::kind(id).is_some()).or_else(|| values.get("resource_id").text());
    let Some(id) = id.filter(|id| arm_id::kind(id).is_some()) else {
        let why = match values.get("id").json() {
            Some(Value::String(_)) => "its `id` is no ID of a resource".to_owned(),
            Some(not_told) => {
                format!("its `id` is {}", super::super::why_unknown(&not_told).unwrap_or("no text"))
            }
            None => "it has no `id`".to_owned(),
        };
        return Translation::LeftOut(why);
    };
    let (body, mut whole) = match (object(values.get("body")), object(values.get("output"))) {
        (Ok(body), Ok(output)) => (body, output),
        (Err(why), _) | (_, Err(why)) => return Translation::LeftOut(why),
    };
    // The service's response is preferred: it has the values that Azure added.
    fill(&mut whole, body);
    let location = values.get("location").text().map(str::to_owned);
    collected.add(id, standing, said(kind, &whole, location), place);
    Translation::Added
}

/// Adds each element of a list; `output` is the whole response if the configuration asked for it.
fn list(values: Values<'_>, place: &Place, collected: &mut Collected) -> Translation {
    let Ok(output) = object(values.get("output")) else { return Translation::NotNeeded };
    let mut translation = Translation::NotNeeded;
    for resource in elements(&output["value"]) {
        let Some(id) = resource["id"].as_str() else { continue };
        let Some(kind) = arm_id::kind(id).filter(|kind| is_needed(kind)) else { continue };
        collected.add(id, Standing::Data, said(&kind, resource, None), place);
        translation = Translation::Added;
    }
    translation
}

/// A body: an object, or JSON in a string (azapi 1). Sensitive values and values known after apply stay unknown.
fn object(values: Values<'_>) -> Result<Value, String> {
    match values.json() {
        Some(Value::String(text)) => match serde_json::from_str(&text) {
            Ok(object @ Value::Object(_)) => Ok(object),
            _ => Err("its `body` or `output` is a text that holds no JSON object".to_owned()),
        },
        value => Ok(value.unwrap_or_default()),
    }
}

fn said(kind: &str, body: &Value, location: Option<String>) -> Said {
    let mut extra = Map::new();
    if let Some(kind) = body["kind"].as_str() {
        extra.insert("kind".to_owned(), kind.into());
    }
    if let Some(sku) = body["sku"]["name"].as_str() {
        extra.insert("sku".to_owned(), Value::Object(Map::from_iter([("name".to_owned(), sku.into())])));
    }
    let location = location.or_else(|| body["location"].as_str().map(str::to_owned));
    let properties = match super::super::why_unknown(body) {
        Some(why) => unknown(why),
        None => copied(kind, &body["properties"]),
    };
    Said { location, properties, extra }
}

/// Types of Microsoft.Network that affect DNS, and their child types.
const NETWORK: [&str; 9] = [
    "microsoft.network/virtualnetworks",
    "microsoft.network/privatednszones",
    "microsoft.network/privateendpoints",
    "microsoft.network/networkinterfaces",
    "microsoft.network/dnsresolvers",
    "microsoft.network/dnsforwardingrulesets",
    "microsoft.network/dnsresolverpolicies",
    "microsoft.network/dnsresolverdomainlists",
    "microsoft.network/privatelinkservices",
];
/// Other types without secrets.
const OPEN: [&str; 3] = [
    "microsoft.insights/privatelinkscopes",
    "microsoft.insights/privatelinkscopes/scopedresources",
    "microsoft.dashboard/grafana/managedprivateendpoints",
];
const MACHINE: &str = "Microsoft.Compute/virtualMachines";
/// What is read of a machine.
const MACHINE_MEMBERS: [&str; 3] = ["networkProfile", "osProfile.computerName", "instanceView.statuses"];
/// Properties read of any service, besides those that are read from azurerm as well.
const SERVICE_MEMBERS: [&str; 4] =
    ["publicNetworkAccess", "locations", "frontendIPConfigurations", "nodeManagementEndpoint"];

fn is_open(kind: &str) -> bool {
    let kind = kind.to_ascii_lowercase();
    let below =
        |network: &&str| kind.strip_prefix(*network).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    NETWORK.iter().any(below) && !kind.ends_with("/virtualnetworkpeerings") || OPEN.contains(&kind.as_str())
}

fn is_needed(kind: &str) -> bool {
    let machine = kind.eq_ignore_ascii_case(MACHINE);
    is_open(kind) || machine || service::is_catalogued(kind) || service::members_of(kind).next().is_some()
}

/// The properties that are copied: all for types without secrets, otherwise those in the list.
fn copied(kind: &str, properties: &Value) -> Value {
    if is_open(kind) {
        return properties.clone();
    }
    let machine = kind.eq_ignore_ascii_case(MACHINE);
    let members =
        MACHINE_MEMBERS.into_iter().filter(|_| machine).chain(service::members_of(kind)).chain(SERVICE_MEMBERS);
    let mut body = Body::default();
    for path in members {
        let value = path.split('.').try_fold(properties, |value, name| value.get(name));
        body.set(path, value.filter(|value| !value.is_null()).cloned());
    }
    body.json()
}
