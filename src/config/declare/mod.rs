//! Declaration of the mirror: text becomes names, prefixes, addresses, TTLs and RDATA, or a problem with its place.

mod client_certificates;
mod clients;
mod cookies;
mod encryption;
mod forwarding;
mod keys;
mod name_servers;
mod record_sets;
mod references;
mod server;
mod token;

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net};
use toml::Spanned;
use zeroize::Zeroize;

pub(super) use self::references::References;
use super::allowance::Allowance;
use super::mirror::{self, Text};
use super::problem::{Places, Problems, Source};
use super::read::{Mirror, Read};
use super::read_ahead::{ReadAhead, Ready};
use super::secret_file::{SecretFile, SecretText};
use super::sources::ZoneFile;
use super::{Files, zone_file};
use crate::azure::{
    Address, Allocations, Catalogue, ConnectionState, Declaration, Declared, Limits, PrivateDnsZone, PrivateEndpoint,
    PrivateLinkResource, PublicCnameFrom, PublicNetworkAccess, PublicZone, RecordSet, ResolutionPolicy, Severity,
    SoaEdit, UnknownNames, VirtualNetwork, VirtualNetworkLink, Word, types,
};
use crate::codes::Code;
use crate::dns::{Name, RecordType, Ttl};

mod dnstap;
mod etcd;
pub(super) mod faults;
mod machines;
mod managed;
pub(super) mod management;
mod metrics;

pub use encryption::Certificates;

/// Default TTL of a record set (the portal's default for private zones).
const DEFAULT_TTL: u32 = 3600;

const NAME_MEND: &str = "write a domain name, for instance \"www.contoso.internal\"";

/// Turns the mirror of a file into a declaration.
pub(super) struct Declarer<'a> {
    files: &'a Files,
    path: &'a Path,
    source: &'a Source<'a>,
    places: &'a mut Places,
    problems: &'a mut Problems,
    references: References<'a>,
    allowance: Allowance,
    pub(super) read_ahead: ReadAhead,
    /// The zone files, and whether one includes others.
    pub(super) zone_files: Vec<ZoneFile>,
    pub(super) secrets: Vec<SecretFile>,
    pub(super) certificates: Certificates,
    pub(super) includes: bool,
    limits: Limits,
}

impl<'a> Declarer<'a> {
    /// Declares everything in the mirror.
    pub(super) fn new(
        mirror: &Mirror,
        catalogue: &'a Catalogue,
        files: &'a Files,
        path: &'a Path,
        source: &'a Source<'a>,
        places: &'a mut Places,
        problems: &'a mut Problems,
    ) -> Self {
        Self {
            files,
            path,
            source,
            places,
            problems,
            references: References::new(mirror, catalogue),
            allowance: Allowance::new(),
            read_ahead: ReadAhead::default(),
            limits: match mirror.limits {
                mirror::Limits::Azure => Limits::Azure,
                mirror::Limits::Off => Limits::Off,
            },
            zone_files: Vec::new(),
            secrets: Vec::new(),
            certificates: Certificates::default(),
            includes: false,
        }
    }

    /// Reads a file with a secret.
    fn secret(&mut self, path: &Path) -> io::Result<SecretText> {
        let text = SecretText::read(self.files, path)?;
        self.secrets.push(SecretFile::new(path, &text));
        Ok(text)
    }

