//! Terraform and OpenTofu: the output of `terraform show -json` for a state or a plan, and state files (version 4).
//!
//! Terraform JSON Output Format, 1.x (developer.hashicorp.com/terraform/internals/json-format). Attributes are those of the
//! providers azurerm 3 to 5 and azapi 1 and 2, as documented. Attributes are copied from an explicit list, so that no secrets
//! are; values that Terraform marks as sensitive are unknown.

mod arm_id;
mod azapi;
mod azurerm;
mod collected;
mod configuration;
mod dns;
mod endpoint;
mod instance;
mod network;
mod plan;
mod references;
mod resolver;
mod service;
#[cfg(test)]
mod tests;
mod values;

use std::sync::Arc;

use serde_json::Value;

use super::{Options, Place, Read, Refusal};
use collected::Collected;
use instance::{Instance, Instances};

/// Reads a document of Terraform.
///
/// # Errors
/// If it has no resources: another version, encrypted, or the output of another command.
pub fn read(file: &Arc<str>, document: &Value, options: &Options) -> Result<Read, Refusal> {
    let mut read = Read::default();
    let mut instances = Instances::new(file);
    if document.get("encrypted_data").is_some() {
        return Err(refused("an encrypted state of OpenTofu", "run `tofu show -json`, which decrypts it"));
    }
    if let Some(version) = document.get("format_version") {
        check_format(version)?;
        if let Some(planned) = document.get("planned_values") {
            plan::read(document, planned, options.side, &mut instances, &mut read)?;
        } else if document.get("provider_schemas").is_some() {
            return Err(refused("what `terraform providers schema` prints", SHOW));
        } else if document.get("resource_changes").is_some() {
            return Err(refused("a Terraform plan without `planned_values`", SHOW_PLAN));
        } else if let Some(values) = document.get("values") {
            instances.add_shown(values, "values", &mut read)?;
        }
    } else {
        match document.get("version").and_then(Value::as_u64) {
            Some(4) => instances.add_kept(document, &mut read)?,
            Some(version @ ..=3) => {
                let what = format!("a Terraform state of version {version}");
                return Err(refused(
                    &what,
                    "run `terraform apply -refresh-only` with Terraform 0.12 or later, then `terraform show -json`",
                ));
            }
            _ => return Err(refused("no Terraform state of version 4", SHOW)),
        }
    }
    let mut collected = Collected::default();
    for instance in &instances.list {
        add(instance, file, &mut collected, &mut read);
    }
    collected.into_read(&mut read);
    Ok(read)
}

const SHOW: &str = "run `terraform show -json`";
const SHOW_PLAN: &str = "run `terraform plan -out FILE`, then `terraform show -json FILE`";

fn refused(what: &str, instead: &str) -> Refusal {
    Refusal(format!("this is {what}: {instead}"))
}

/// Formats 0.1 and 0.2, of Terraform before 1.0, do not differ from 1.0 in what is read here.
fn check_format(version: &Value) -> Result<(), Refusal> {
    let version = version.as_str().unwrap_or_default();
    match version.split('.').next() {
        Some("0" | "1") => Ok(()),
        _ => Err(Refusal(format!(
            "format version {version:?} of `terraform show -json` is not known: versions 0.1 to 1.x are"
        ))),
    }
}

/// Adds what an instance describes to the resources.
fn add(instance: &Instance<'_>, file: &Arc<str>, collected: &mut Collected, read: &mut Read) {
    let place = Place::new(file, instance.address.as_str());
    let translation = if instance.kind.starts_with("azapi_") {
        azapi::add(instance, &place, collected)
    } else {
        azurerm::add(instance, &place, collected)
    };
    match translation {
        Translation::Added => {}
        Translation::NotNeeded => read.pass_over(instance.kind),
        Translation::LeftOut(why) => read.leave_out(place, instance.kind, why),
    }
}

/// The outcome for an instance.
enum Translation {
    Added,
    NotNeeded,
    LeftOut(String),
}
