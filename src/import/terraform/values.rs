//! Attributes of an instance, with what Terraform says of them: which are sensitive, and which it will know only later.

use serde_json::{Map, Value};

use super::super::resource::unknown;

/// Why a value that Terraform marks as sensitive is not told.
const SENSITIVE: &str = "sensitive";
/// Why a value of a plan is not told, in Terraform's words.
pub(super) const LATER: &str = "known after apply";

/// A value of a state or a plan. Marks have the value's own shape, `true` covering all below it.
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

    /// The elements of a list; none where the list is sensitive or not known.
    pub(super) fn items(self) -> impl Iterator<Item = Self> {
        let below = |marks: &'a Value, at: usize| if marks == &Value::Bool(true) { marks } else { &marks[at] };
        let list = self.value.as_array().filter(|_| !self.is_sensitive()).map_or(&[][..], Vec::as_slice);
        list.iter().enumerate().map(move |(at, value)| Self {
            value,
            sensitive: below(self.sensitive, at),
            unknown: below(self.unknown, at),
        })
    }

    /// The only block of a kind, as Terraform keeps it: a list of one element.
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

    /// Whether nothing was given, now or later.
    pub(super) fn is_absent(self) -> bool {
        !self.is_unknown() && self.json().is_none()
    }

    /// Whether there is an object behind it.
    pub(super) fn is_block(self) -> bool {
        self.value.is_object()
    }

    /// The value where it is known.
    pub(super) fn known(self) -> Option<&'a Value> {
        Some(self.value).filter(|value| !value.is_null() && !self.is_sensitive())
    }

    /// A text that is known and not empty. Terraform keeps what was not given as an empty text.
    pub(super) fn text(self) -> Option<&'a str> {
        self.known()?.as_str().filter(|text| !text.is_empty())
    }

    pub(super) fn flag(self) -> Option<bool> {
        self.known()?.as_bool()
    }

    /// What becomes of the value in a body: the value, a note of why it is not told, or `None` where there is none.
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

/// A body in the making.
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

/// Adds to `body` what `other` has and `body` has not; a value that is told replaces a note of one that is not.
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
