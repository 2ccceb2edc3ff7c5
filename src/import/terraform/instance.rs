//! Instances of resources, from the output of `terraform show` or from a state file.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::super::{MAX_RESOURCES, Place, Read, Refusal};
use super::values::Values;

/// An instance of a resource or of a data source.
pub(super) struct Instance<'a> {
    /// Terraform's own address, `module.spoke["orders"].azurerm_subnet.this[0]`.
    pub(super) address: String,
    /// The address of its module, empty for the root module.
    pub(super) module: Cow<'a, str>,
    /// False for a data source.
    pub(super) managed: bool,
    /// Terraform's type, such as `azurerm_subnet`.
    pub(super) kind: &'a str,
    /// The name in the configuration.
    pub(super) name: &'a str,
    /// The key from `for_each` or `count`.
    pub(super) key: Option<&'a Value>,
    pub(super) attributes: Cow<'a, Value>,
    pub(super) sensitive: Cow<'a, Value>,
    /// Marks of values known after apply.
    pub(super) unknown: &'a Value,
}

impl Instance<'_> {
    pub(super) fn values(&self) -> Values<'_> {
        Values::new(&self.attributes, &self.sensitive, self.unknown)
    }
}

/// Instances in the order of a file.
pub(super) struct Instances<'a> {
    pub(super) list: Vec<Instance<'a>>,
    pub(super) file: &'a std::sync::Arc<str>,
}

impl<'a> Instances<'a> {
    pub(super) const fn new(file: &'a std::sync::Arc<str>) -> Self {
        Self { list: Vec::new(), file }
    }

    fn push(&mut self, instance: Instance<'a>) -> Result<(), Refusal> {
        if self.list.len() >= MAX_RESOURCES {
            return Err(Refusal(format!("the file has more than {MAX_RESOURCES} resources: import parts of it")));
        }
        self.list.push(instance);
        Ok(())
    }

    /// Adds the instances in `values` of `terraform show -json`.
    pub(super) fn add_shown(&mut self, values: &'a Value, path: &str, read: &mut Read) -> Result<(), Refusal> {
        match &values["root_module"] {
            // The state of a configuration that was never applied, or was destroyed.
            Value::Null => Ok(()),
            module @ Value::Object(_) => self.add_module(module, &format!("{path}.root_module"), read),
            _ => Err(Refusal(format!(
                "`{path}.root_module` is no object: print the file again by `terraform show -json`"
            ))),
        }
    }

    fn add_module(&mut self, module: &'a Value, path: &str, read: &mut Read) -> Result<(), Refusal> {
        let module_address = module["address"].as_str().unwrap_or_default();
        for (at, resource) in elements(&module["resources"]).enumerate() {
            let (Some(kind), Some(name), Some(address)) =
                (resource["type"].as_str(), resource["name"].as_str(), resource["address"].as_str())
            else {
                let place = Place::new(self.file, format!("{path}.resources[{at}]"));
                read.leave_out(place, "a resource", "it has no `type`, `name` or `address`");
                continue;
            };
            let key = Some(&resource["index"]).filter(|key| !key.is_null());
            let mut address = address.to_owned();
            // Terraform 0.12 leaves the key out of the address.
            if let Some(key) = key.filter(|_| !address.ends_with(']')) {
                address += &bracketed(key);
            }
            if let Some(deposed) = resource["deposed_key"].as_str() {
                read.leave_out(Place::new(self.file, format!("{address} (deposed {deposed})")), kind, DEPOSED);
                continue;
            }
            self.push(Instance {
                address,
                module: Cow::Borrowed(module_address),
                managed: resource["mode"] != "data",
                kind,
                name,
                key,
                attributes: Cow::Borrowed(&resource["values"]),
                sensitive: Cow::Borrowed(&resource["sensitive_values"]),
                unknown: &Value::Null,
            })?;
        }
        for (at, child) in elements(&module["child_modules"]).enumerate() {
            self.add_module(child, &format!("{path}.child_modules[{at}]"), read)?;
        }
        Ok(())
    }

