//! Bodies as the REST API has them (Microsoft Learn, "Azure REST API reference"), from attributes as the providers document them.

mod bodies;
mod documents;
mod plans;

use std::sync::Arc;

use serde_json::{Value, json};

use super::super::{Options, Read, Resource, Side};

const SUBSCRIPTION: &str = "00000000-0000-0000-0000-00000000000a";
const GROUP: &str = "/subscriptions/00000000-0000-0000-0000-00000000000a/resourceGroups/rg-tailspin";

fn network(kind: &str, name: &str) -> String {
    format!("{GROUP}/providers/Microsoft.Network/{kind}/{name}")
}

fn read_side(document: &Value, side: Side) -> Read {
    super::read(&Arc::from("estate.json"), document, &Options { side, ..Options::default() }).expect("read")
}

fn read(document: &Value) -> Read {
    read_side(document, Side::After)
}

/// What `terraform show -json` prints of resources: type, name and values.
fn shown(resources: &[(&str, &str, Value)]) -> Value {
    let resource = |(kind, name, values): &(&str, &str, Value)| {
        json!({
            "address": format!("{kind}.{name}"), "mode": "managed", "type": kind, "name": name,
            "provider_name": "registry.terraform.io/hashicorp/azurerm", "values": values, "sensitive_values": {},
        })
    };
    let resources: Vec<_> = resources.iter().map(resource).collect();
    json!({"format_version": "1.0", "terraform_version": "1.9.8", "values": {"root_module": {"resources": resources}}})
}

#[track_caller]
fn find<'r>(read: &'r Read, id: &str) -> &'r Resource {
    let mut found = read.resources.iter().filter(|resource| resource.id == id);
    let resource = found.next().unwrap_or_else(|| panic!("no {id} in {read:#?}"));
    assert!(found.next().is_none(), "{id} twice");
    resource
}

#[track_caller]
fn check_body(read: &Read, id: &str, expected: &Value) {
    assert_eq!(&find(read, id).properties, expected, "{id}");
}