    pub(super) fn declaration(&mut self, mirror: Mirror) -> Declaration {
        self.default_group(&mirror);
        let has_state = mirror.server.state.is_some() || mirror.management.is_some();
        Declaration {
            inbound_endpoints: Vec::new(),
            resource_group: self.references.default_group().clone(),
            virtual_networks: declared(&mirror.virtual_networks, |network| self.virtual_network(network)),
            virtual_machines: declared(&mirror.virtual_machines, |machine| self.virtual_machine(machine)),
            private_dns_zones: declared(&mirror.private_dns_zones, |zone| self.private_zone(zone)),
            private_link_resources: declared(&mirror.private_link_resources, |resource| {
                self.private_link_resource(resource)
            }),
            private_endpoints: declared(&mirror.private_endpoints, |endpoint| self.private_endpoint(endpoint)),
            private_link_services: declared(&mirror.private_link_services, |service| {
                self.private_link_service(service)
            }),
            service_endpoints: declared(&mirror.service_endpoints, |endpoint| self.service_endpoint(endpoint)),
            managed_private_endpoints: self.managed_endpoints(&mirror),
            public_zones: declared(&mirror.public_zones, |zone| self.public_zone(zone)),
            dns_forwarding_rulesets: declared(&mirror.dns_forwarding_rulesets, |ruleset| self.ruleset(ruleset)),
            dns_security_policies: declared(&mirror.dns_security_policies, |policy| self.security_policy(policy)),
            upstream: declared(mirror.upstream.as_slice(), |upstream| self.upstream(upstream)).pop(),
            forwarders: declared(&mirror.forwarders, |forwarder| self.forwarder(forwarder)),
            explanations: declared(mirror.explanations.as_slice(), |explanations| self.explanations(explanations))
                .pop(),
            listeners: self.listeners(&mirror.server),
            tsig_keys: declared(&mirror.tsig_keys, |key| self.tsig_key(key, has_state)),
            client_certificates: declared(&mirror.client_certificates, |shown| self.client_certificate(shown)),
            strangers: mirror.server.strangers.into(),
            name_servers: self.name_servers(mirror.server.name_servers.as_ref()),
            limits: self.limits,
            unknown_names: match mirror.unknown_names {
                mirror::UnknownNames::Refused => UnknownNames::Refused,
                mirror::UnknownNames::NxDomain => UnknownNames::NxDomain,
            },
            public_cname_from: match mirror.public_cname_from {
                mirror::PublicCnameFrom::Pending => PublicCnameFrom::Pending,
                mirror::PublicCnameFrom::Approved => PublicCnameFrom::Approved,
            },
            origin: self.places.origin(self.source.place(0)),
            allocations: Allocations::default(),
            incomplete: false,
        }
    }

    /// `None` if a prefix is invalid: reporting an endpoint as outside would mislead.
    fn virtual_network(&mut self, network: &mirror::VirtualNetwork) -> Option<VirtualNetwork> {
        let id = self.id(types::VIRTUAL_NETWORK, &network.name, &network.subscription, &network.resource_group);
        let subnets = self.subnets(network);
        let address_space = self.prefixes(&network.address_space);
        let client_prefixes = self.prefixes(&network.client_prefixes);
        let inbound_endpoints: Vec<_> =
            network.inbound_endpoints.iter().map(|text| self.private_address(text)).collect();
        let dns_servers: Vec<_> = network.dns_servers.iter().map(|text| self.dns_server(text)).collect();
        let suffix = network.internal_domain_name_suffix.as_ref();
        let internal_domain_name_suffix = suffix.and_then(|suffix| self.name(suffix));
        let managed_by = network.managed_by.as_ref().map(|manager| self.grafana(manager));
        Some(VirtualNetwork {
            id: id?,
            subnets: subnets?,
            address_space: address_space?,
            client_prefixes: client_prefixes?,
            inbound_endpoints: inbound_endpoints.into_iter().collect::<Option<_>>()?,
            dns_servers: dns_servers.into_iter().collect::<Option<_>>()?,
            internal_domain_name_suffix,
            managed_by: all(managed_by)?,
        })
    }

