//! Steps as values, and their texts.

use std::fmt;
use std::net::SocketAddr;

use serde::Serialize;

use crate::azure;
use crate::dns::{Name, RecordType};
use crate::view::ZoneId;

/// One step towards an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum Step {
    /// A rule of the network's DNS security policy matches the name.
    SecurityPolicy {
        /// What the rule does.
        action: SecurityAction,
    },
    /// Only this private zone, which is linked to the network, answers.
    PrivateZone {
        /// The zone.
        zone: ZoneOf,
        /// The link's policy.
        resolution_policy: ResolutionPolicy,
    },
    /// No private zone linked to the network matches the name.
    NoPrivateZone,
    /// A rule of the network's forwarding ruleset matches the name.
    ForwardingRule(Rule),
    /// A zone that the network has for its own machines answers.
    InternalZone {
        /// The zone.
        zone: ZoneOf,
    },
    /// A public zone answers.
    PublicZone {
        /// The zone.
        zone: ZoneOf,
    },
    /// The server's upstream is asked.
    Upstream,
    /// Every resolver answers for `resolver.arpa` itself.
    ResolverArpa,
    /// Forwarding rules form a loop.
    Circle,
    /// No zone of this server matches the name.
    NotHeld {
        /// Whether an alias was followed: then the answer ends with it.
        after_alias: bool,
    },
    /// The public zone has only the names of declared resources, and not this one.
    NotKnown,
    /// There are records.
    Found(Record),
    /// The name exists without the type.
    NoData {
        /// The type that was asked for.
        r#type: String,
        /// The types that are there; empty for an empty non-terminal.
        types: Vec<String>,
        /// The wildcard that covers the name.
        wildcard: Option<String>,
    },
    /// The name does not exist.
    Missing {
        /// The longest ancestor that does.
        closest_encloser: String,
    },
    /// The name does not exist in the private zone, and its link falls back to public DNS.
    Fallback {
        /// The longest ancestor that does.
        closest_encloser: String,
    },
    /// The name is delegated.
    Referral {
        /// The owner of the NS records.
        zone_cut: String,
    },
    /// The name lies below a DNAME record.
    Dname {
        /// The record's owner.
        owner: String,
    },
    /// The record set exists, but its records are unknown.
    NotGiven {
        /// Its type.
        r#type: String,
    },
    /// The chain of aliases loops or is too long.
    ChainEnds,
}

/// A zone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ZoneOf {
    /// Its apex.
    pub apex: String,
    /// The resource group of a private zone.
    pub resource_group: Option<String>,
    /// Its number in the snapshot.
    #[serde(skip)]
    pub number: ZoneId,
}

/// A rule of a DNS forwarding ruleset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// The ruleset.
    pub ruleset: String,
    /// The rule's domain.
    pub domain: String,
    /// The destination.
    pub leads_to: Destination,
}

/// What answers in place of a network's own zones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Destination {
    /// Azure-provided DNS, in the view of this network.
    Network(String),
    /// Servers outside the declared networks.
    Servers(Vec<SocketAddr>),
    /// A server whose address is unknown.
    Unknown,
    /// Azure-provided DNS, in the view of a network that is not named.
    AnotherNetwork,
}

/// A record set in an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Record {
    /// Its type.
    pub r#type: String,
    /// The wildcard that covers the name.
    pub wildcard: Option<String>,
    /// The target, if it is an alias.
    pub alias_for: Option<String>,
    /// Who wrote it, if that is known.
    pub writer: Option<WriterOf>,
    /// Where it is declared, or what it is derived from.
    pub place: Option<String>,
    /// Owner and type.
    #[serde(skip)]
    pub key: (Name, RecordType),
}

/// Who wrote a record set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WriterOf {
    /// The kind of writer.
    pub kind: &'static str,
    /// The name of the writer.
    pub name: Option<String>,
    #[serde(skip)]
    words: String,
}

/// The action of a DNS security policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SecurityAction {
    /// The name is answered.
    Allow,
    /// It is answered, with an alert.
    Alert,
    /// The policy's own answer is given.
    Block,
}

