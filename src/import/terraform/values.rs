//! Attributes of an instance, with Terraform's marks: which are sensitive, and which are known only after apply.

use serde_json::{Map, Value};

use super::super::resource::unknown;

/// Why the value is unknown, for those that Terraform marks as sensitive.
const SENSITIVE: &str = "sensitive";
/// Why a value of a plan is unknown, in Terraform's words.
pub(super) const LATER: &str = "known after apply";

/// A value of a state or a plan. Marks mirror the value's structure; `true` covers everything below.
#[derive(Clone, Copy)]
pub(super) struct Values<'a> {
    value: &'a Value,
    sensitive: &'a Value,
    unknown: &'a Value,
}

impl<'a> Values<'a> {
    pub(super) const fn new(value: &'a Value, sensitive: &'a Value, unknown: &'a Value) -> Self {
        Self { value, sensitive, unknown }
    }

    /// A member of an object; null where there is none.
    pub(super) fn get(self, name: &str) -> Self {
        let below = |marks: &'a Value| if marks == &Value::Bool(true) { marks } else { &marks[name] };
        Self { value: &self.value[name], sensitive: below(self.sensitive), unknown: below(self.unknown) }
    }

    /// The elements of a list; empty if the list is sensitive or unknown.
    pub(super) fn items(self) -> impl Iterator<Item = Self> {
        let below = |marks: &'a Value, at: usize| if marks == &Value::Bool(true) { marks } else { &marks[at] };
        let list = self.value.as_array().filter(|_| !self.is_sensitive()).map_or(&[][..], Vec::as_slice);
        list.iter().enumerate().map(move |(at, value)| Self {
            value,
            sensitive: below(self.sensitive, at),
            unknown: below(self.unknown, at),
        })
    }

    /// The content of a block that occurs once, which Terraform stores as a list of one element.
    pub(super) fn block(self, name: &str) -> Self {
        self.get(name).items().next().unwrap_or(Self::new(&Value::Null, &Value::Null, &Value::Null))
    }

    fn is_sensitive(self) -> bool {
        self.sensitive == &Value::Bool(true)
    }

    /// Whether the value itself is known only after apply.
    pub(super) fn is_unknown(self) -> bool {
        self.value.is_null() && self.unknown == &Value::Bool(true)
    }

    /// Whether nothing is set, now or after apply.
    pub(super) fn is_absent(self) -> bool {
        !self.is_unknown() && self.json().is_none()
    }

    /// Whether it is an object.
    pub(super) fn is_block(self) -> bool {
        self.value.is_object()
    }

    /// The value if it is known.
    pub(super) fn known(self) -> Option<&'a Value> {
        Some(self.value).filter(|value| !value.is_null() && !self.is_sensitive())
    }

    /// A known text that is not empty: Terraform stores an unset text as an empty one.
    pub(super) fn text(self) -> Option<&'a str> {
        self.known()?.as_str().filter(|text| !text.is_empty())
    }

    pub(super) fn flag(self) -> Option<bool> {
        self.known()?.as_bool()
    }

    /// The value as it appears in a body: itself, an unknown value with the reason, or `None` if it is not set.
    pub(super) fn json(self) -> Option<Value> {
        if self.is_unknown() {
            return Some(unknown(LATER));
        }
        match self.value {
            Value::Null => None,
            Value::String(text) if text.is_empty() => None,
            _ if self.is_sensitive() => Some(unknown(SENSITIVE)),
            Value::Array(_) => Some(self.items().filter_map(Self::json).collect()),
            Value::Object(members) => {
                let mut object = Map::new();
                let later = self.unknown.as_object().into_iter().flatten().map(|(name, _)| name);
                for name in members.keys().chain(later.filter(|name| !members.contains_key(*name))) {
                    object.extend(self.get(name).json().map(|value| (name.clone(), value)));
                }
                Some(Value::Object(object))
            }
            value => Some(value.clone()),
        }
    }
}

/// A body under construction.
#[derive(Default)]
pub(super) struct Body(pub(super) Map<String, Value>);

impl Body {
    /// Sets a member by its path, `a.b.c`, where there is a value.
    pub(super) fn set(&mut self, path: &str, value: Option<Value>) {
        let Some(value) = value else { return };
        let mut object = &mut self.0;
        let mut names = path.split('.').peekable();
        while let Some(name) = names.next() {
            if names.peek().is_none() {
                object.insert(name.to_owned(), value);
                return;
            }
            let next = object.entry(name).or_insert_with(|| Value::Object(Map::new()));
            let Some(next) = next.as_object_mut() else { return };
            object = next;
        }
    }

    pub(super) fn with(mut self, path: &str, value: Option<Value>) -> Self {
        self.set(path, value);
        self
    }

    pub(super) fn json(self) -> Value {
        Value::Object(self.0)
    }
}

/// Adds to `body` the members that only `other` has; a known value replaces an unknown one.
pub(super) fn fill(body: &mut Value, other: Value) {
    match (body, other) {
        (Value::Object(body), Value::Object(other)) if !body.contains_key(super::super::UNKNOWN) => {
            for (name, value) in other {
                match body.get_mut(&name) {
                    Some(known) => fill(known, value),
                    None => drop(body.insert(name, value)),
                }
            }
        }
        (body, other) if super::super::why_unknown(body).is_some() || is_empty(body) => *body = other,
        _ => {}
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(list) => list.is_empty(),
        _ => false,
    }
}
