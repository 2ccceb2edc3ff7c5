//! What templates mean, by the examples of Microsoft's documentation and by templates of the shapes that tools write.

mod functions;
mod hostile;
mod resources;

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::import::{Options, Parameters, Read, Refusal, why_unknown};

const SCHEMA: &str = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#";
const GROUP: &str = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg-tailspin";

fn options(parameters: Value) -> Options {
    let entries = parameters.as_object().cloned().unwrap_or_default();
    let values = entries.into_iter().map(|(name, value)| (name, json!({ "value": value }))).collect::<Map<_, _>>();
    Options {
        parameters: vec![Parameters { file: "--parameters".into(), values }],
        resource_group: Some("rg-tailspin".to_owned()),
        ..Options::default()
    }
}

fn try_read(mut template: Value, options: &Options) -> Result<Read, Refusal> {
    if let Some(template) = template.as_object_mut() {
        template.entry("$schema").or_insert_with(|| SCHEMA.into());
    }
    super::read(&Arc::from("main.json"), &template, options)
}

#[track_caller]
fn read(template: Value) -> Read {
    try_read(template, &options(json!({}))).expect("a template")
}

/// A template whose one resource has the value as a property.
fn around(value: Value, rest: Value) -> Value {
    let mut template = rest;
    template["resources"] = json!([{
        "type": "Microsoft.Network/virtualNetworks",
        "name": "vnet-tailspin",
        "properties": { "made": value },
    }]);
    template
}

/// What a value with expressions is, in a template with more members.
#[track_caller]
fn value_in(value: Value, rest: Value) -> Value {
    let read = read(around(value, rest));
    read.resources[0].properties["made"].clone()
}

#[track_caller]
fn value(expression: &str) -> Value {
    value_in(format!("[{expression}]").into(), json!({}))
}

/// Why an expression has no value.
#[track_caller]
fn why(expression: &str) -> String {
    let value = value(expression);
    why_unknown(&value).unwrap_or_else(|| panic!("{expression} is {value}")).to_owned()
}
