//! `vnetdns catalogue`: the known Private Link services.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use super::{print, table};
use crate::azure::{Catalogue, Member, PartNeed, Service, template_variants};
use crate::dns::Name;

/// The schemas of the JSON forms: of the list, and of the lookup of a name.
const SCHEMA: &str = "vnetdns.catalogue/1";
const NAME_SCHEMA: &str = "vnetdns.catalogue-name/1";

/// List Private Link services: their group IDs, members, zones and names
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "\
Filters compare without regard to letter case; --type and --zone take a part of the word.

Examples:
  vnetdns catalogue --type storage --cloud global
  vnetdns catalogue --zone kusto --format json
  vnetdns catalogue --region usgovvirginia                         what there is in that region's cloud
  vnetdns catalogue name myadx.westus.kusto.windows.net            which service and zone a name belongs to")]
pub(super) struct CatalogueCommand {
    #[command(subcommand)]
    query: Option<Query>,
    #[command(flatten)]
    filter: Filter,
    /// Form of the list
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    format: Format,
}

#[derive(Debug, Subcommand)]
enum Query {
    Name(NameQuery),
}

/// Say which service, private zone and forwarder zone a name belongs to
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  vnetdns catalogue name myadx.westus.kusto.windows.net
  vnetdns catalogue name --format json contoso.privatelink.blob.core.windows.net")]
struct NameQuery {
    /// A public name, a privatelink name, or the name of a zone
    name: String,
    /// Form of the answer
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    format: Format,
}

#[derive(Debug, Args)]
struct Filter {
    /// Part of the ARM type
    #[arg(long = "type", value_name = "TEXT")]
    resource_type: Option<String>,
    /// Part of a zone's name, private or public
    #[arg(long, value_name = "TEXT")]
    zone: Option<String>,
    /// A region: services of its cloud, with the region filled in
    #[arg(long)]
    region: Option<String>,
    /// A cloud, unless the region tells
    #[arg(long, value_parser = ["global", "usgov", "china"], conflicts_with = "region")]
    cloud: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// Columns for people
    Table,
    /// JSON for programs
    Json,
}

/// A match of a name with a member's template.
struct Match<'a> {
    service: &'a Service,
    member: &'a Member,
    /// The zone to forward, with templates filled in: the public zone, or that of an alias of the public name.
    forwarder_zone: String,
    private_zone: String,
}

