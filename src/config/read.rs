//! Parses TOML into the mirror, and reports every problem, not only serde's first one.
//!
//! serde stops at the first mistake in a value. Here each resource is deserialised by itself. If it fails, the offending key or
//! value is reported and removed, and the resource is tried again; a missing key is filled in for the next attempt, and the
//! resource is left out in the end.

use std::ops::Range;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::mirror::{
    Check, ClientCertificate, DnsForwardingRuleset, DnsSecurityPolicy, Dnstap, Explanations, Faults, Forwarder, Limits,
    ManagedPrivateEndpoint, ManagedServiceEndpoint, Management, Metrics, PrivateDnsZone, PrivateEndpoint,
    PrivateLinkResource, PrivateLinkService, PublicCnameFrom, PublicZone, Server, ServiceEndpoint, ServiceType, Text,
    TsigKey, UnknownNames, Upstream, VirtualMachine, VirtualNetwork,
};
use super::problem::{Problems, Source};
use super::syntax::Legible;
use crate::codes::Code;

/// Maximum mistakes reported for one resource.
const MAX_ATTEMPTS: usize = 32;
/// The place of what was filled in for a missing key.
const FILLED_IN: Range<usize> = usize::MAX..usize::MAX;

/// What the file declares, as far as it is readable.
#[derive(Debug, Default)]
pub(super) struct Mirror {
    pub(super) server: Server,
    pub(super) check: Check,
    pub(super) metrics: Option<Read<Metrics>>,
    pub(super) management: Option<Read<Management>>,
    pub(super) faults: Option<Read<Faults>>,
    pub(super) dnstap: Option<Spanned<Read<Dnstap>>>,
    pub(super) subscription: Option<Text>,
    pub(super) resource_group: Option<Text>,
    pub(super) limits: Limits,
    pub(super) public_cname_from: PublicCnameFrom,
    pub(super) unknown_names: UnknownNames,
    pub(super) service_types: Vec<Read<ServiceType>>,
    pub(super) virtual_networks: Vec<Read<VirtualNetwork>>,
    pub(super) virtual_machines: Vec<Read<VirtualMachine>>,
    pub(super) private_dns_zones: Vec<Read<PrivateDnsZone>>,
    pub(super) private_link_resources: Vec<Read<PrivateLinkResource>>,
    pub(super) private_endpoints: Vec<Read<PrivateEndpoint>>,
    pub(super) private_link_services: Vec<Read<PrivateLinkService>>,
    pub(super) service_endpoints: Vec<Read<ServiceEndpoint>>,
    pub(super) managed_private_endpoints: Vec<Read<ManagedPrivateEndpoint>>,
    pub(super) managed_service_endpoints: Vec<Read<ManagedServiceEndpoint>>,
    pub(super) public_zones: Vec<Read<PublicZone>>,
    pub(super) dns_forwarding_rulesets: Vec<Read<DnsForwardingRuleset>>,
    pub(super) dns_security_policies: Vec<Read<DnsSecurityPolicy>>,
    pub(super) upstream: Option<Read<Upstream>>,
    pub(super) forwarders: Vec<Read<Forwarder>>,
    pub(super) explanations: Option<Read<Explanations>>,
    pub(super) tsig_keys: Vec<Read<TsigKey>>,
    pub(super) client_certificates: Vec<Read<ClientCertificate>>,
}

/// A resource, and whether it is complete.
#[derive(Debug)]
pub(super) struct Read<T> {
    pub(super) value: T,
    pub(super) whole: bool,
}

