//! Parameters: values from the user or the parent deployment, default values, types.

use std::rc::Rc;

use serde_json::Value as Json;

use super::engine::Engine;
use super::meter::{Fault, Meter};
use super::scope::{Given, Object, Path, Scope, find, slot};
use super::value::{Members, Unknown, Value, insert};
use crate::import::Options;

/// Longest chain of definitions that refer to each other.
const MAX_REFERENCES: u32 = 32;

impl<'a> Engine<'a> {
    /// The value of a parameter of a deployment.
    pub(super) fn parameter(&self, scope: &Rc<Scope<'a>>, name: &str) -> Result<Value, Fault> {
        slot(&scope.parameters, "parameter", name, || self.compute_parameter(scope, name))
    }

    fn compute_parameter(&self, scope: &Rc<Scope<'a>>, name: &str) -> Result<Value, Fault> {
        let parameters = find(scope.template, "parameters", &self.meter)?.and_then(Json::as_object);
        let definition = match parameters {
            Some(parameters) => find(parameters, name, &self.meter)?.and_then(Json::as_object),
            None => None,
        };
        let definition = definition.ok_or_else(|| Fault::wrong(format!("there is no parameter '{name}'")))?;
        let key: Rc<str> = format!("{}parameters('{}')", scope.place, name.to_ascii_lowercase()).into();
        let definitions = find(scope.template, "definitions", &self.meter)?.and_then(Json::as_object);
        let types = Types { definitions, meter: &self.meter };
        let kind = types.kind_of(definition)?;
        if is_secure(kind) {
            return Ok(Value::unknown_by_key(format!("parameter '{name}' is secure: its value is not read"), key));
        }
        let default = find(definition, "defaultValue", &self.meter)?;
        let given = self.given(scope, name, kind)?.filter(|value| !(matches!(value, Value::Null) && default.is_some()));
        let value = match (given, default) {
            (Some(given), _) => given,
            (None, Some(default)) => {
                let place = format!("{}parameters.{name}.defaultValue", scope.place);
                match self.json(default, &scope.context(), &Path::root(&place))? {
                    Value::Unknown(unknown) => {
                        let hint = match scope.given {
                            Given::Options if !unknown.why.contains("--parameters ") => {
                                format!(" (--parameters {name}=VALUE tells it)")
                            }
                            _ => String::new(),
                        };
                        let why = format!("{}{hint}", unknown.why);
                        let key = unknown.key.clone().or(Some(key));
                        Value::Unknown(Rc::new(Unknown { why, parameters: unknown.parameters.clone(), key }))
                    }
                    value => value,
                }
            }
            (None, None) if types.is_nullable(definition)? => Value::Null,
            (None, None) => {
                let (why, parameters) = match scope.given {
                    Given::Options => (format!("parameter '{name}' has no value"), vec![name.into()]),
                    Given::Deployment { .. } => {
                        (format!("the deployment gives no value for its parameter '{name}'"), Vec::new())
                    }
                };
                Value::Unknown(Rc::new(Unknown { why, parameters, key: Some(key) }))
            }
        };
        types.without_secrets(value, definition, 0)
    }

    /// The value given for a parameter.
    fn given(&self, scope: &Rc<Scope<'a>>, name: &str, kind: &str) -> Result<Option<Value>, Fault> {
        match &scope.given {
            Given::Options => {
                given_by_user(self.options, name).map(|(entry, _)| given_value(entry, kind, &self.meter)).transpose()
            }
            Given::Deployment { entries, context, place } => {
                let entries = match entries {
                    Some(Json::Object(entries)) => entries,
                    Some(other) => {
                        let all = self.json(other, context, &Path::root(place))?;
                        return Ok(member_of_entry(all.member(name)));
                    }
                    None => return Ok(None),
                };
                let Some(entry) = find(entries, name, &self.meter)? else { return Ok(None) };
                let root = Path::root(place);
                Ok(member_of_entry(Some(&self.json(entry, context, &root.member(name))?)))
            }
        }
    }
}

/// `value` of an entry in `properties.parameters`.
fn member_of_entry(entry: Option<&Value>) -> Option<Value> {
    match entry? {
        unknown @ Value::Unknown(_) => Some(unknown.clone()),
        entry if entry.member("reference").is_some() => Some(Value::unknown("the value is a secret in a key vault")),
        entry => entry.member("value").cloned(),
    }
}

