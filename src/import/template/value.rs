//! Values of expressions: JSON, with unknown values.
//!
//! Values share their parts, so cloning is cheap; the size counts a shared part each time it would be written, which bounds
//! values that double themselves.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::{Map, Number, Value as Json};

use super::meter::{Fault, Meter};
use crate::import::unknown;

/// Longest value, in octets of JSON.
pub(super) const MAX_SIZE: u64 = 16 << 20;
/// Most nested arrays and objects.
const MAX_DEPTH: u16 = 120;

#[derive(Clone, Debug)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Rc<str>),
    Array(Rc<Array>),
    Object(Rc<Object>),
    Unknown(Rc<Unknown>),
}

#[derive(Debug)]
pub(super) struct Array {
    pub(super) items: Vec<Value>,
    size: u64,
    depth: u16,
}

/// Members by name in lower case: names are compared without regard to case.
pub(super) type Members = BTreeMap<Box<str>, (Rc<str>, Value)>;

#[derive(Debug)]
pub(super) struct Object {
    pub(super) members: Members,
    /// For objects that Azure adds members to: why members that are not here are unknown. `None` if there are no others.
    pub(super) open: Option<Rc<str>>,
    size: u64,
    depth: u16,
}

/// An unknown value.
#[derive(Clone, Debug)]
pub(super) struct Unknown {
    pub(super) why: String,
    /// Parameters without a value that it depends on.
    pub(super) parameters: Vec<Rc<str>>,
    /// What it was computed from: two unknown values with the same key are equal.
    pub(super) key: Option<Rc<str>>,
}

impl Value {
    pub(super) fn text(text: impl Into<Rc<str>>) -> Self {
        Self::Text(text.into())
    }

    pub(super) fn unknown(why: impl Into<String>) -> Self {
        Self::Unknown(Rc::new(Unknown { why: why.into(), parameters: Vec::new(), key: None }))
    }

    pub(super) fn unknown_by_key(why: impl Into<String>, key: impl Into<Rc<str>>) -> Self {
        Self::Unknown(Rc::new(Unknown { why: why.into(), parameters: Vec::new(), key: Some(key.into()) }))
    }

    /// # Errors
    /// If the array is too large or nested too deeply.
    pub(super) fn array(items: Vec<Self>) -> Result<Self, Fault> {
        let mut size = 2_u64;
        let mut depth = 0;
        for item in &items {
            size = size.saturating_add(item.size() + 1);
            depth = depth.max(item.depth());
        }
        bounded(size, depth)?;
        Ok(Self::Array(Rc::new(Array { items, size, depth: depth + 1 })))
    }

    /// # Errors
    /// If the object is too large or nested too deeply.
    pub(super) fn object(members: Members) -> Result<Self, Fault> {
        Self::object_of(members, None)
    }

    /// # Errors
    /// If the object is too large or nested too deeply.
    pub(super) fn object_of(members: Members, open: Option<Rc<str>>) -> Result<Self, Fault> {
        let mut size = 2_u64;
        let mut depth = 0;
        for (name, value) in members.values() {
            size = size.saturating_add(name.len() as u64 + value.size() + 4);
            depth = depth.max(value.depth());
        }
        bounded(size, depth)?;
        Ok(Self::Object(Rc::new(Object { members, open, size, depth: depth + 1 })))
    }

