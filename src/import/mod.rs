//! Files that describe an estate of Azure, as resources of Azure Resource Manager.
//!
//! A file is recognised by its content, never by its name, and read by the reader of its format. Nothing is fetched; secure
//! values are neither stored nor shown.

mod document;
mod recognise;
mod resource;
pub mod template;
pub mod terraform;

use std::sync::Arc;

use serde_json::{Map, Value};

pub use resource::{LeftOut, Place, Read, Refusal, Resource, UNKNOWN, unknown, why_unknown};

/// Most octets of one file.
pub const MAX_FILE: usize = 256 << 20;
/// Most resources of all files.
pub const MAX_RESOURCES: usize = 1_000_000;

/// What a reader is told besides the file.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Which side of a Terraform plan is read.
    pub side: Side,
    /// Values for the parameters of templates; the first that has a name counts.
    pub parameters: Vec<Parameters>,
    /// What `subscription().subscriptionId` of a template is.
    pub subscription: Option<String>,
    /// What `resourceGroup().name` of a template is.
    pub resource_group: Option<String>,
    /// What `resourceGroup().location` of a template is.
    pub location: Option<String>,
}

/// A side of a Terraform plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Side {
    /// What is there once the plan is applied.
    #[default]
    After,
    /// What is there now.
    Before,
}

/// Values for the parameters of a template, from a parameter file or the command line.
#[derive(Clone, Debug)]
pub struct Parameters {
    /// Where they were read.
    pub file: Arc<str>,
    /// By name: what stands in `value` or `reference` of a parameter file, `{"value": …}`.
    pub values: Map<String, Value>,
}

/// Reads one file.
///
/// # Errors
/// Where the file as a whole is not taken: it is none that is known, or one that has to be made in another way.
pub fn read(file: &Arc<str>, bytes: &[u8], options: &Options) -> Result<Read, Refusal> {
    let document = document::parse(bytes)?;
    match recognise::recognise(&document)? {
        recognise::Format::Terraform => terraform::read(file, &document, options),
        recognise::Format::Template => template::read(file, &document, options),
    }
}
