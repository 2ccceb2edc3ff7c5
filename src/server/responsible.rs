//! The part of the configuration that is responsible for a name in a view, for logs. Queries do not pay for it: the engine makes
//! the same choice by itself, and this is computed only if a query is logged.

use crate::azure::SecurityAction;
use crate::dns::NameRef;
use crate::snapshot::{ForwardingRule, Snapshot};
use crate::view::{LinkedZone, ViewId};

/// The responsible part, in the order of precedence, for the name that was asked for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Responsible<'s> {
    /// The network's custom DNS servers.
    DnsServers,
    /// The DNS security policy, which blocks the name.
    SecurityPolicy,
    /// A linked zone.
    Link(NameRef<'s>),
    /// A rule of the network's ruleset.
    Rule(&'s ForwardingRule),
    /// A zone of the network's own machines.
    Internal(NameRef<'s>),
    /// A public zone.
    Public(NameRef<'s>),
    /// The upstream.
    Upstream,
    /// Nothing.
    Nobody,
}

impl<'s> Responsible<'s> {
    /// The responsible part for a name in a view.
    pub(super) fn of(snapshot: &'s Snapshot, view: ViewId, qname: NameRef<'_>) -> Self {
        if snapshot.view(view).custom_dns.is_some() {
            return Self::DnsServers;
        }
        let folded = qname.fold();
        let apex = |linked: LinkedZone| snapshot.zone(linked.zone).zone.apex().name();
        if snapshot.security_action(view, &folded) == Some(SecurityAction::Block) {
            return Self::SecurityPolicy;
        }
        if let Some(linked) = snapshot.private_zone(view, &folded) {
            return Self::Link(apex(linked));
        }
        if let Some(rule) = snapshot.forwarding_rule(view, &folded) {
            return Self::Rule(rule);
        }
        if let Some(linked) = snapshot.internal_zone(view, &folded) {
            return Self::Internal(apex(linked));
        }
        if let Some(linked) = snapshot.public_zone(&folded) {
            return Self::Public(apex(linked));
        }
        if snapshot.upstream(view).is_some() { Self::Upstream } else { Self::Nobody }
    }

    /// The labels, in the order of [`Responsible::number`].
    const LABELS: [&'static str; 8] =
        ["dns_servers", "security_policy", "link", "rule", "internal", "public", "upstream", "none"];

    /// The number of the variant.
    pub(super) fn number(&self) -> u8 {
        match self {
            Self::DnsServers => 0,
            Self::SecurityPolicy => 1,
            Self::Link(_) => 2,
            Self::Rule(_) => 3,
            Self::Internal(_) => 4,
            Self::Public(_) => 5,
            Self::Upstream => 6,
            Self::Nobody => 7,
        }
    }

    /// The label in the query log and in dnstap.
    pub(super) fn label(number: u8) -> &'static str {
        Self::LABELS.get(usize::from(number)).copied().unwrap_or_default()
    }

    /// The apex of the zone, or the domain of the rule.
    pub(super) fn zone(&self) -> Option<NameRef<'s>> {
        match self {
            Self::Link(apex) | Self::Internal(apex) | Self::Public(apex) => Some(*apex),
            Self::Rule(rule) => Some(rule.domain_name.as_ref()),
            Self::DnsServers | Self::SecurityPolicy | Self::Upstream | Self::Nobody => None,
        }
    }

    /// The ruleset of the rule.
    pub(super) fn ruleset(&self) -> Option<&'s str> {
        if let Self::Rule(rule) = self { Some(&rule.ruleset) } else { None }
    }
}