    /// A small object.
    pub(super) fn record(
        members: impl IntoIterator<Item = (&'static str, Self)>,
        open: Option<&str>,
    ) -> Result<Self, Fault> {
        let mut made = Members::new();
        for (name, value) in members {
            insert(&mut made, name.into(), value);
        }
        Self::object_of(made, open.map(Into::into))
    }

    /// Octets of the value as JSON; a shared part counts each time.
    pub(super) fn size(&self) -> u64 {
        match self {
            Self::Text(text) => text.len() as u64 + 2,
            Self::Array(array) => array.size,
            Self::Object(object) => object.size,
            Self::Unknown(unknown) => unknown.why.len() as u64 + 16,
            Self::Null | Self::Bool(_) | Self::Int(_) | Self::Float(_) => 8,
        }
    }

    fn depth(&self) -> u16 {
        match self {
            Self::Array(array) => array.depth,
            Self::Object(object) => object.depth,
            _ => 0,
        }
    }

    pub(super) fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// The type as templates name it.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Float(_) => "float",
            Self::Text(_) => "string",
            Self::Array(_) => "array",
            Self::Object(_) => "object",
            Self::Unknown(_) => "unknown value",
        }
    }

    /// A member by its name, without regard to case.
    pub(super) fn member(&self, name: &str) -> Option<&Self> {
        let Self::Object(object) = self else { return None };
        let lower = name.to_ascii_lowercase();
        object.members.get(lower.as_str()).map(|(_, value)| value)
    }

    /// From JSON; expressions are not evaluated.
    pub(super) fn literal(json: &Json, meter: &Meter) -> Result<Self, Fault> {
        meter.spend(1)?;
        Ok(match json {
            Json::Null => Self::Null,
            Json::Bool(value) => Self::Bool(*value),
            Json::Number(number) => Self::number(number),
            Json::String(text) => {
                meter.spend(text.len() as u64 / 16)?;
                Self::text(text.as_str())
            }
            Json::Array(items) => {
                Self::array(items.iter().map(|item| Self::literal(item, meter)).collect::<Result<_, _>>()?)?
            }
            Json::Object(members) => {
                let mut made = Members::new();
                for (name, value) in members {
                    insert(&mut made, name.as_str().into(), Self::literal(value, meter)?);
                }
                Self::object(made)?
            }
        })
    }

    fn number(number: &Number) -> Self {
        number.as_i64().map_or_else(|| Self::Float(number.as_f64().unwrap_or(f64::MAX)), Self::Int)
    }

    /// As JSON; unknown values are objects with the member that says so.
    pub(super) fn to_json(&self) -> Json {
        match self {
            Self::Null => Json::Null,
            Self::Bool(value) => Json::Bool(*value),
            Self::Int(value) => Json::from(*value),
            Self::Float(value) => Number::from_f64(*value).map_or(Json::Null, Json::Number),
            Self::Text(text) => Json::String(text.to_string()),
            Self::Array(array) => Json::Array(array.items.iter().map(Self::to_json).collect()),
            Self::Object(object) => {
                let members = object.members.values().map(|(name, value)| (name.to_string(), value.to_json()));
                Json::Object(members.collect::<Map<_, _>>())
            }
            Self::Unknown(why) => unknown(why.why.as_str()),
        }
    }

    /// The first unknown value within.
    pub(super) fn first_unknown(&self, meter: &Meter) -> Result<Option<Rc<Unknown>>, Fault> {
        meter.spend(1)?;
        let mut parts: Box<dyn Iterator<Item = &Self>> = match self {
            Self::Unknown(unknown) => return Ok(Some(unknown.clone())),
            Self::Array(array) => Box::new(array.items.iter()),
            Self::Object(object) => Box::new(object.members.values().map(|(_, value)| value)),
            _ => return Ok(None),
        };
        parts.find_map(|part| part.first_unknown(meter).transpose()).transpose()
    }

    /// Whether two values are equal; `None` if that depends on an unknown value.
    pub(super) fn equals(&self, other: &Self, meter: &Meter) -> Result<Option<bool>, Fault> {
        meter.spend(1)?;
        Ok(match (self, other) {
            (Self::Unknown(one), Self::Unknown(two)) => {
                (Rc::ptr_eq(one, two) || one.key.is_some() && one.key == two.key).then_some(true)
            }
            (Self::Unknown(_), _) | (_, Self::Unknown(_)) => None,
            (Self::Null, Self::Null) => Some(true),
            (Self::Bool(one), Self::Bool(two)) => Some(one == two),
            (Self::Int(one), Self::Int(two)) => Some(one == two),
            (Self::Int(_) | Self::Float(_), Self::Int(_) | Self::Float(_)) => Some(self.as_float() == other.as_float()),
            (Self::Text(one), Self::Text(two)) => {
                meter.spend(one.len() as u64 / 16)?;
                Some(one == two)
            }
            (Self::Array(one), Self::Array(two)) if one.items.len() == two.items.len() => {
                all(one.items.iter().zip(&two.items), meter)?
            }
            (Self::Object(one), Self::Object(two)) if one.members.keys().eq(two.members.keys()) => all(
                one.members.values().map(|(_, value)| value).zip(two.members.values().map(|(_, value)| value)),
                meter,
            )?,
            _ => Some(false),
        })
    }

    pub(super) fn as_float(&self) -> Option<f64> {
        match self {
            Self::Int(value) => Some(*value as f64),
            Self::Float(value) => Some(*value),
            _ => None,
        }
    }

    /// Text that identifies the value in the key of an unknown value; `None` if it is too large.
    pub(super) fn key(&self) -> Option<String> {
        match self {
            Self::Text(text) if text.len() <= 512 => Some(format!("'{text}'")),
            Self::Int(value) => Some(value.to_string()),
            Self::Bool(value) => Some(value.to_string()),
            Self::Unknown(unknown) => unknown.key.as_deref().map(str::to_owned),
            _ => None,
        }
    }
}

