//! What every reader makes of its file: resources in the shape in which Azure Resource Manager shows them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};

/// Where in a file something was read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file as the user named it.
    pub file: Arc<str>,
    /// The address as the format writes it: `module.spoke["orders"].azurerm_private_endpoint.blob` in Terraform, `resources[3]`
    /// in a template, `[12]` in a list; empty for the whole file.
    pub address: String,
}

/// A resource as `GET` of the REST API shows it, whatever it was read from.
#[derive(Clone, Debug, PartialEq)]
pub struct Resource {
    /// The whole resource ID, in the file's letters.
    pub id: String,
    /// The type, such as `Microsoft.Network/privateDnsZones/A`, in the file's letters.
    pub kind: String,
    /// The region, in any spelling.
    pub location: Option<String>,
    /// `properties` of the REST API. Secrets are left out by the reader. A value that the file does not tell is an object
    /// whose one member is [`UNKNOWN`].
    pub properties: Value,
    /// Members beside `properties` that the DNS depends on: `kind`, `sku`.
    pub extra: Map<String, Value>,
    /// Where it was read.
    pub place: Place,
}

/// The one member of an object that stands for a value the file does not tell; its text says why, such as "known after apply".
pub const UNKNOWN: &str = "$unknown";

/// One object that was not understood.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LeftOut {
    /// Where it stands.
    pub place: Place,
    /// Its type or name.
    pub what: String,
    /// Why it was left out.
    pub why: String,
}

/// What one file gives.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Read {
    /// Resources, in the order of the file.
    pub resources: Vec<Resource>,
    /// What was not understood. It costs the object, never the file.
    pub left_out: Vec<LeftOut>,
    /// Types that the DNS does not need, each with the number of its resources.
    pub passed_over: BTreeMap<String, usize>,
    /// What was assumed where the file does not say.
    pub notes: Vec<String>,
}

/// A file that is not taken: says what it is and what to do instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refusal(pub String);

/// A value that the file does not tell, for the reason given.
pub fn unknown(why: impl Into<String>) -> Value {
    Value::Object(Map::from_iter([(UNKNOWN.to_owned(), Value::String(why.into()))]))
}

/// Why the file does not tell a value; `None` for a value that it tells.
pub fn why_unknown(value: &Value) -> Option<&str> {
    let object = value.as_object().filter(|object| object.len() == 1)?;
    object.get(UNKNOWN)?.as_str()
}

impl Read {
    /// Notes an object that was not understood.
    pub fn leave_out(&mut self, place: Place, what: impl Into<String>, why: impl Into<String>) {
        self.left_out.push(LeftOut { place, what: what.into(), why: why.into() });
    }

    /// Counts a resource that the DNS does not need.
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
