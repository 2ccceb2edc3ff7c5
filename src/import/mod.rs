//! Imports files that describe Azure resources, and writes a topology in TOML.
//!
//! The format of a file is recognised by its content, never by its name. Descriptions of the same resource in several files are
//! joined by its ID. Nothing is fetched; secret values are neither stored nor shown. Objects that are not understood are listed
//! with their place; types that DNS does not need are counted.

mod bind;
mod document;
mod estate;
mod join;
mod listing;
mod octodns;
mod recognise;
mod resource;
pub mod template;
pub mod terraform;
#[cfg(test)]
mod tests;
mod toml;
mod value;
mod yaml;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use ipnet::IpNet;
use serde_json::{Map, Value};

use crate::azure::{Catalogue, ResourceGroup, ResourceId};
use recognise::{Format, Language};
pub use recognise::{is_estate, is_plan};
pub use resource::{LeftOut, Place, Read, Refusal, Resource, UNKNOWN, unknown, why_unknown};

/// Most octets of one file.
pub const MAX_FILE: usize = 256 << 20;
/// Most resources of all files.
pub const MAX_RESOURCES: usize = 1_000_000;

/// What is given besides the files.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The side of a Terraform plan to read.
    pub side: Side,
    /// Values of template parameters; the first one of a name counts.
    pub parameters: Vec<Parameters>,
    /// The value of `subscription().subscriptionId` in templates.
    pub subscription: Option<String>,
    /// The value of `resourceGroup().name` in templates.
    pub resource_group: Option<String>,
    /// The value of `resourceGroup().location` in templates.
    pub location: Option<String>,
    /// Address spaces of networks of which the files have only the ID: a reference, and its prefixes.
    pub networks: Vec<(String, Vec<IpNet>)>,
    /// Whether members of private endpoints without a known address are given the next free one of their subnet.
    pub allocate: bool,
    /// The configuration to which the text will be appended.
    pub beside: Option<Beside>,
}

/// A configuration to which imported text is appended.
#[derive(Clone, Debug)]
pub struct Beside {
    /// The resource group of its resources that name none.
    pub default: ResourceGroup,
    /// What it declares.
    pub declared: Vec<ResourceId>,
}

/// A side of a Terraform plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Side {
    /// The state after the plan is applied.
    #[default]
    After,
    /// The current state.
    Before,
}

/// Values for the parameters of a template, from a parameter file or the command line.
#[derive(Clone, Debug)]
pub struct Parameters {
    /// Where they come from.
    pub file: Arc<str>,
    /// Values by name, as in a parameter file: `{"value": …}` or `{"reference": …}`.
    pub values: Map<String, Value>,
}

/// One file.
#[derive(Clone, Debug)]
pub struct Input {
    /// As the user named it.
    pub file: Arc<str>,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// The result of an import.
#[derive(Clone, Debug)]
pub struct Import {
    /// A topology in TOML.
    pub text: String,
    /// Pairs of a line number of the text, counted from 1, and the place that the text from that line on comes from.
    pub origins: Vec<(u32, Arc<str>)>,
    /// Networks whose address space is in no file.
    pub asked: Vec<Asked>,
    /// Objects that were not understood, in order.
    pub left_out: Vec<LeftOut>,
    /// Types that DNS does not need, each with the number of its resources.
    pub passed_over: BTreeMap<String, usize>,
    /// Assumptions where no file gives a value.
    pub notes: Vec<String>,
    /// Resources that are declared with an unknown value.
    pub unknown: Vec<LeftOut>,
    /// Declarations that may not be what is meant.
    pub doubts: Vec<LeftOut>,
}

/// A network whose address space the user is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Its resource ID.
    pub id: String,
    /// The place that describes it or refers to it.
    pub places: Vec<Place>,
}

/// An error that prevents the import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Where it is.
    pub place: Place,
    /// What is wrong.
    pub what: String,
    /// What the user can do.
    pub mend: String,
}

impl Mistake {
    fn new(place: Place, what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { place, what: what.into(), mend: mend.into() }
    }
}