    fn private_zone(&mut self, zone: &mirror::PrivateDnsZone) -> Option<PrivateDnsZone> {
        let links = zone.virtual_network_links.iter().map(|link| {
            Some(VirtualNetworkLink {
                link: self.link(&link.name, &link.virtual_network)?,
                registration_enabled: link.registration_enabled,
                resolution_policy: match link.resolution_policy {
                    mirror::ResolutionPolicy::Default => ResolutionPolicy::Default,
                    mirror::ResolutionPolicy::NxDomainRedirect => ResolutionPolicy::NxDomainRedirect,
                },
                in_progress_until: None,
            })
        });
        let virtual_network_links: Vec<_> = links.collect();
        let group = self.group(&zone.subscription, &zone.resource_group);
        let name = self.name(&zone.name)?;
        let mut soa = zone.soa.as_ref().map_or_else(SoaEdit::default, |soa| self.soa(soa));
        let mut record_sets = Vec::new();
        if let Some(file) = &zone.file {
            for set in self.zone_file(file, &name, true) {
                match set.rtype {
                    // SOA records elsewhere, or more than one, are refused by the check of the zone.
                    RecordType::SOA if set.owner != *name || set.rdatas.len() > 1 => record_sets.push(set),
                    RecordType::SOA if zone.soa.is_none() => soa = SoaEdit::from_record(&set),
                    RecordType::SOA => {
                        let what = "the SOA record is edited in two places";
                        self.problems.report(
                            Code::ApexRecords,
                            self.places.place(set.origin),
                            what,
                            "keep soa = { … } or the record",
                        );
                    }
                    RecordType::NS if set.owner == *name && self.limits != Limits::Off => {
                        let what = format!("the NS records at the apex {} are left out", *name);
                        let mend = "a private DNS zone has none: remove them, or write limits = \"off\"";
                        self.problems.report(Code::NsLeftOut, self.places.place(set.origin), what, mend);
                    }
                    _ => record_sets.push(set),
                }
            }
        }
        record_sets.extend(zone.record_set.iter().filter_map(|set| self.record_set(set, &name)));
        Some(PrivateDnsZone {
            id: PrivateDnsZone::id(&group, &name),
            name,
            virtual_network_links: virtual_network_links.into_iter().collect::<Option<_>>()?,
            record_sets,
            soa,
            locked: zone.locked,
        })
    }

    fn soa(&mut self, soa: &mirror::Soa) -> SoaEdit {
        SoaEdit {
            email: soa.email.as_ref().and_then(|email| {
                // Azure writes the mailbox as a name; users write an address.
                let as_name = email.get_ref().replacen('@', ".", 1);
                let parsed = as_name.parse();
                self.reported(
                    Code::BadName,
                    email,
                    "a mailbox",
                    "write it as a name, \"hostmaster.contoso.com\"",
                    parsed,
                )
            }),
            refresh_time: soa.refresh_time,
            retry_time: soa.retry_time,
            expire_time: soa.expire_time,
            minimum_ttl: soa.minimum_ttl,
            ttl: soa.ttl.as_ref().and_then(|ttl| self.ttl(ttl, 1)),
        }
    }

    /// `None` if an address is invalid: reporting it as missing as well would mislead.
    fn private_link_resource(&mut self, resource: &mirror::PrivateLinkResource) -> Option<PrivateLinkResource> {
        let name_parts = resource.name_parts.iter().map(|(part, value)| (part.clone(), self.label(value))).collect();
        let name_lists = resource.name_lists.iter().map(|(list, elements)| {
            let texts = elements.get_ref().iter().map(|text| self.label(text).to_string()).collect();
            (list.clone(), Declared::new(texts, self.origin(elements)))
        });
        let name_lists = name_lists.collect();
        let public_ip_addresses = self.public_ip_addresses(&resource.public_ip_addresses);
        let id = self.private_link_id(resource);
        let region = self.region(&resource.region);
        let virtual_network = resource.virtual_network.as_ref().map(|network| self.network(network));
        let id = id?;
        let scoped = resource.scoped_resources.iter().map(|text| self.scoped_resource(text, &id));
        let scoped_resources: Vec<_> = scoped.collect();
        Some(PrivateLinkResource {
            id,
            type_origin: self.origin(&resource.resource_type),
            region,
            name_parts,
            name_lists,
            public_endpoint: resource.public_endpoint.as_ref().and_then(|name| self.name(name)),
            has_no_public_host: matches!(resource.public_ip_addresses, mirror::PublicIpAddresses::None),
            public_ip_addresses: public_ip_addresses?,
            virtual_network: all(virtual_network)?,
            public_fqdn: resource
                .public_fqdn
                .as_ref()
                .map(|is_there| Declared::new(*is_there.get_ref(), self.origin(is_there))),
            sku: resource.sku.as_ref().map(|sku| self.label(sku)),
            scoped_resources: scoped_resources.into_iter().collect::<Option<_>>()?,
            public_network_access: match resource.public_network_access {
                mirror::PublicNetworkAccess::Enabled => PublicNetworkAccess::Enabled,
                mirror::PublicNetworkAccess::Disabled => PublicNetworkAccess::Disabled,
            },
        })
    }

