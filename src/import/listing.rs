//! Output of the Azure CLI, the REST API and Resource Graph: one resource or lists of resources.
//!
//! The Azure CLI merges `properties` into the object itself and writes missing values as null; Resource Graph writes types in
//! lower case, in rows or as a table with columns.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::value::{get, text};
use super::{Place, Read, Refusal, Resource};

/// Members of a resource that are not its properties.
const ENVELOPE: [&str; 14] = [
    "id",
    "name",
    "type",
    "location",
    "kind",
    "sku",
    "tags",
    "etag",
    "identity",
    "zones",
    "resourceGroup",
    "managedBy",
    "extendedLocation",
    "plan",
];

/// Reads one object, a list, a page of a list, or rows.
///
/// # Errors
/// If it is none of these.
pub(super) fn read(file: &Arc<str>, document: Value) -> Result<Read, Refusal> {
    let mut read = Read::default();
    let (prefix, elements) = match document {
        Value::Array(elements) => ("", elements),
        Value::Object(mut page) => {
            note_rest(file, &page, &mut read);
            let member =
                |page: &Map<String, Value>, name: &str| page.keys().find(|key| key.eq_ignore_ascii_case(name)).cloned();
            let list = ["value", "data"].into_iter().find_map(|name| member(&page, name).map(|key| (name, key)));
            match list {
                Some((name, key)) if !page.contains_key("id") => match page.remove(&key) {
                    Some(Value::Array(elements)) => (name, elements),
                    Some(table) => (name, rows(table)?),
                    None => (name, Vec::new()),
                },
                _ => {
                    resource(Place::new(file, ""), Value::Object(page), &mut read);
                    return Ok(read);
                }
            }
        }
        _ => return Err(Refusal("neither an object nor a list of resources".to_owned())),
    };
    for (number, element) in elements.into_iter().enumerate() {
        match element {
            // Several pages of `az graph query`, or nested lists.
            Value::Array(inner) => {
                for (at, element) in inner.into_iter().enumerate() {
                    resource(Place::new(file, format!("{prefix}[{number}][{at}]")), element, &mut read);
                }
            }
            element => resource(Place::new(file, format!("{prefix}[{number}]")), element, &mut read),
        }
    }
    Ok(read)
}

/// Notes that a page is not the last one.
fn note_rest(file: &Arc<str>, page: &Map<String, Value>, read: &mut Read) {
    for name in ["nextLink", "skip_token", "$skipToken", "skipToken", "@odata.nextLink"] {
        let has_more = page.get(name).and_then(Value::as_str).is_some_and(|link| !link.is_empty());
        if has_more {
            let why = "the list goes on: save the further pages too, and import all of them together";
            read.leave_out(Place::new(file, name), "further pages", why);
        }
    }
}

/// The rows of a table of Resource Graph: `{"columns": [{"name": …}], "rows": [[…]]}`.
fn rows(mut table: Value) -> Result<Vec<Value>, Refusal> {
    let none = || Refusal("\"data\" is neither a list nor a table of columns and rows".to_owned());
    let columns = get(&table, "columns").and_then(Value::as_array).ok_or_else(none)?;
    let names = columns.iter().map(|column| text(column, "name").map(str::to_owned));
    let names: Vec<String> = names.collect::<Option<_>>().ok_or_else(none)?;
    let Some(Value::Array(rows)) = table.get_mut("rows").map(Value::take) else { return Err(none()) };
    let row = |row: Value| match row {
        Value::Array(cells) => Value::Object(names.iter().cloned().zip(cells).collect()),
        other => other,
    };
    Ok(rows.into_iter().map(row).collect())
}