impl fmt::Display for Mistake {
    /// `file: address: error: what`, and the remedy on a second line if there is one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: error: {}", self.place, self.what)?;
        if self.mend.is_empty() { Ok(()) } else { write!(f, "\n  help: {}", self.mend) }
    }
}

/// Reads all files and writes the topology.
///
/// # Errors
/// Files that cannot be read, and resources that two files describe differently.
pub fn import(inputs: &[Input], options: &Options) -> Result<Import, Vec<Mistake>> {
    import_with(inputs, options, &Catalogue::embedded())
}

fn import_with(inputs: &[Input], options: &Options, catalogue: &Catalogue) -> Result<Import, Vec<Mistake>> {
    let (mut options, mut mistakes) = (options.clone(), Vec::new());
    let mut documents = Vec::new();
    for input in inputs {
        match recognised(&input.bytes) {
            Ok(found) => documents.extend(found.into_iter().map(|found| (&input.file, found))),
            Err(Refusal(what)) => mistakes.push(Mistake::new(Place::new(&input.file, ""), what, "")),
        }
    }
    for (file, (format, document)) in &documents {
        if *format == Format::Parameters {
            let values = document.get("parameters").and_then(Value::as_object).cloned().unwrap_or_default();
            options.parameters.push(Parameters { file: (*file).clone(), values });
        }
    }
    mistakes.extend(parameters_of_no_template(&documents, &options));
    let mut reads = Vec::new();
    for (file, (format, document)) in documents {
        let read = match format {
            Format::Terraform => terraform::read(file, &document, &options),
            Format::Template => template::read(file, &document, &options),
            Format::Listing => listing::read(file, document),
            Format::Octodns => octodns::read(file, &document, &options),
            Format::Bind => bind::read(file, document.as_str().unwrap_or_default(), &options),
            Format::Parameters => continue,
        };
        match read {
            Ok(read) => reads.push(read),
            Err(Refusal(what)) => mistakes.push(Mistake::new(Place::new(file, ""), what, "")),
        }
    }
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    let files: Vec<_> = inputs.iter().map(|input| input.file.clone()).collect();
    estate::write(&join::Resources::new(reads)?, &files, &options, catalogue)
}

/// Reports values for parameters that no template has.
fn parameters_of_no_template(documents: &[(&Arc<str>, (Format, Value))], options: &Options) -> Vec<Mistake> {
    let templates = || documents.iter().filter(|(_, (format, _))| *format == Format::Template);
    let names = templates().filter_map(|(_, (_, template))| template.get("parameters")?.as_object());
    let names: BTreeSet<_> = names.flat_map(Map::keys).map(|name| name.to_ascii_lowercase()).collect();
    let mut mistakes = Vec::new();
    for given in &options.parameters {
        let place = || Place::new(&given.file, "");
        if templates().next().is_none() {
            let mend = "add the template that they are for, mostly main.json or azuredeploy.json";
            mistakes.push(Mistake::new(
                place(),
                "values for the parameters of a template, and none is among the files",
                mend,
            ));
            continue;
        }
        for name in given.values.keys().filter(|name| !names.contains(&name.to_ascii_lowercase())) {
            let known: Vec<_> = names.iter().take(20).map(String::as_str).collect();
            let mend = format!("its parameters are: {}", known.join(", "));
            mistakes.push(Mistake::new(place(), format!("no template here has a parameter {name}"), mend));
        }
    }
    mistakes
}

/// The documents of a file, each with its format.
fn recognised(bytes: &[u8]) -> Result<Vec<(Format, Value)>, Refusal> {
    recognise::refuse(bytes)?;
    let text = document::text(bytes)?;
    match recognise::language(&text) {
        Language::Bind => return Ok(vec![(Format::Bind, Value::String(text))]),
        Language::Yaml => {
            let document = yaml::parse(&text)?;
            return Ok(vec![(recognise::recognise_yaml(&document)?, document)]);
        }
        Language::Json => {}
    }
    let documents = document::parse(&text)?;
    documents.into_iter().map(|document| Ok((recognise::recognise(&document)?, document))).collect()
}
