//! Reads members of JSON documents leniently, as different tools write them: names are compared without regard to case, and
//! `null` and unknown values count as absent.

use std::net::IpAddr;

use serde_json::{Map, Value};

use super::resource::why_unknown;

/// A member of an object; `None` if it is absent, null or unknown.
pub(super) fn get<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    raw(value, name).filter(|member| why_unknown(member).is_none())
}

/// Why a member is unknown; `None` if it is known or absent.
pub(super) fn why_missing<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    raw(value, name).and_then(why_unknown)
}

fn raw<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    let object = value.as_object()?;
    let found = object.get(name).or_else(|| {
        let mut members = object.iter();
        members.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, member)| member)
    });
    found.filter(|member| !member.is_null())
}

/// A member that is a text and not empty.
pub(super) fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    get(value, name)?.as_str().map(str::trim).filter(|text| !text.is_empty())
}

/// A member that is a list; empty if it is absent.
pub(super) fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    get(value, name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The texts of a member that is a list of texts, or one text.
pub(super) fn texts<'a>(value: &'a Value, name: &str) -> Vec<&'a str> {
    match get(value, name) {
        Some(Value::String(text)) if !text.trim().is_empty() => vec![text.trim()],
        Some(Value::Array(texts)) => texts.iter().filter_map(Value::as_str).map(str::trim).collect(),
        _ => Vec::new(),
    }
}

/// A member that is a bool, or the text of one.
pub(super) fn flag(value: &Value, name: &str) -> Option<bool> {
    match get(value, name)? {
        Value::Bool(flag) => Some(*flag),
        Value::String(text) => text.to_ascii_lowercase().parse().ok(),
        _ => None,
    }
}

/// A member that is an unsigned integer, or the text of one.
pub(super) fn number(value: &Value, name: &str) -> Option<u64> {
    match get(value, name)? {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// A member that is an address.
pub(super) fn address(value: &Value, name: &str) -> Option<IpAddr> {
    text(value, name)?.parse().ok()
}

/// The `id` of a member that refers to a resource, `{"id": "/subscriptions/…"}`.
pub(super) fn reference<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    text(get(value, name)?, "id")
}

/// Merges each `properties` into its object, as the Azure CLI does, so that there is one form.
pub(super) fn flattened(value: Value) -> Value {
    match value {
        Value::Object(mut object) => {
            let properties = match object.remove("properties") {
                Some(Value::Object(properties)) => properties,
                Some(other) => Map::from_iter([("properties".to_owned(), other)]),
                None => Map::new(),
            };
            // An unknown reference stays beside what is known of its object.
            let members = object.into_iter().chain(properties);
            Value::Object(members.map(|(name, member)| (name, flattened(member))).collect())
        }
        Value::Array(elements) => Value::Array(elements.into_iter().map(flattened).collect()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::import::unknown;

    #[test]
    fn members_are_found_in_any_letters_and_null_is_none() {
        let value = json!({"privateIpAddress": "10.0.0.4", "a": null, "b": unknown("later"), "n": "5", "f": "True"});
        assert_eq!(address(&value, "privateIPAddress"), Some("10.0.0.4".parse().unwrap()));
        assert_eq!(get(&value, "a"), None);
        assert_eq!((text(&value, "b"), why_missing(&value, "b")), (None, Some("later")));
        assert_eq!((number(&value, "n"), flag(&value, "f")), (Some(5), Some(true)));
        assert!(list(&value, "n").is_empty());
    }

    #[test]
    fn properties_are_taken_into_their_objects_at_every_depth() {
        let value =
            json!({"name": "v", "properties": {"subnets": [{"name": "s", "properties": {"addressPrefix": "p"}}]}});
        assert_eq!(flattened(value), json!({"name": "v", "subnets": [{"name": "s", "addressPrefix": "p"}]}));
    }
}