/// A link's resolution policy, as Azure calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum ResolutionPolicy {
    /// The zone's answer is final.
    Default,
    /// For NXDOMAIN, public DNS is asked.
    NxDomainRedirect,
}

impl From<azure::SecurityAction> for SecurityAction {
    fn from(action: azure::SecurityAction) -> Self {
        match action {
            azure::SecurityAction::Allow => Self::Allow,
            azure::SecurityAction::Alert => Self::Alert,
            azure::SecurityAction::Block => Self::Block,
        }
    }
}

impl From<azure::ResolutionPolicy> for ResolutionPolicy {
    fn from(policy: azure::ResolutionPolicy) -> Self {
        match policy {
            azure::ResolutionPolicy::Default => Self::Default,
            azure::ResolutionPolicy::NxDomainRedirect => Self::NxDomainRedirect,
        }
    }
}

impl From<&azure::Writer> for WriterOf {
    fn from(writer: &azure::Writer) -> Self {
        use azure::Writer;
        let (kind, name) = match writer {
            Writer::Person | Writer::Client => ("person", None),
            Writer::Zone => ("zone", None),
            Writer::PrivateEndpoint(name) => ("private_endpoint", Some(name)),
            Writer::ManagedPrivateEndpoint(name) => ("managed_private_endpoint", Some(name)),
            Writer::PrivateLinkResource(name) => ("private_link_resource", Some(name)),
            Writer::Service => ("service", None),
            Writer::VirtualMachine(name) => ("virtual_machine", Some(name)),
            Writer::NameServers => ("name_servers", None),
        };
        Self { kind, name: name.cloned(), words: writer.to_string() }
    }
}

impl fmt::Display for ResolutionPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Default => "Default",
            Self::NxDomainRedirect => "NxDomainRedirect",
        })
    }
}

impl fmt::Display for WriterOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(network) => write!(f, "Azure-provided DNS as {network} sees it"),
            Self::Servers(_) => f.write_str("servers outside the declared networks"),
            Self::Unknown => f.write_str("a DNS server, address not known (SERVFAIL),"),
            Self::AnotherNetwork => f.write_str("Azure-provided DNS as another network sees it"),
        }
    }
}

