//! Terraform: `terraform show -json` of states and plans, and state files of version 4.

use std::sync::Arc;

use serde_json::Value;

use super::{Options, Read, Refusal};

/// Reads a document with `format_version` (state or plan), or a state file.
///
/// # Errors
/// Where it is of a version that is not known.
pub fn read(_file: &Arc<str>, _document: &Value, _options: &Options) -> Result<Read, Refusal> {
    Err(Refusal("Terraform is not read yet".to_owned()))
}
