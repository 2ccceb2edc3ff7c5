//! Expectation files.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use ipnet::IpNet;
use serde::Deserialize;
use toml::Spanned;

use super::super::worlds;
use crate::dns::{Name, RecordType, TypeName};
use crate::questions::{Asked, Asker, Expectation, Outcome, Seen, ask};

/// Largest expectation file, in octets.
const MAX_FILE: u64 = 64 << 20;

/// The file in serde's form.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Mirror {
    #[serde(default)]
    expect: Vec<Spanned<Expect>>,
    #[serde(default)]
    from: BTreeMap<String, From>,
}

/// How to act as a client of a server.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::cli) struct From {
    /// The source address.
    pub(in crate::cli) source: Option<IpAddr>,
    /// The EDNS Client Subnet to send.
    pub(in crate::cli) client_subnet: Option<IpNet>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expect {
    from: OneOrMore,
    name: String,
    #[serde(rename = "type")]
    rtype: Option<String>,
    rcode: Option<String>,
    chain: Option<Vec<String>>,
    records: Option<Vec<String>>,
    ttl_min: Option<u32>,
    ttl_max: Option<u32>,
    private: Option<bool>,
    same_as: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "an asker, or a list of askers")]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

/// A parsed file.
#[derive(Debug)]
pub(super) struct File {
    pub(super) path: PathBuf,
    pub(super) cases: Vec<Case>,
    /// How to act as each asker, if a server is asked.
    pub(super) from: BTreeMap<String, From>,
}

/// One expectation for one asker.
#[derive(Debug)]
pub(super) struct Case {
    /// Line in the file.
    pub(super) line: usize,
    pub(super) from: String,
    pub(super) name: Name,
    pub(super) rtype: RecordType,
    pub(super) expectation: Expectation,
    pub(super) same_as: Option<String>,
}

impl Case {
    /// The question and the asker.
    pub(super) fn title(&self) -> String {
        format!("{} {} from {}", self.name, TypeName(self.rtype), self.from)
    }
}

/// Reads a file.
pub(super) fn read(path: &Path) -> anyhow::Result<File> {
    let shown = path.display();
    let is_large = fs::metadata(path).is_ok_and(|metadata| metadata.len() > MAX_FILE);
    if is_large {
        bail!("{shown} is larger than 64 MiB");
    }
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {shown}"))?;
    let mirror: Mirror = toml::from_str(&text).with_context(|| format!("{shown} is no expectation file"))?;
    if mirror.expect.is_empty() {
        bail!("{shown} expects nothing: write [[expect]] with from and name; see vnetdns test --help");
    }
    let mut cases = Vec::new();
    // Tables come in the order of the file, so that lines are counted in one pass.
    let (mut line, mut counted) = (1, 0);
    for expect in mirror.expect {
        let start = expect.span().start;
        line += text.get(counted..start).map_or(0, |lines| lines.matches('\n').count());
        counted = start;
        let here = || format!("{shown}:{line}");
        let expect = expect.into_inner();
        let name = worlds::name(&expect.name).with_context(here)?;
        let rtype = worlds::record_type(expect.rtype.as_deref().unwrap_or("A")).with_context(here)?;
        let expectation = Expectation {
            rcode: expect.rcode,
            chain: expect.chain,
            records: expect.records,
            ttl: (expect.ttl_min, expect.ttl_max),
            private: expect.private,
        };
        if expectation == Expectation::default() && expect.same_as.is_none() {
            bail!("{}: nothing is expected: write rcode, chain, records, ttl_min, ttl_max, private or same_as", here());
        }
        let askers = match expect.from {
            OneOrMore::One(one) => vec![one],
            OneOrMore::More(more) => more,
        };
        for from in askers {
            let (name, expectation, same_as) = (name.clone(), expectation.clone(), expect.same_as.clone());
            cases.push(Case { line, from, name, rtype, expectation, same_as });
        }
    }
    Ok(File { path: path.to_owned(), cases, from: mirror.from })
}

/// The asker that an expectation names: a network, an address, or `outside`.
pub(super) fn asker(world: &Asked<'_>, label: &str) -> Result<Asker, String> {
    if let Ok(address) = label.parse::<IpAddr>() {
        return Ok(Asker::at(world, address));
    }
    Asker::find(world, label)
        .ok_or_else(|| format!("there is no virtual network \"{label}\", or several are called so"))
}

/// An expectation file of the current answers.
pub(super) fn record(world: &Asked<'_>, names: &[String], from: &[String]) -> anyhow::Result<String> {
    let askers = match from {
        [] => world.askers(),
        labels => {
            labels.iter().map(|label| asker(world, label)).collect::<Result<_, _>>().map_err(anyhow::Error::msg)?
        }
    };
    let mut text = "# What was seen when this file was written.\n".to_owned();
    for name in names {
        let name = worlds::name(name)?;
        for asker in &askers {
            let seen = ask(world, asker, name.as_ref(), RecordType::A);
            text += &expectation(&asker.label, &name, &seen);
        }
    }
    Ok(text)
}

fn expectation(from: &str, name: &Name, seen: &Seen) -> String {
    let mut text = String::new();
    let list = |texts: &[String]| texts.iter().map(|text| format!("{text:?}")).collect::<Vec<_>>().join(", ");
    let mut line = |line: String| writeln!(text, "{line}").expect("a string takes it");
    line(format!("\n[[expect]]\nfrom = {from:?}\nname = {:?}", name.to_string()));
    match seen.outcome.rcode() {
        Some(rcode) => line(format!("rcode = {rcode:?}")),
        None => line(format!("# {}: what they answer is not known here", seen.outcome)),
    }
    if !seen.aliases.is_empty() || seen.outcome.rcode().is_none() {
        line(format!("chain = [{}]", list(&seen.aliases)));
    }
    if seen.outcome == Outcome::Records {
        line(format!("records = [{}]\nprivate = {}", list(&seen.records), seen.private));
    }
    text
}