/// Parses a configuration file; `text` is also the text of `source`.
pub(super) fn read(source: &Source<'_>, text: &str, problems: &mut Problems) -> Mirror {
    let mut mirror = Mirror::default();
    let mut reader = Reader { source, problems };
    let legible = Legible::new(text);
    for (at, what) in &legible.mistakes {
        reader.problem(Code::Syntax, *at, what, "correct the TOML; see https://toml.io");
    }
    if legible.lacks_head {
        // Whether Azure's limits apply is unknown.
        mirror.limits = Limits::Off;
    }
    let (root, _) = DeTable::parse_recoverable(&legible.text);
    for (key, value) in root.into_inner() {
        let at = key.span().start;
        match key.get_ref().as_ref() {
            "server" => match value.get_ref() {
                DeValue::Table(_) => mirror.server = reader.table(value).map(|read| read.value).unwrap_or_default(),
                _ => reader.problem(Code::WrongKind, value.span().start, "\"server\" is not a table", "write [server], once"),
            },
            "check" => match value.get_ref() {
                DeValue::Table(_) => mirror.check = reader.table(value).map(|read| read.value).unwrap_or_default(),
                _ => reader.problem(Code::WrongKind, value.span().start, "\"check\" is not a table", "write [check], once"),
            },
            "metrics" => match value.get_ref() {
                DeValue::Table(_) => mirror.metrics = reader.table(value),
                _ => reader.problem(Code::WrongKind, value.span().start, "\"metrics\" is not a table", "write [metrics], once"),
            },
            "management" => match value.get_ref() {
                DeValue::Table(_) => mirror.management = reader.table(value),
                _ => reader.problem(Code::WrongKind, value.span().start, "\"management\" is not a table", "write [management], once"),
            },
            "faults" => match value.get_ref() {
                DeValue::Table(_) => mirror.faults = reader.table(value),
                _ => reader.problem(Code::WrongKind, value.span().start, "\"faults\" is not a table", "write [faults], once"),
            },
            "subscription" => mirror.subscription = reader.value(value),
            "resource_group" => mirror.resource_group = reader.value(value),
            "dnstap" => match value.get_ref() {
                DeValue::Table(_) => {
                    mirror.dnstap = reader.table(value).map(|dnstap| Spanned::new(key.span(), dnstap));
                }
                _ => reader.problem(Code::WrongKind, value.span().start, "\"dnstap\" is not a table", "write [dnstap], once"),
            },
            "limits" => mirror.limits = reader.value(value),
            "public_cname_from" => mirror.public_cname_from = reader.value(value),
            "unknown_names" => mirror.unknown_names = reader.value(value),
            "virtual_network" => mirror.virtual_networks = reader.tables(&key, value),
            "virtual_machine" => mirror.virtual_machines = reader.tables(&key, value),
            "private_dns_zone" => mirror.private_dns_zones = reader.tables(&key, value),
            "private_link_resource" => mirror.private_link_resources = reader.tables(&key, value),
            "dns_forwarding_ruleset" => mirror.dns_forwarding_rulesets = reader.tables(&key, value),
            "forwarder" => mirror.forwarders = reader.tables(&key, value),
            "tsig_key" => mirror.tsig_keys = reader.tables(&key, value),
            "client_certificate" => mirror.client_certificates = reader.tables(&key, value),
            "dns_security_policy" => mirror.dns_security_policies = reader.tables(&key, value),
            "upstream" => match value.get_ref() {
                DeValue::Table(_) => mirror.upstream = reader.table(value),
                _ => reader.problem(Code::WrongKind, value.span().start, "\"upstream\" is not a table", "write [upstream], once"),
            },
            "explanations" => match value.get_ref() {
                DeValue::Table(_) => mirror.explanations = reader.table(value),
                _ => {
                    let mend = "write [explanations], once";
                    reader.problem(Code::WrongKind, value.span().start, "\"explanations\" is not a table", mend);
                }
            },
            "private_endpoint" => {
                let (of_services, of_resources) = divided(value, "private_link_service");
                mirror.private_endpoints = reader.tables(&key, of_resources);
                mirror.service_endpoints = reader.tables(&key, of_services);
            }
            "private_link_service_type" => mirror.service_types = reader.tables(&key, value),
            "private_link_service" => mirror.private_link_services = reader.tables(&key, value),
            "managed_private_endpoint" => {
                let (of_services, of_resources) = divided(value, "private_link_service");
                mirror.managed_private_endpoints = reader.tables(&key, of_resources);
                mirror.managed_service_endpoints = reader.tables(&key, of_services);
            }
            "public_zone" => mirror.public_zones = reader.tables(&key, value),
            unknown => reader.problem(
                Code::UnknownKey,
                at,
                format!("unknown table or key \"{unknown}\""),
                "known are subscription, resource_group, limits, public_cname_from, unknown_names, [server], [check], [management], [metrics], [dnstap], [upstream], [explanations], [faults] and [[virtual_network]], [[virtual_machine]], \
                 [[private_dns_zone]], [[private_link_resource]], [[private_endpoint]], [[private_link_service]], [[private_link_service_type]], \
                 [[managed_private_endpoint]], [[public_zone]], [[dns_forwarding_ruleset]], [[dns_security_policy]], [[forwarder]], [[tsig_key]], \
                 [[client_certificate]]",
            ),
        }
    }
    mirror
}