    fn public_ip_addresses(
        &mut self,
        given: &mirror::PublicIpAddresses,
    ) -> Option<BTreeMap<Word, Declared<Vec<IpAddr>>>> {
        let mut members = Some(BTreeMap::new());
        let mirror::PublicIpAddresses::Of(given) = given else { return members };
        for (member, addresses) in given {
            let parsed: Vec<_> = addresses.get_ref().iter().map(|text| self.address(text)).collect();
            match (parsed.into_iter().collect::<Option<Vec<_>>>(), &mut members) {
                (Some(parsed), Some(members)) => {
                    let declared = Declared::new(parsed, self.origin(addresses));
                    if members.insert(Word::from(&**member), declared).is_some() {
                        self.twice(addresses, member);
                    }
                }
                _ => members = None,
            }
        }
        members
    }

    /// `None` if an address or a zone reference is invalid, as with a Private Link resource.
    fn private_endpoint(&mut self, endpoint: &mirror::PrivateEndpoint) -> Option<PrivateEndpoint> {
        let id = self.id(types::PRIVATE_ENDPOINT, &endpoint.name, &endpoint.subscription, &endpoint.resource_group);
        let members = self.ip_configurations(&endpoint.ip_configurations);
        let has_unknown_addresses = matches!(endpoint.ip_configurations, mirror::IpConfigurations::Unknown);
        let references = endpoint.private_dns_zone_group.iter().map(|reference| self.zone_reference(reference));
        let references: Vec<_> = references.collect();
        let virtual_network = self.network(&endpoint.virtual_network);
        let subnet = self.subnet(&endpoint.subnet, virtual_network.as_ref());
        let target = self.private_link_resource_with(&endpoint.private_link_resource, &endpoint.group_id);
        let was_approved = endpoint.was_approved.as_ref().is_some_and(|was_approved| *was_approved.get_ref());
        if let Some(was_approved) = &endpoint.was_approved
            && !matches!(
                endpoint.connection_state,
                mirror::ConnectionState::Rejected | mirror::ConnectionState::Disconnected
            )
        {
            let mend = "remove the key, or write connection_state = \"Rejected\" or \"Disconnected\"";
            self.problem(
                Code::ContradictingKeys,
                was_approved,
                "was_approved is for connections that are rejected or disconnected",
                mend,
            );
        }
        Some(PrivateEndpoint {
            id: id?,
            virtual_network: virtual_network?,
            subnet,
            private_link_resource: target?,
            group_id: self.label(&endpoint.group_id),
            connection_state: connection_state(endpoint.connection_state),
            ip_configurations: members?,
            has_unknown_addresses,
            private_dns_zone_group: references.into_iter().collect::<Option<_>>()?,
            was_approved,
            deleted: endpoint.deleted,
        })
    }

    fn address(&mut self, text: &Text) -> Option<IpAddr> {
        self.parsed(text, "an address", "write an IPv4 or IPv6 address, for instance \"10.1.0.5\"")
    }