/// The entry of a parameter in the options, and the file that it is from.
fn given_by_user<'o>(options: &'o Options, name: &str) -> Option<(&'o Json, &'o str)> {
    options.parameters.iter().find_map(|given| {
        let found = given.values.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
        found.map(|(_, entry)| (entry, &*given.file))
    })
}

/// The value of an entry in a parameter file, converted to the parameter's type.
fn given_value(entry: &Json, kind: &str, meter: &Meter) -> Result<Value, Fault> {
    if entry.get("reference").is_some() {
        return Ok(Value::unknown("the value is a secret in a key vault"));
    }
    let value = entry.get("value").unwrap_or(&Json::Null);
    // A number on the command line is also valid for a string parameter.
    if kind == "string" && (value.is_number() || value.is_boolean()) {
        return Ok(Value::text(value.to_string()));
    }
    let wrong = |found: &str| Fault::wrong(format!("{} is expected, not {found}", with_article(kind)));
    // Values on the command line are texts.
    let parsed = match value {
        Json::String(text) if !matches!(kind, "string" | "") => {
            let text = if kind == "bool" { text.to_ascii_lowercase() } else { text.clone() };
            Some(serde_json::from_str::<Json>(&text).map_err(|_| wrong("this text"))?)
        }
        _ => None,
    };
    let value = Value::literal(parsed.as_ref().unwrap_or(value), meter)?;
    match (kind, &value) {
        ("", _) | (_, Value::Null) => Ok(value),
        (kind, value) if kind == value.type_name() => Ok(value.clone()),
        (_, value) => Err(wrong(&with_article(value.type_name()))),
    }
}

fn with_article(kind: &str) -> String {
    match kind {
        "array" | "object" | "int" => format!("an {kind}"),
        _ => format!("a {kind}"),
    }
}

fn is_secure(kind: &str) -> bool {
    matches!(kind, "securestring" | "secureobject")
}

/// Mistakes in the values given by the user, each with the parameter and the file.
pub(super) fn mistakes(template: &Object, options: &Options, meter: &Meter) -> Result<Vec<String>, Fault> {
    let mut mistakes = Vec::new();
    let Some(parameters) = find(template, "parameters", meter)?.and_then(Json::as_object) else { return Ok(mistakes) };
    let types = Types { definitions: find(template, "definitions", meter)?.and_then(Json::as_object), meter };
    for (name, definition) in parameters {
        let (Some(definition), Some((entry, file))) = (definition.as_object(), given_by_user(options, name)) else {
            continue;
        };
        let kind = types.kind_of(definition)?;
        if is_secure(kind) {
            continue;
        }
        match given_value(entry, kind, meter) {
            Ok(value) => {
                let allowed = find(definition, "allowedValues", meter)?.and_then(Json::as_array);
                let is_allowed = |allowed: &Json| is_same(allowed, &value, meter);
                if let Some(allowed) = allowed
                    && kind != "array"
                    && !matches!(value, Value::Unknown(_))
                    && !allowed.iter().any(is_allowed)
                {
                    let allowed: Vec<_> = allowed.iter().take(20).map(Json::to_string).collect();
                    mistakes.push(format!("{file}: parameter '{name}': one of {} is expected", allowed.join(", ")));
                }
            }
            Err(Fault::Wrong(why)) => mistakes.push(format!("{file}: parameter '{name}': {why}")),
            Err(Fault::Spent) => return Err(Fault::Spent),
        }
    }
    Ok(mistakes)
}

/// Texts are compared without regard to case, as Azure does.
fn is_same(allowed: &Json, value: &Value, meter: &Meter) -> bool {
    match (allowed, value) {
        (Json::String(one), Value::Text(two)) => one.eq_ignore_ascii_case(two),
        _ => Value::literal(allowed, meter).is_ok_and(|allowed| matches!(allowed.equals(value, meter), Ok(Some(true)))),
    }
}