/// Three-valued AND over pairs that must be equal.
fn all<'v>(pairs: impl Iterator<Item = (&'v Value, &'v Value)>, meter: &Meter) -> Result<Option<bool>, Fault> {
    let mut result = Some(true);
    for (one, two) in pairs {
        match one.equals(two, meter)? {
            Some(true) => {}
            Some(false) => return Ok(Some(false)),
            None => result = None,
        }
    }
    Ok(result)
}

fn bounded(size: u64, depth: u16) -> Result<(), Fault> {
    if size > MAX_SIZE {
        return Err(Fault::wrong("the value would be larger than 16 MiB"));
    }
    if depth >= MAX_DEPTH {
        return Err(Fault::wrong(format!("the value would be nested more than {MAX_DEPTH} deep")));
    }
    Ok(())
}

/// Sets a member; replaces one whose name differs only in case.
pub(super) fn insert(members: &mut Members, name: Rc<str>, value: Value) {
    members.insert(name.to_ascii_lowercase().into(), (name, value));
}

/// The unknown value of a function call with unknown arguments.
pub(super) fn unknown_of(name: &str, arguments: &[Value]) -> Option<Value> {
    let mut of =
        arguments.iter().filter_map(|value| if let Value::Unknown(unknown) = value { Some(unknown) } else { None });
    let first = of.next()?;
    let mut made = Unknown { why: first.why.clone(), parameters: first.parameters.clone(), key: None };
    for other in of {
        for parameter in &other.parameters {
            if !made.parameters.contains(parameter) {
                made.parameters.push(parameter.clone());
            }
        }
    }
    made.key = key_of(name, arguments);
    Some(Value::Unknown(Rc::new(made)))
}

/// The key of a function call.
pub(super) fn key_of(name: &str, arguments: &[Value]) -> Option<Rc<str>> {
    let mut key = name.to_ascii_lowercase();
    for argument in arguments {
        key.push('|');
        key.push_str(&argument.key()?);
        if key.len() > 4096 {
            return None;
        }
    }
    Some(key.into())
}

/// The order of texts, as .NET's invariant culture has it for letters: by letter first, then lower case before upper case.
pub(super) fn order_of_texts(one: &str, two: &str) -> Ordering {
    let folded = one.chars().flat_map(char::to_lowercase).cmp(two.chars().flat_map(char::to_lowercase));
    folded.then_with(|| {
        let pairs = one.chars().zip(two.chars()).find(|(a, b)| a != b);
        pairs.map_or(Ordering::Equal, |(a, b)| a.is_uppercase().cmp(&b.is_uppercase()).then(a.cmp(&b)))
    })
}
