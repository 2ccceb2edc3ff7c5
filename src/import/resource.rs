//! The common output of all readers: resources in the form of Azure Resource Manager.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file as the user named it.
    pub file: Arc<str>,
    /// The address in the file's own notation: `module.spoke["orders"].azurerm_private_endpoint.blob` in Terraform,
    /// `resources[3]` in a template, `[12]` in a list; empty for the whole file.
    pub address: String,
}

/// A resource in the form that `GET` of the REST API returns, whichever format it was read from.
#[derive(Clone, Debug, PartialEq)]
pub struct Resource {
    /// The whole resource ID, in the file's letter case.
    pub id: String,
    /// The type, such as `Microsoft.Network/privateDnsZones/A`, in the file's letter case.
    pub kind: String,
    /// The region, in any spelling.
    pub location: Option<String>,
    /// `properties` of the REST API, without secrets. An unknown value is an object with the one member [`UNKNOWN`].
    pub properties: Value,
    /// Members beside `properties` that affect DNS: `kind`, `sku`.
    pub extra: Map<String, Value>,
    /// Where it was read.
    pub place: Place,
}

/// The one member of an object that stands for an unknown value; its text says why, such as "known after apply".
pub const UNKNOWN: &str = "$unknown";

/// An object that was not understood.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LeftOut {
    /// Where it stands.
    pub place: Place,
    /// Its type or name.
    pub what: String,
    /// Why it was left out.
    pub why: String,
}

/// The content of one file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Read {
    /// Resources, in the order of the file.
    pub resources: Vec<Resource>,
    /// Objects that were not understood. Each is skipped; the rest of the file is read.
    pub left_out: Vec<LeftOut>,
    /// Types that DNS does not need, each with the number of its resources.
    pub passed_over: BTreeMap<String, usize>,
    /// Assumptions where the file does not give a value.
    pub notes: Vec<String>,
}

/// Why a file is refused: what it is, and what to do instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refusal(pub String);

/// An unknown value, with the reason.
pub fn unknown(why: impl Into<String>) -> Value {
    Value::Object(Map::from_iter([(UNKNOWN.to_owned(), Value::String(why.into()))]))
}

/// Why a value is unknown; `None` for a known value.
pub fn why_unknown(value: &Value) -> Option<&str> {
    let object = value.as_object().filter(|object| object.len() == 1)?;
    object.get(UNKNOWN)?.as_str()
}

impl Read {
    /// Notes an object that was not understood.
    pub fn leave_out(&mut self, place: Place, what: impl Into<String>, why: impl Into<String>) {
        self.left_out.push(LeftOut { place, what: what.into(), why: why.into() });
    }

    /// Counts a resource that DNS does not need.
    pub fn pass_over(&mut self, kind: &str) {
        *self.passed_over.entry(kind.to_owned()).or_default() += 1;
    }
}

impl Place {
    /// A place in a file.
    pub fn new(file: &Arc<str>, address: impl Into<String>) -> Self {
        Self { file: file.clone(), address: address.into() }
    }
}

impl fmt::Display for Place {
    /// `file: address`, or the file alone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address.as_str() {
            "" => write!(f, "{}", self.file),
            address => write!(f, "{}: {address}", self.file),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_an_object_of_that_one_member_is_unknown() {
        assert_eq!(why_unknown(&unknown("known after apply")), Some("known after apply"));
        assert_eq!(why_unknown(&json!({"$unknown": "x", "name": "y"})), None);
        assert_eq!(why_unknown(&json!({"$unknown": 1})), None);
        assert_eq!(why_unknown(&json!("$unknown")), None);
    }
}