/// Reads one object.
fn resource(place: Place, element: Value, read: &mut Read) {
    let Value::Object(mut object) = element else {
        read.leave_out(place, "an element", "not an object");
        return;
    };
    let envelope = Value::Object(object.clone());
    let named = |name: &str| text(&envelope, name).map(str::to_owned);
    let Some(id) = named("id") else {
        let what = named("name").or_else(|| named("type")).unwrap_or_else(|| "an object".to_owned());
        let why = "it has no resource ID: print whole objects, without --query or a projection that drops `id`";
        read.leave_out(place, what, why);
        return;
    };
    let Some(kind) = kind_of(&id) else {
        // Subscriptions, resource groups, management groups.
        read.pass_over(&named("type").unwrap_or_else(|| "resources without a type".to_owned()));
        return;
    };
    let extra = ["kind", "sku"].into_iter().filter_map(|name| Some((name.to_owned(), get(&envelope, name)?.clone())));
    let extra = extra.collect();
    let location = named("location");
    let properties = match take(&mut object, "properties") {
        // REST, or Resource Graph without a projection.
        Some(properties @ Value::Object(_)) => properties,
        // The Azure CLI.
        _ => {
            object.retain(|name, _| !ENVELOPE.iter().any(|known| known.eq_ignore_ascii_case(name)));
            Value::Object(object)
        }
    };
    read.resources.push(Resource { id, kind, location, properties, extra, place });
}

fn take(object: &mut Map<String, Value>, name: &str) -> Option<Value> {
    let key = object.keys().find(|key| key.eq_ignore_ascii_case(name))?.clone();
    object.remove(&key)
}

/// The type in a resource ID, after the last `providers`.
pub(super) fn kind_of(id: &str) -> Option<String> {
    let parts: Vec<&str> = id.trim_matches('/').split('/').collect();
    let provider = parts.iter().rposition(|part| part.eq_ignore_ascii_case("providers"))?;
    let (namespace, path) = parts.get(provider + 1..)?.split_first()?;
    let types: Vec<&str> = path.iter().step_by(2).copied().collect();
    (!types.is_empty()).then(|| format!("{namespace}/{}", types.join("/")))
}

/// Adds counts by type.
pub(super) fn add(counts: &mut BTreeMap<String, usize>, more: BTreeMap<String, usize>) {
    for (kind, count) in more {
        *counts.entry(kind).or_default() += count;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ID: &str = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/privateDnsZones/a.test/A/www";

    fn read_all(document: Value) -> Read {
        read(&Arc::from("f.json"), document).expect("a listing")
    }

    #[test]
    fn flat_and_nested_objects_give_the_same_properties() {
        let flat = json!([{"id": ID, "name": "www", "type": "x", "etag": "e", "ttl": 5, "resourceGroup": "g"}]);
        let nested = json!({"value": [{"id": ID, "properties": {"ttl": 5}}], "nextLink": null});
        let rows = json!({"data": {"columns": [{"name": "id"}, {"name": "properties"}], "rows": [[ID, {"ttl": 5}]]}});
        for (document, address) in [(flat, "[0]"), (nested, "value[0]"), (rows, "data[0]")] {
            let read = read_all(document);
            let [resource] = read.resources.as_slice() else { panic!("one resource") };
            assert_eq!(resource.properties, json!({"ttl": 5}));
            assert_eq!(resource.kind, "Microsoft.Network/privateDnsZones/A");
            assert_eq!(resource.place.address, address);
            assert!(read.left_out.is_empty());
        }
    }

    #[test]
    fn what_cannot_be_taken_is_named_with_its_place() {
        let read = read_all(json!({"value": [1, {"name": "n"}], "nextLink": "https://…"}));
        let left: Vec<_> = read.left_out.iter().map(|left| left.place.address.as_str()).collect();
        assert_eq!(left, ["nextLink", "value[0]", "value[1]"]);
        let group =
            read_all(json!({"id": "/subscriptions/s/resourceGroups/g", "type": "Microsoft.Resources/resourceGroups"}));
        assert_eq!(group.passed_over["Microsoft.Resources/resourceGroups"], 1);
    }
}