impl CatalogueCommand {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let catalogue = Catalogue::embedded();
        if let Some(Query::Name(query)) = self.query {
            return query.run(&catalogue);
        }
        let cloud = match &self.filter.region {
            None => self.filter.cloud.clone(),
            Some(region) => {
                let cloud =
                    catalogue.cloud(region).with_context(|| format!("\"{region}\" is not a region of Azure"))?;
                Some(cloud.to_owned())
            }
        };
        let services: Vec<_> =
            catalogue.services().iter().filter(|service| self.filter.keeps(service, &cloud)).collect();
        let text = match self.format {
            Format::Json => {
                let services: Result<Vec<_>, _> = services.iter().map(|service| as_json(&catalogue, service)).collect();
                format!("{:#}\n", json!({ "schema": SCHEMA, "services": services? }))
            }
            Format::Table => listed(&services, self.filter.region.as_deref()),
        };
        print(&text)?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Filter {
    fn keeps(&self, service: &Service, cloud: &Option<String>) -> bool {
        let has = |word: &str, part: &String| word.to_lowercase().contains(&part.to_lowercase());
        let zones = || service.members.iter().flat_map(|member| [&member.private_zone, &member.public_zone]);
        cloud.as_ref().is_none_or(|cloud| service.cloud.eq_ignore_ascii_case(cloud))
            && self.resource_type.as_ref().is_none_or(|part| has(&service.resource_type, part))
            && self.zone.as_ref().is_none_or(|part| zones().any(|zone| has(zone, part)))
    }
}

fn listed(services: &[&Service], region: Option<&str>) -> String {
    let fill =
        |template: &str| region.map_or_else(|| template.to_owned(), |region| template.replace("{region}", region));
    let heads = [
        "CLOUD",
        "TYPE",
        "GROUP ID",
        "MEMBER",
        "RECORD",
        "PRIVATE ZONE",
        "FORWARDER ZONE",
        "SOURCE",
        "NAME PARTS AND LISTS",
    ];
    let mut rows = vec![heads.map(str::to_owned)];
    for service in services {
        rows.extend(service.members.iter().map(|member| {
            [
                service.cloud.clone(),
                service.resource_type.clone(),
                service.group_id.clone(),
                member.name.clone(),
                fill(&member.record_name),
                fill(&member.private_zone),
                fill(&member.public_zone),
                match service.unverified(member) {
                    Some(_) => "unverified".to_owned(),
                    None => service.source_of(member).unwrap_or_default().to_owned(),
                },
                needs(service),
            ]
        }));
    }
    table::table(&rows, table::terminal_width())
}

/// A service as in the data file, with the parts that it needs from a resource.
fn as_json(catalogue: &Catalogue, service: &Service) -> serde_json::Result<serde_json::Value> {
    let mut value = serde_json::to_value(service)?;
    for (member, value) in service.members.iter().zip(value["members"].as_array_mut().into_iter().flatten()) {
        value["source"] = serde_json::to_value(catalogue.source(service, member))?;
        value["unverified"] = json!(service.unverified(member));
    }
    let parts = service.name_parts().into_iter().map(|(part, need)| {
        let need = match need {
            PartNeed::Required => json!({ "required": true }),
            PartNeed::Optional => json!({ "required": false }),
            PartNeed::Default(default) => json!({ "required": false, "default": default }),
        };
        (part.to_owned(), need)
    });
    value["name_parts"] = serde_json::Value::Object(parts.collect());
    value["name_lists"] = service.name_lists().into_iter().collect();
    Ok(value)
}

/// The name parts and lists that a service uses; optional ones are in brackets.
fn needs(service: &Service) -> String {
    let parts = service.name_parts().into_iter().map(|(part, need)| match need {
        PartNeed::Required => part.to_owned(),
        PartNeed::Optional | PartNeed::Default(_) => format!("[{part}]"),
    });
    let lists = service.name_lists().into_iter().map(|list| format!("[{list}…]"));
    parts.chain(lists).collect::<Vec<_>>().join(" ")
}

impl NameQuery {
    fn run(self, catalogue: &Catalogue) -> anyhow::Result<ExitCode> {
        let name: Name = self.name.parse().with_context(|| format!("\"{}\" is not a domain name", self.name))?;
        let name = name.to_string().to_lowercase();
        let name = name.trim_end_matches('.');
        let mut matches: Vec<_> = catalogue
            .services()
            .iter()
            .flat_map(|service| service.members.iter().map(move |member| (service, member)))
            // A service whose names are in a zone of the user's own would match every name.
            .filter(|(_, member)| literal_len(&member.private_zone) > 0)
            .filter_map(|(service, member)| find(catalogue, service, member, name))
            .collect();
        // The longest zone is the one that answers; `ingest-x` matches better than a template that fits any name.
        // For a zone's own name, all services that use the zone are listed.
        let rank = |found: &Match<'_>| match found.private_zone == name || found.forwarder_zone == name {
            true => (usize::MAX, 0),
            false => (found.private_zone.len(), literal_len(&found.member.record_name)),
        };
        let best = matches.iter().map(rank).max();
        matches.retain(|found| Some(rank(found)) == best);
        matches.sort_by_key(Match::oddness);
        let text = match self.format {
            Format::Json => {
                let matches: Vec<_> = matches.iter().map(|found| found.as_json(catalogue)).collect();
                format!("{:#}\n", json!({ "schema": NAME_SCHEMA, "name": name, "matches": matches }))
            }
            Format::Table => matches.iter().map(|found| found.as_text(catalogue)).collect::<Vec<_>>().join("\n"),
        };
        if matches.is_empty() {
            bail!("no service of the catalogue has names like \"{name}\"");
        }
        print(&text)?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Match<'_> {
    /// Sort key: services come first whose resources own the name, for which a source confirms it, which need no scope, and which
    /// have few other names.
    fn oddness(&self) -> (usize, bool, bool, bool, usize) {
        let record = &self.member.record_name;
        let own = match record.strip_prefix("{name}") {
            Some("") => 0,
            Some(_) => 1,
            None if record.contains("{name}") => 2,
            None => 3,
        };
        let is_unverified = self.service.unverified(self.member).is_some();
        let is_elsewhere = self.service.cloud != "global";
        (own, is_unverified, self.service.scope.is_some(), is_elsewhere, self.service.members.len())
    }

    fn as_text(&self, catalogue: &Catalogue) -> String {
        let service = self.service;
        let source = catalogue.source(service, self.member).map_or_else(String::new, |source| match &source.url {
            Some(url) => format!("{} <{url}>", source.title),
            None => source.title.clone(),
        });
        let lines = [
            ("service", format!("{} ({})", service.title, service.cloud)),
            ("type", service.resource_type.clone()),
            ("through scope", service.scope.clone().unwrap_or_default()),
            ("group ID", service.group_id.clone()),
            ("member", self.member.name.clone()),
            ("source", source),
            ("unverified", service.unverified(self.member).unwrap_or_default().to_owned()),
            ("private zone", self.private_zone.clone()),
            ("forwarder zone", self.forwarder_zone.clone()),
            ("name parts", needs(service)),
        ];
        let mut text = String::new();
        for (head, value) in lines.iter().filter(|(_, value)| !value.is_empty()) {
            writeln!(text, "{head:16}{value}").expect("a string takes it");
        }
        text
    }