    /// Adds the instances of a state file of version 4.
    pub(super) fn add_kept(&mut self, state: &'a Value, read: &mut Read) -> Result<(), Refusal> {
        if !state["resources"].is_array() {
            return Err(Refusal(
                "`resources` of the Terraform state is no list: run `terraform show -json`".to_owned(),
            ));
        }
        for (at, resource) in elements(&state["resources"]).enumerate() {
            let (Some(kind), Some(name)) = (resource["type"].as_str(), resource["name"].as_str()) else {
                let place = Place::new(self.file, format!("resources[{at}]"));
                read.leave_out(place, "a resource", "it has no `type` or `name`");
                continue;
            };
            let module = resource["module"].as_str().unwrap_or_default();
            let managed = resource["mode"] != "data";
            let dot = if module.is_empty() { "" } else { "." };
            let base = format!("{module}{dot}{}{kind}.{name}", if managed { "" } else { "data." });
            for instance in elements(&resource["instances"]) {
                let key = Some(&instance["index_key"]).filter(|key| !key.is_null());
                let address = key.map_or_else(|| base.clone(), |key| format!("{base}{}", bracketed(key)));
                let place = || Place::new(self.file, address.clone());
                if instance["deposed"].is_string() {
                    read.leave_out(place(), kind, DEPOSED);
                    continue;
                }
                if instance["attributes"].is_null() && !instance["attributes_flat"].is_null() {
                    read.leave_out(place(), kind, FLAT);
                    continue;
                }
                let paths = elements(&instance["sensitive_attributes"]);
                let sensitive = paths.fold(Value::Null, |marks, path| marked(marks, elements(path)));
                self.push(Instance {
                    address,
                    module: Cow::Borrowed(module),
                    managed,
                    kind,
                    name,
                    key,
                    attributes: Cow::Borrowed(&instance["attributes"]),
                    sensitive: Cow::Owned(sensitive),
                    unknown: &Value::Null,
                })?;
            }
        }
        Ok(())
    }
}

const DEPOSED: &str = "it is deposed: Terraform has replaced it and will destroy it";
const FLAT: &str = "its attributes are as Terraform 0.11 kept them (`attributes_flat`): run `terraform apply -refresh-only`, \
                    then `terraform show -json`";

/// The elements of a list; empty if the value is not a list.
pub(super) fn elements(value: &Value) -> std::slice::Iter<'_, Value> {
    value.as_array().map_or(&[][..], Vec::as_slice).iter()
}

/// An instance key as written in an address: `["orders"]` or `[0]`.
pub(super) fn bracketed(key: &Value) -> String {
    format!("[{key}]")
}

/// Adds a path to the marks: a step is `{"type": "get_attr", "value": "name"}` or `{"type": "index", "value": …}`. If a step
/// leads into a set, whose elements have no index, the whole set is marked.
fn marked<'v>(marks: Value, mut path: impl Iterator<Item = &'v Value>) -> Value {
    let Some(step) = path.next() else { return Value::Bool(true) };
    if marks == Value::Bool(true) {
        return marks;
    }
    // Terraform 0.15 to 1.x wrap the value of an index: {"value": 0, "type": "number"}.
    let value = if step["value"]["value"].is_null() { &step["value"] } else { &step["value"]["value"] };
    match (value.as_str(), value.as_u64().and_then(|at| usize::try_from(at).ok())) {
        (Some(name), _) => {
            let mut object = if let Value::Object(object) = marks { object } else { Map::new() };
            let below = object.remove(name).unwrap_or_default();
            object.insert(name.to_owned(), marked(below, path));
            Value::Object(object)
        }
        // Far longer than any list of attributes.
        (_, Some(at)) if at < 10_000 => {
            let mut list = if let Value::Array(list) = marks { list } else { Vec::new() };
            list.resize(list.len().max(at + 1), Value::Null);
            list[at] = marked(list[at].take(), path);
            Value::Array(list)
        }
        _ => Value::Bool(true),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_of_sensitive_attributes_become_marks_of_their_shape() {
        let attribute = |name: &str| json!({"type": "get_attr", "value": name});
        let index = json!({"type": "index", "value": {"value": 1, "type": "number"}});
        let element =
            json!({"type": "index", "value": {"value": {"name": "x"}, "type": ["object", {"name": "string"}]}});
        let mark = |marks, path: &[Value]| marked(marks, path.iter());

        let marks = mark(Value::Null, &[attribute("a")]);
        let marks = mark(marks, &[attribute("b"), index, attribute("c")]);
        let marks = mark(marks, &[attribute("d"), element, attribute("e")]);
        assert_eq!(marks, json!({"a": true, "b": [null, {"c": true}], "d": true}));
        assert_eq!(mark(marks, &[attribute("d"), attribute("f")])["d"], json!(true));
    }
}
