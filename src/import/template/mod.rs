//! ARM templates: exports of the portal, templates by hand, and Bicep's compiled JSON.
//!
//! A template is evaluated as a deployment would evaluate it, without Azure: parameters, variables, functions, conditions,
//! copies and nested deployments. What only Azure could tell is an unknown value that says why, and goes through every
//! function that it is an argument of. Secure parameters are not read.

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

/// Copies that one loop may make, as in Azure.
const MAX_COPIES: i64 = 800;
/// Resources that the deployments of one file may make.
const MAX_INSTANCES: usize = 100_000;
/// Octets of the stack of the thread that evaluates: expressions call each other deeply.
const STACK: usize = 64 << 20;

/// Reads a document whose `$schema` is that of a deployment template.
///
/// # Errors
/// Where parameters that are needed have no value or one of another type: names them all; where the template takes more steps
/// than a file may.
pub fn read(file: &Arc<str>, document: &Value, options: &Options) -> Result<Read, Refusal> {
    std::thread::scope(|threads| {
        let reader = std::thread::Builder::new().stack_size(STACK);
        let reader = reader.spawn_scoped(threads, || emit::read(file, document, options));
        let reader = reader.map_err(|error| Refusal(format!("no thread to read a template: {error}")))?;
        reader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