    /// An address of a virtual network.
    fn private_address(&mut self, text: &Text) -> Option<Declared<Address>> {
        let mend = "write an IPv4 or IPv6 address, for instance \"10.1.0.5\", or \"unknown\" for one that Azure has yet to give";
        let address = self.parsed(text, "an address", mend)?;
        Some(Declared::new(address, self.origin(text)))
    }

    /// Reports a member that exists already in another letter case.
    fn twice<T>(&mut self, at: &Spanned<T>, member: &str) {
        let what = format!("the member \"{member}\" is there already");
        self.problem(Code::Duplicate, at, what, "keep one: letter case carries no meaning");
    }

    /// `None` if SOA or NS records may be missing because they could not be read.
    fn public_zone(&mut self, zone: &mirror::PublicZone) -> Option<PublicZone> {
        let name = self.name(&zone.name)?;
        let problems = self.problems.count(Severity::Error);
        let record_sets = self.zone_file(&zone.file, &name, false);
        let has = |rtype| record_sets.iter().any(|set| set.owner == *name && set.rtype == rtype);
        let whole = self.problems.count(Severity::Error) == problems;
        (whole || has(RecordType::SOA) && has(RecordType::NS)).then_some(PublicZone { name, record_sets })
    }

    fn zone_file(&mut self, file: &Text, apex: &Declared<Name>, is_private: bool) -> Vec<RecordSet> {
        let path = Files::relative(self.path, file.get_ref());
        let ready = self.read_ahead.take(path.clone(), apex);
        if let Some(ready) = ready.filter(|ready| self.allowance.take(ready.text.len())) {
            let Ready { text, contents, places, problems } = ready;
            let behind = self.places.append(places);
            self.problems.append(problems);
            let file = ZoneFile::new(&path, apex, is_private, apex.origin, text);
            let origins = behind..self.places.len();
            self.zone_files.push(ZoneFile { marks: contents.marks, origins, ..file });
            let mut record_sets = contents.record_sets;
            record_sets.iter_mut().for_each(|set| set.origin.0 += behind);
            return record_sets;
        }
        match self.allowance.read(self.files, &path) {
            Ok(mut text) => {
                let first = self.places.len();
                let input =
                    zone_file::Input { files: self.files, allowance: &mut self.allowance, path: &path, text: &text };
                let contents = zone_file::read(input, apex, self.places, self.problems);
                if !contents.is_zone {
                    // The text may be a secret.
                    text.zeroize();
                }
                let file = ZoneFile::new(&path, apex, is_private, apex.origin, text);
                let origins = first..self.places.len();
                self.zone_files.push(ZoneFile { marks: contents.marks, origins, ..file });
                self.includes |= contents.includes;
                contents.record_sets
            }
            Err(unread) => {
                let mend = "the path is relative to the folder of this file";
                if let Some((what, mend)) = unread.report("the zone file ", &path, mend) {
                    self.problem(Code::UnreadableFile, file, what, mend);
                }
                Vec::new()
            }
        }
    }

    fn prefixes(&mut self, texts: &[Text]) -> Option<Vec<Declared<IpNet>>> {
        let mend = "write an address and a length, for instance \"10.1.0.0/16\"";
        let prefixes: Vec<_> = texts.iter().map(|text| self.prefix(text, mend)).collect();
        prefixes.into_iter().collect()
    }

    fn prefix(&mut self, text: &Text, mend: &str) -> Option<Declared<IpNet>> {
        let prefix = canonical(self.parsed(text, "an address prefix", mend)?);
        if prefix.trunc() != prefix {
            let what = format!("{prefix} has bits set to the right of its length");
            self.problem(Code::BadAddress, text, what, format!("write \"{}\"", prefix.trunc()));
        }
        Some(Declared::new(prefix, self.origin(text)))
    }