/// Splits a list into the tables with a key, and the rest.
fn divided<'a>(value: Spanned<DeValue<'a>>, key: &str) -> (Spanned<DeValue<'a>>, Spanned<DeValue<'a>>) {
    let span = value.span();
    let list = |elements: Vec<_>| Spanned::new(span.clone(), DeValue::Array(elements.into_iter().collect()));
    match value.into_inner() {
        DeValue::Array(elements) => {
            let has_key = |element: &Spanned<DeValue<'_>>| matches!(element.get_ref(), DeValue::Table(table) if table.iter().any(|(found, _)| found.get_ref() == key));
            let (with, without) = elements.into_iter().partition(has_key);
            (list(with), list(without))
        }
        other => (list(Vec::new()), Spanned::new(span, other)),
    }
}

struct Reader<'a> {
    source: &'a Source<'a>,
    problems: &'a mut Problems,
}

impl Reader<'_> {
    fn problem(&mut self, code: Code, at: usize, what: impl Into<String>, mend: impl Into<String>) {
        self.problems.report(code, self.source.place(at), what, mend);
    }

    /// Parses a single value.
    fn value<T: DeserializeOwned + Default>(&mut self, value: Spanned<DeValue<'_>>) -> T {
        let at = value.span().start;
        T::deserialize(ValueDeserializer::from(value)).unwrap_or_else(|error| {
            let (code, what, mend) = in_words_of_toml(error.message());
            self.problem(code, at, what, mend);
            T::default()
        })
    }

    /// Parses `[[key]]` tables, and leaves out those that cannot be repaired.
    fn tables<T: DeserializeOwned>(
        &mut self,
        key: &Spanned<std::borrow::Cow<'_, str>>,
        value: Spanned<DeValue<'_>>,
    ) -> Vec<Read<T>> {
        let at = value.span().start;
        let key = key.get_ref();
        let DeValue::Array(elements) = value.into_inner() else {
            self.problem(
                Code::WrongKind,
                at,
                format!("\"{key}\" is not a list of tables"),
                format!("write [[{key}]], once for each"),
            );
            return Vec::new();
        };
        let mut tables = Vec::new();
        for element in elements {
            match element.get_ref() {
                DeValue::Table(_) => tables.extend(self.table(element)),
                _ => self.problem(
                    Code::WrongKind,
                    element.span().start,
                    format!("an element of \"{key}\" is not a table"),
                    format!("write [[{key}]], once for each"),
                ),
            }
        }
        tables
    }

    fn table<T: DeserializeOwned>(&mut self, mut table: Spanned<DeValue<'_>>) -> Option<Read<T>> {
        let mut taken = Vec::new();
        let mut missing = Vec::new();
        for _ in 0..MAX_ATTEMPTS {
            let error = match T::deserialize(ValueDeserializer::from(table.clone())) {
                Ok(value) if missing.is_empty() => return Some(Read { value, whole: taken.is_empty() }),
                Ok(_) => return None,
                Err(error) => error,
            };
            let span = error.span().unwrap_or_else(|| table.span());
            let key = error.message().strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`'));
            // A key that was removed is missing now, but was not missing before.
            let is_new = key.is_none_or(|key| !taken.iter().any(|taken| taken == key));
            if is_new && span != FILLED_IN {
                let (code, what, mend) = in_words_of_toml(error.message());
                self.problem(code, span.start, what, mend);
            }
            match key {
                Some(key) if fill_in(&mut table, &span, key, DeValue::String("".into())) => {
                    missing.push((span, key.to_owned()));
                }
                None if span == FILLED_IN => {
                    let filler = match error.message().ends_with("a map") {
                        true => DeValue::Table(DeTable::new()),
                        false => DeValue::Array(std::iter::empty().collect()),
                    };
                    let (span, key) = missing.last()?;
                    fill_in(&mut table, span, key, filler).then_some(())?;
                }
                _ => taken.push(take_out(&mut table, &span)?),
            }
        }
        None
    }
}

/// Gives the innermost table with this span a value for a missing key, so that serde finds the next mistake.
fn fill_in<'a>(value: &mut Spanned<DeValue<'a>>, blamed: &Range<usize>, key: &str, filler: DeValue<'a>) -> bool {
    let is_blamed = value.span() == *blamed;
    match value.get_mut() {
        DeValue::Table(table) => {
            if table.iter_mut().any(|(_, value)| fill_in(value, blamed, key, filler.clone())) {
                return true;
            }
            if is_blamed {
                table.insert(Spanned::new(FILLED_IN, key.to_owned().into()), Spanned::new(FILLED_IN, filler));
            }
            is_blamed
        }
        DeValue::Array(array) => (0..array.len())
            .any(|at| fill_in(array.get_mut(at).expect("within its length"), blamed, key, filler.clone())),
        _ => false,
    }
}

/// Rewords a message of serde for TOML, with a fix.
fn in_words_of_toml(message: &str) -> (Code, String, &'static str) {
    for (code, serdes, ours, mend) in [
        (Code::UnknownKey, "unknown field", "unknown key", "remove the key, or correct its name"),
        (Code::UnknownKey, "unknown variant", "unknown value", "write one of those"),
        (Code::MissingKey, "missing field", "missing key", "add the key"),
    ] {
        if let Some(rest) = message.strip_prefix(serdes) {
            return (code, format!("{ours}{rest}"), mend);
        }
    }
    let (found, expected) = message.rsplit_once(", expected ").unwrap_or((message, "another value"));
    let found = found.split_once(": ").map_or(found, |(_, found)| found);
    let found = match found {
        "map" => "a table",
        "sequence" => "a list",
        found => found,
    };
    let (expected, mend) = match expected {
        "u32" | "i64" => ("a whole number, 0 or more", "write a number without quotes"),
        "a string" => (expected, "write text in quotes"),
        "a sequence" => ("a list", "write a list: values in brackets, commas between them"),
        "a map" => ("a table", "write { KEY = VALUE }"),
        "a list, or \"unknown\"" => (expected, "write a list: values in brackets, commas between them"),
        "a table, { MEMBER = \"ADDRESS\" }, or \"unknown\"" => (expected, "write one of the two"),
        "a table, { MEMBER = [\"ADDRESS\"] }, or an empty list" => (expected, "write one of the two"),
        "a boolean" => ("true or false", "write true or false, without quotes"),
        _ => (expected, "correct the value"),
    };
    (Code::WrongKind, format!("found {found}, expected {expected}"), mend)
}

/// Removes the innermost key or element with this span from a value, and returns the key or the index. `None` if it is the value
/// itself.
///
/// The span of a table is that of its header, so children are searched first.
fn take_out(value: &mut Spanned<DeValue<'_>>, blamed: &Range<usize>) -> Option<String> {
    let holds = |span: Range<usize>| span.start <= blamed.start && blamed.end <= span.end;
    match value.get_mut() {
        DeValue::Table(table) => {
            for (key, value) in table.iter_mut() {
                if let Some(taken) = take_out(value, blamed) {
                    return Some(taken);
                }
                if holds(key.span()) || holds(value.span()) {
                    let key = key.clone();
                    return table.remove(&key).map(|_| key.into_inner().into_owned());
                }
            }
            None
        }
        DeValue::Array(array) => {
            for at in 0..array.len() {
                let element = array.get_mut(at).expect("within its length");
                if let Some(taken) = take_out(element, blamed) {
                    return Some(taken);
                }
                if holds(element.span()) {
                    let elements = std::mem::replace(array, std::iter::empty().collect()).into_iter().enumerate();
                    *array = elements.filter(|(index, _)| *index != at).map(|(_, element)| element).collect();
                    return Some(at.to_string());
                }
            }
            None
        }
        _ => None,
    }
}
