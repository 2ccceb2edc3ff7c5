//! Access to members of request bodies. Names are compared without regard to letter case, and `null` counts as missing.

use serde_json::{Map, Value};

use super::error::ApiError;
use super::provider::Provider;
use crate::azure::ResourceId;

/// A member of an object; `None` if it is missing or null.
pub(super) fn get<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    let object = value.as_object()?;
    let exact = object.get(name);
    let found = exact.or_else(|| object.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value));
    found.filter(|value| !value.is_null())
}

/// A member of `properties`.
pub(super) fn property<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    get(get(value, "properties")?, name)
}

/// A string member.
pub(super) fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    get(value, name)?.as_str()
}

/// The elements of a list member.
pub(super) fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    get(value, name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The `id` in a member that refers to a resource.
pub(super) fn reference<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    text(get(value, name)?, "id")
}

/// The location of a regional resource.
///
/// # Errors
/// It is missing.
pub(super) fn location(body: &Value) -> Result<&str, ApiError> {
    text(body, "location").ok_or_else(|| {
        let message = "The location property is required for this definition.";
        ApiError::bad_request("LocationRequired", message)
    })
}

/// The ID in a member that refers to a resource, parsed and as it was sent.
///
/// # Errors
/// It is missing or malformed.
pub(super) fn referred<'a>(
    value: &'a Value,
    name: &str,
    provider: Provider,
) -> Result<(&'a str, ResourceId), ApiError> {
    let sent = reference(value, name);
    let sent = sent.ok_or_else(|| provider.refused(format!("The property '{name}.id' is required.")))?;
    match sent.parse() {
        Ok(id) => Ok((sent, id)),
        Err(error) => Err(provider.refused(format!("The ID '{sent}' of '{name}' is invalid: {error}."))),
    }
}

/// One of several words, in Azure's spelling; the first one if the member is missing.
///
/// # Errors
/// It is another word.
pub(super) fn word(
    value: Option<&Value>,
    name: &str,
    words: &[&'static str],
    provider: Provider,
) -> Result<&'static str, ApiError> {
    let Some(sent) = value else { return Ok(words[0]) };
    let found = sent.as_str().and_then(|sent| words.iter().find(|word| word.eq_ignore_ascii_case(sent)));
    found.copied().ok_or_else(|| {
        provider.refused(format!("The value {sent} of the property '{name}' is invalid: write {}.", words.join(" or ")))
    })
}

/// The body to keep: `location` and `tags` of the request, and these properties.
///
/// # Errors
/// The tags are not an object of strings.
pub(super) fn kept(body: &Value, properties: Map<String, Value>) -> Result<Value, ApiError> {
    let mut members = Map::new();
    if let Some(location) = text(body, "location") {
        members.insert("location".to_owned(), Value::from(location));
    }
    if let Some(tags) = get(body, "tags") {
        let tags = texts_by_name(tags, "tags")?;
        if !tags.is_empty() {
            members.insert("tags".to_owned(), Value::Object(tags));
        }
    }
    members.insert("properties".to_owned(), Value::Object(properties));
    Ok(Value::Object(members))
}

/// An object of strings, such as tags and metadata. Numbers and booleans become strings; null becomes an empty one.
///
/// # Errors
/// It is something else.
pub(super) fn texts_by_name(value: &Value, what: &str) -> Result<Map<String, Value>, ApiError> {
    let refused = || {
        let message = format!("The request content was invalid: '{what}' is not an object of strings.");
        ApiError::bad_request("InvalidRequestContent", message)
    };
    let members = value.as_object().ok_or_else(refused)?;
    let member = |(name, value): (&String, &Value)| match value {
        Value::String(_) => Ok((name.clone(), value.clone())),
        Value::Null => Ok((name.clone(), Value::from(""))),
        Value::Bool(_) | Value::Number(_) => Ok((name.clone(), Value::from(value.to_string()))),
        _ => Err(refused()),
    };
    members.iter().map(member).collect()
}

/// Applies a PATCH; within `properties` each member is replaced by itself.
pub(super) fn patched(before: &Value, patch: &Value) -> Value {
    let mut merged = before.as_object().cloned().unwrap_or_default();
    for (name, value) in patch.as_object().into_iter().flatten() {
        if name.eq_ignore_ascii_case("properties") {
            let mut properties = get(before, "properties").and_then(Value::as_object).cloned().unwrap_or_default();
            for (name, value) in value.as_object().into_iter().flatten() {
                properties.retain(|known, _| !known.eq_ignore_ascii_case(name));
                properties.insert(name.clone(), value.clone());
            }
            merged.insert("properties".to_owned(), Value::Object(properties));
        } else {
            merged.retain(|known, _| !known.eq_ignore_ascii_case(name));
            merged.insert(name.clone(), value.clone());
        }
    }
    Value::Object(merged)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_patch_replaces_the_members_that_it_names() {
        let before =
            json!({"location": "global", "tags": {"a": "1"}, "properties": {"ttl": 1, "metadata": {"k": "v"}}});
        let patch = json!({"Tags": {"b": "2"}, "properties": {"TTL": 5}});
        let after = json!({"location": "global", "Tags": {"b": "2"}, "properties": {"TTL": 5, "metadata": {"k": "v"}}});
        assert_eq!(patched(&before, &patch), after);
    }

    #[test]
    fn tags_are_texts() {
        let tags = json!({"a": "x", "b": 1, "c": null});
        assert_eq!(Value::Object(texts_by_name(&tags, "tags").unwrap()), json!({"a": "x", "b": "1", "c": ""}));
        for bad in [json!([]), json!("x"), json!({"a": {}})] {
            assert!(texts_by_name(&bad, "tags").is_err(), "{bad}");
        }
    }
}
