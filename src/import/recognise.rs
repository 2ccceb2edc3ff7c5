//! Tells by its content what a document is.

use serde_json::Value;

use super::Refusal;

/// A format that has a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Terraform,
    Template,
}

/// Tells what a document is.
///
/// # Errors
/// Where it is of no known format, or of one that has to be made in another way.
pub(super) fn recognise(document: &Value) -> Result<Format, Refusal> {
    let has = |member: &str| document.get(member).is_some();
    let schema = document.get("$schema").and_then(Value::as_str).unwrap_or_default().to_ascii_lowercase();
    if has("format_version") || has("terraform_version") && has("version") {
        return Ok(Format::Terraform);
    }
    if schema.contains("deploymenttemplate.json") {
        return Ok(Format::Template);
    }
    Err(Refusal("not a document that import knows".to_owned()))
}
