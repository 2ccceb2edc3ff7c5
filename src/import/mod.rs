//! Files that describe an estate of Azure → the text of a topology.
//!
//! A file is recognised by its content, never by its name, and read by the reader of its format; what several files say of a
//! resource is joined by its ID. Nothing is fetched; secure values are neither stored nor shown. Whatever is not understood is
//! listed with its place, and whatever the DNS does not need is counted.

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

/// What is known besides the files.
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
    /// Address spaces of networks that the files know by their IDs alone: a reference, and its prefixes.
    pub networks: Vec<(String, Vec<IpNet>)>,
    /// Whether members of private endpoints without a known address are given the next free one of their subnet.
    pub allocate: bool,
    /// The configuration that the text will stand behind.
    pub beside: Option<Beside>,
}

/// A configuration beside imported files.
#[derive(Clone, Debug)]
pub struct Beside {
    /// The group of its resources that do not say.
    pub default: ResourceGroup,
    /// What it declares.
    pub declared: Vec<ResourceId>,
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
    /// By name: what a parameter file has, `{"value": …}` or `{"reference": …}`.
    pub values: Map<String, Value>,
}

/// One file.
#[derive(Clone, Debug)]
pub struct Input {
    /// As the user named it.
    pub file: Arc<str>,
    /// Its octets.
    pub bytes: Vec<u8>,
}

/// What was made of all files.
#[derive(Clone, Debug)]
pub struct Import {
    /// A topology in TOML.
    pub text: String,
    /// From which line of the text on, counted from 1, it is from where.
    pub origins: Vec<(u32, Arc<str>)>,
    /// Networks whose address space is in none of the files.
    pub asked: Vec<Asked>,
    /// What was not understood, in order.
    pub left_out: Vec<LeftOut>,
    /// Types that the DNS does not need, each with the number of its resources.
    pub passed_over: BTreeMap<String, usize>,
    /// What was assumed where no file says it.
    pub notes: Vec<String>,
    /// What is declared, with a value that is not known.
    pub unknown: Vec<LeftOut>,
    /// What is declared and may not be meant.
    pub doubts: Vec<LeftOut>,
}

/// A network whose address space is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Its resource ID.
    pub id: String,
    /// What describes it, or refers to it.
    pub places: Vec<Place>,
}

/// Why files cannot be imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Where.
    pub place: Place,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub mend: String,
}

impl Mistake {
    fn new(place: Place, what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { place, what: what.into(), mend: mend.into() }
    }
}

impl fmt::Display for Mistake {
    /// `file: address: error: what` and, on a second line, what to do, where that is more.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: error: {}", self.place, self.what)?;
        if self.mend.is_empty() { Ok(()) } else { write!(f, "\n  help: {}", self.mend) }
    }
}

/// Reads all files and writes the topology.
///
/// # Errors
/// Every file that is not taken, and every resource that two files describe in two ways.
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

/// Values that are given for parameters which no template has.
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