    fn as_json(&self, catalogue: &Catalogue) -> serde_json::Value {
        json!({
            "title": self.service.title,
            "cloud": self.service.cloud,
            "type": self.service.resource_type,
            "scope": self.service.scope,
            "group_id": self.service.group_id,
            "member": self.member.name,
            "source": catalogue.source(self.service, self.member),
            "unverified": self.service.unverified(self.member),
            "private_zone": self.private_zone,
            "forwarder_zone": self.forwarder_zone,
        })
    }
}

/// How much of a template is literal text.
fn literal_len(template: &str) -> usize {
    template.split('{').map(|piece| piece.split_once('}').map_or(piece, |(_, literal)| literal).len()).sum()
}

/// Matches a name with a member's public name, its privatelink name, or an alias of its public name.
fn find<'a>(catalogue: &Catalogue, service: &'a Service, member: &'a Member, name: &str) -> Option<Match<'a>> {
    let owner = |labels: &str, zone: &str| match labels {
        "@" => zone.to_owned(),
        _ => format!("{labels}.{zone}"),
    };
    let public_record_name = member.public_record_name.as_ref().unwrap_or(&member.record_name);
    // If a zone's name contains more than a region, it may also be the name of a resource.
    let is_plain = |zone: &&String| !zone.replace("{region}", "").contains('{');
    let zones = [&member.private_zone, &member.public_zone].into_iter().filter(is_plain);
    let zones = zones.map(|zone| (zone.clone(), member.public_zone.as_str()));
    let names = [
        (owner(&member.record_name, &member.private_zone), member.public_zone.as_str()),
        (owner(public_record_name, &member.public_zone), member.public_zone.as_str()),
    ];
    let aliases = member.aliases.iter().map(|alias| {
        let zone = alias.host.split_once('.').map_or(alias.host.as_str(), |(_, zone)| zone);
        (alias.host.clone(), zone)
    });
    let variants = member.variants.iter().flat_map(|variant| {
        let public_zone = variant.public_zone.as_deref().unwrap_or(&member.public_zone);
        let record_name = variant.record_name.as_deref().unwrap_or(&member.record_name);
        let private_zone = variant.private_zone.as_deref().unwrap_or(&member.private_zone);
        [(owner(record_name, public_zone), public_zone), (owner(record_name, private_zone), public_zone)]
    });
    zones.chain(names).chain(variants).chain(aliases).find_map(|(template, forwarder_zone)| {
        let parts =
            template_variants(&template).iter().find_map(|variant| fit(catalogue, &service.cloud, variant, name))?;
        // Parts that the name does not determine remain templates, except for optional parts that it does not have.
        let fill = |template: &str| {
            let variants = template_variants(template);
            let known = |variant: &str| parts.keys().filter(|part| variant.contains(&format!("{{{part}}}"))).count();
            let is_whole = |variant: &&String| known(variant) == variant.matches('{').count();
            let fitting = variants.iter().find(is_whole).or_else(|| variants.last()).expect("at least one");
            parts.iter().fold(fitting.clone(), |text, (part, value)| text.replace(&format!("{{{part}}}"), value))
        };
        Some(Match { service, member, forwarder_zone: fill(forwarder_zone), private_zone: fill(&member.private_zone) })
    })
}

/// The values of a template's parts with which it produces the name; `None` if there are none.
pub(super) fn fit(catalogue: &Catalogue, cloud: &str, template: &str, name: &str) -> Option<BTreeMap<String, String>> {
    let Some((before, rest)) = template.split_once('{') else {
        return (template == name).then(BTreeMap::new);
    };
    let name = name.strip_prefix(before)?;
    let (part, rest) = rest.split_once('}')?;
    // A part is at most one label; the longest value is tried first, so that hyphens stay within it.
    let label = name.split('.').next()?;
    let ends = (1..=label.len()).rev().filter(|end| label.is_char_boundary(*end));
    for end in ends {
        let (value, after) = name.split_at(end);
        let is_region = || catalogue.cloud(value) == Some(cloud);
        if part == "region" && !is_region() {
            continue;
        }
        if let Some(mut parts) = fit(catalogue, cloud, rest, after) {
            parts.insert(part.to_owned(), value.to_owned());
            return Some(parts);
        }
    }
    None
}