/// What to show the user about a parameter without a value: its type, allowed values and description.
pub(super) fn described(template: &Object, name: &str, meter: &Meter) -> String {
    let text = || -> Option<String> {
        let parameters = find(template, "parameters", meter).ok()??.as_object()?;
        let definition = find(parameters, name, meter).ok()??.as_object()?;
        let types = Types { definitions: find(template, "definitions", meter).ok()?.and_then(Json::as_object), meter };
        let mut text = types.kind_of(definition).ok().filter(|kind| !kind.is_empty())?.to_owned();
        if let Some(allowed) = find(definition, "allowedValues", meter).ok()?.and_then(Json::as_array) {
            let allowed: Vec<_> = allowed.iter().take(20).map(Json::to_string).collect();
            text.push_str(&format!(", one of {}", allowed.join(", ")));
        }
        if let Some(what) = definition.get("metadata").and_then(|metadata| metadata.get("description")?.as_str()) {
            let what: String = what.lines().next().unwrap_or_default().chars().take(120).collect();
            text.push_str(&format!(": {}", what.trim().trim_end_matches('.')));
        }
        Some(text)
    };
    text().map_or_else(|| name.to_owned(), |text| format!("{name} ({text})"))
}

/// The type definitions of a template, and those of its parameters.
struct Types<'t> {
    definitions: Option<&'t Object>,
    meter: &'t Meter,
}

impl<'t> Types<'t> {
    /// Follows a chain of `$ref`, and yields each definition.
    fn chain(&self, definition: &'t Object) -> Result<Vec<&'t Object>, Fault> {
        let mut chain = vec![definition];
        let mut at = definition;
        while let Some(to) = at.get("$ref").and_then(Json::as_str) {
            self.meter.spend(1)?;
            let name = to.strip_prefix("#/definitions/").unwrap_or(to);
            let name = name.replace("~1", "/").replace("~0", "~");
            let found = match self.definitions {
                Some(definitions) => find(definitions, &name, self.meter)?.and_then(Json::as_object),
                None => None,
            };
            let Some(found) = found.filter(|_| chain.len() < MAX_REFERENCES as usize) else { break };
            chain.push(found);
            at = found;
        }
        Ok(chain)
    }

    /// `string`, `int`, …, `securestring`; empty if the template does not say.
    fn kind_of(&self, definition: &'t Object) -> Result<&'static str, Fault> {
        for definition in self.chain(definition)? {
            if let Some(kind) = definition.get("type").and_then(Json::as_str) {
                let known = ["string", "int", "bool", "array", "object", "securestring", "secureobject"];
                return Ok(known.into_iter().find(|known| known.eq_ignore_ascii_case(kind)).unwrap_or_default());
            }
        }
        Ok("")
    }

    fn is_nullable(&self, definition: &'t Object) -> Result<bool, Fault> {
        let is_it = |definition: &&Object| definition.get("nullable").and_then(Json::as_bool) == Some(true);
        Ok(self.chain(definition)?.iter().any(is_it))
    }

    /// The value without the members whose types are secure.
    fn without_secrets(&self, value: Value, definition: &'t Object, depth: u32) -> Result<Value, Fault> {
        self.meter.spend(1)?;
        let secret = || Value::unknown("the value is secure: it is not read");
        if depth > MAX_REFERENCES {
            return Ok(secret());
        }
        for definition in self.chain(definition)? {
            let kind = definition.get("type").and_then(Json::as_str).unwrap_or_default();
            if is_secure(kind.to_ascii_lowercase().as_str()) {
                return Ok(secret());
            }
            match &value {
                Value::Object(object) => {
                    let typed = definition.get("properties").and_then(Json::as_object);
                    let others = definition.get("additionalProperties").and_then(Json::as_object);
                    if typed.is_none() && others.is_none() {
                        continue;
                    }
                    let mut made = Members::new();
                    for (name, member) in object.members.values() {
                        let of = typed.map(|typed| find(typed, name, self.meter)).transpose()?.flatten();
                        let member = match of.and_then(Json::as_object).or(others) {
                            Some(of) => self.without_secrets(member.clone(), of, depth + 1)?,
                            None => member.clone(),
                        };
                        insert(&mut made, name.clone(), member);
                    }
                    return Value::object_of(made, object.open.clone());
                }
                Value::Array(array) => {
                    if let Some(of) = definition.get("items").and_then(Json::as_object) {
                        let items = array.items.iter().map(|item| self.without_secrets(item.clone(), of, depth + 1));
                        return Value::array(items.collect::<Result<_, _>>()?);
                    }
                }
                _ => {}
            }
        }
        Ok(value)
    }
}
