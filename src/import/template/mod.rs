//! ARM templates: exports of the portal and Bicep's compiled JSON.

use std::sync::Arc;

use serde_json::Value;

use super::{Options, Read, Refusal};

/// Reads a document whose `$schema` is that of a deployment template.
///
/// # Errors
/// Where parameters have no value: names them all.
pub fn read(_file: &Arc<str>, _document: &Value, _options: &Options) -> Result<Read, Refusal> {
    Err(Refusal("templates are not read yet".to_owned()))
}
