//! ARM templates: exported from the portal, written by hand, or compiled from Bicep.
//!
//! A template is evaluated as a deployment would evaluate it, without Azure: parameters, variables, functions, conditions, copies
//! and nested deployments. A value that only Azure could compute is unknown, with a reason, and so is what functions compute from
//! it. Secure parameters are not read.

mod emit;
mod engine;
mod expression;
mod functions;
mod meter;
mod parameters;
mod references;
mod resources;
mod scope;
mod value;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde_json::Value;

use super::{Options, Read, Refusal};

/// Most iterations of a copy loop, as in Azure.
const MAX_COPIES: i64 = 800;
/// Most resources of all deployments of one file.
const MAX_INSTANCES: usize = 100_000;
/// Stack size of the evaluating thread, in octets: evaluation recurses deeply.
const STACK: usize = 64 << 20;

/// Reads a deployment template.
///
/// # Errors
/// If parameters that are needed have no value or one of the wrong type: all of them are named. If the template takes too many
/// steps.
pub fn read(file: &Arc<str>, document: &Value, options: &Options) -> Result<Read, Refusal> {
    std::thread::scope(|threads| {
        let reader = std::thread::Builder::new().stack_size(STACK);
        let reader = reader.spawn_scoped(threads, || emit::read(file, document, options));
        let reader = reader.map_err(|error| Refusal(format!("no thread to read a template: {error}")))?;
        reader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