impl Step {
    /// The step in few words.
    pub(super) fn brief(&self) -> String {
        match self {
            Self::SecurityPolicy { action: SecurityAction::Block } => "blocked by the DNS security policy".to_owned(),
            Self::SecurityPolicy { action } => format!("DNS security policy: {action:?}"),
            Self::PrivateZone { zone: ZoneOf { apex, resource_group, .. }, resolution_policy } => {
                let resource_group = resource_group.as_deref().unwrap_or_default();
                format!("private zone {apex} in {resource_group}, linked, policy {resolution_policy}")
            }
            Self::NoPrivateZone => "no linked zone fits".to_owned(),
            Self::ForwardingRule(Rule { ruleset, domain, leads_to }) => {
                format!("ruleset {ruleset}, rule for {domain}: {leads_to}")
            }
            Self::InternalZone { zone } => format!("internal zone {}", zone.apex),
            Self::PublicZone { zone } => format!("public zone {}", zone.apex),
            Self::Upstream => "upstream".to_owned(),
            Self::ResolverArpa => "resolver.arpa".to_owned(),
            Self::Circle => "rules lead in a circle".to_owned(),
            Self::NotHeld { .. } => "no zone fits".to_owned(),
            Self::NotKnown => "not known here".to_owned(),
            Self::Found(record) => format!("{} found", record.r#type),
            Self::NoData { .. } => "NODATA".to_owned(),
            Self::Missing { .. } => "NXDOMAIN".to_owned(),
            Self::Fallback { .. } => "not there, fallback to public DNS".to_owned(),
            Self::Referral { zone_cut } => format!("delegated at {zone_cut}"),
            Self::Dname { owner } => format!("DNAME at {owner}"),
            Self::NotGiven { r#type } => format!("{type} not known"),
            Self::ChainEnds => "the chain ends".to_owned(),
        }
    }

    /// The step in lines of text, as a client of the network sees it.
    pub fn lines(&self, network: &str) -> Vec<String> {
        let line = match self {
            Self::SecurityPolicy { action: SecurityAction::Block } => {
                "the network's DNS security policy blocks the name: that is the answer".to_owned()
            }
            Self::SecurityPolicy { action } => {
                format!("the network's DNS security policy has a rule for the name: {action:?}")
            }
            Self::PrivateZone { zone: ZoneOf { apex, resource_group, .. }, .. } => {
                let resource_group = resource_group.as_deref().unwrap_or_default();
                format!("private zone {apex} in {resource_group}, linked to {network}, answers, and it alone")
            }
            Self::NoPrivateZone => format!("no private zone linked to {network} fits the name"),
            Self::ForwardingRule(Rule { ruleset, domain, leads_to }) => {
                format!("ruleset {ruleset} of {network}: its rule for {domain} leads to {leads_to}")
            }
            Self::InternalZone { zone } => format!("internal zone {} of {network} answers", zone.apex),
            Self::PublicZone { zone } => format!("public zone {} answers", zone.apex),
            Self::Upstream => "nobody here holds the name: the upstream is asked".to_owned(),
            Self::ResolverArpa => "every resolver answers for resolver.arpa itself, and asks nobody for it (RFC 9462): this \
                                   one tells of its encrypted listeners where designated_resolvers is true, and has no data \
                                   otherwise"
                .to_owned(),
            Self::Circle => {
                "forwarding rules lead round in a circle: SERVFAIL (`vnetdns check` shows it)".to_owned()
            }
            Self::NotHeld { after_alias: false } => "no zone of this server fits the name: REFUSED".to_owned(),
            Self::NotHeld { after_alias: true } => {
                "no zone of this server fits the name: the answer ends with the alias".to_owned()
            }
            Self::NotKnown => "the zone knows the names of declared resources alone, and this is none of them: not known \
                               here (unknown_names = \"NXDOMAIN\" has a closed lab say that it does not exist)"
                .to_owned(),
            Self::Found(record) => return of_wildcard(record.wildcard.as_deref(), record.to_string()),
            Self::NoData { types, wildcard, .. } if types.is_empty() => {
                let line = "the name exists because of names below it, with no data: NODATA".to_owned();
                return of_wildcard(wildcard.as_deref(), line);
            }
            Self::NoData { r#type, types, wildcard } => {
                let line = format!("the name exists, with {}, without {type}: NODATA", types.join(", "));
                return of_wildcard(wildcard.as_deref(), line);
            }
            Self::Missing { closest_encloser } => {
                format!("the name does not exist (the closest that does: {closest_encloser}): NXDOMAIN")
            }
            Self::Fallback { closest_encloser } => {
                let line = format!("the name is not there; the closest that is: {closest_encloser}");
                return vec![
                    line,
                    "the link says NxDomainRedirect: public DNS is asked for the same name".to_owned(),
                ];
            }
            Self::Referral { zone_cut } => format!("{zone_cut} is delegated: a referral to its servers"),
            Self::Dname { owner } => format!("it lies below the DNAME record at {owner}"),
            Self::NotGiven { r#type } => {
                let what = if matches!(&**r#type, "A" | "AAAA") { "address" } else { "records" };
                format!("{what} not known: SERVFAIL (it was declared as \"unknown\")")
            }
            Self::ChainEnds => "the chain ends here: it loops, or is too long".to_owned(),
        };
        vec![line]
    }
}

fn of_wildcard(wildcard: Option<&str>, line: String) -> Vec<String> {
    let covered = wildcard.map(|wildcard| format!("the name does not exist; the wildcard {wildcard} covers it"));
    covered.into_iter().chain([line]).collect()
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.alias_for {
            Some(target) => write!(f, "an alias for {target}")?,
            None => write!(f, "{} found", self.r#type)?,
        }
        self.writer.as_ref().map_or(Ok(()), |writer| write!(f, ", {writer}"))
    }
}