    fn ttl(&mut self, ttl: &Spanned<i64>, least: u32) -> Option<Ttl> {
        let seconds = u32::try_from(*ttl.get_ref()).ok().filter(|seconds| *seconds >= least);
        let parsed = seconds.and_then(Ttl::from_secs);
        if parsed.is_none() {
            let what = format!("{} is not a TTL", ttl.get_ref());
            self.problem(Code::OutOfBounds, ttl, what, format!("write seconds, {least} to {}", Ttl::MAX));
        }
        parsed
    }

    fn name(&mut self, text: &Text) -> Option<Declared<Name>> {
        let name = self.reported(Code::BadName, text, "a domain name", NAME_MEND, text.get_ref().parse())?;
        Some(Declared::new(name, self.origin(text)))
    }

    /// A name or another non-empty text.
    fn label(&mut self, text: &Text) -> Declared<String> {
        if text.get_ref().trim().is_empty() {
            self.problem(Code::BadName, text, "an empty name", "write a name");
        }
        Declared::new(text.get_ref().clone(), self.origin(text))
    }

    /// For types whose parse errors add nothing to the message.
    fn parsed<T: FromStr>(&mut self, text: &Text, what: &str, mend: &str) -> Option<T> {
        let parsed = text.get_ref().parse().ok();
        if parsed.is_none() {
            self.problem(Code::BadAddress, text, format!("{:?} is not {what}", text.get_ref()), mend);
        }
        parsed
    }

    fn reported<T, E: std::fmt::Display>(
        &mut self,
        code: Code,
        text: &Text,
        what: &str,
        mend: &str,
        parsed: Result<T, E>,
    ) -> Option<T> {
        self.reported_as(code, text, text.get_ref(), what, mend, parsed)
    }

    /// As [`Self::reported`], for a text at the place of something else.
    fn reported_as<P, T, E: std::fmt::Display>(
        &mut self,
        code: Code,
        at: &Spanned<P>,
        text: &str,
        what: &str,
        mend: &str,
        parsed: Result<T, E>,
    ) -> Option<T> {
        match parsed {
            Ok(value) => Some(value),
            Err(error) => {
                self.problem(code, at, format!("{text:?} is not {what}: {error}"), mend);
                None
            }
        }
    }

    fn problem<T>(&mut self, code: Code, at: &Spanned<T>, what: impl Into<String>, mend: impl Into<String>) {
        self.problems.report(code, self.source.place(at.span().start), what, mend);
    }

    fn origin<T>(&mut self, at: &Spanned<T>) -> crate::azure::Origin {
        self.places.origin(self.source.place(at.span().start))
    }
}

/// Declares all resources to report their problems, and keeps those that were read completely.
fn declared<T, U>(resources: &[Read<T>], mut declare: impl FnMut(&T) -> Option<U>) -> Vec<U> {
    resources.iter().filter_map(|read| declare(&read.value).filter(|_| read.whole)).collect()
}

/// Turns an optional value inside out: `None` if it is present but invalid.
#[expect(clippy::option_option, reason = "absent, bad and good are three")]
fn all<T>(optional: Option<Option<T>>) -> Option<Option<T>> {
    optional.map_or(Some(None), |value| value.map(Some))
}

/// An IPv4-mapped prefix (RFC 4291 §2.5.5.2) as an IPv4 prefix: clients' addresses are treated the same way.
fn canonical(prefix: IpNet) -> IpNet {
    let IpNet::V6(mapped) = prefix else { return prefix };
    let length = mapped.prefix_len().checked_sub(96);
    match mapped.addr().to_ipv4_mapped().zip(length).map(|(address, length)| Ipv4Net::new(address, length)) {
        Some(Ok(meant)) => meant.into(),
        Some(Err(_)) | None => prefix,
    }
}

fn connection_state(state: mirror::ConnectionState) -> ConnectionState {
    match state {
        mirror::ConnectionState::Pending => ConnectionState::Pending,
        mirror::ConnectionState::Approved => ConnectionState::Approved,
        mirror::ConnectionState::Rejected => ConnectionState::Rejected,
        mirror::ConnectionState::Disconnected => ConnectionState::Disconnected,
    }
}
