//! The texts of an explanation.

use super::{AskerOf, Candidate, CandidateKind, Explained, Explanation, NotChosen, Refused, WhyNot};
use crate::trail::{Destination, Step};

impl Explanation {
    /// What the custom DNS servers of the client's network mean for the answer, if it has any.
    pub fn custom_dns_line(&self) -> Option<String> {
        let custom_dns = self.custom_dns.as_ref()?;
        let (network, whom) = (&custom_dns.network, &custom_dns.leads_to);
        let is_own = matches!(whom, Destination::Network(other) if other == network);
        let what = if is_own { "as without them" } else { "and no zone linked to it counts" };
        Some(format!("{network} has custom DNS servers: {whom} answers, {what}"))
    }
}

impl Explained {
    /// The steps at the name, as lines of text.
    pub fn lines(&self) -> Vec<String> {
        let Self { hop, unverified, candidates } = self;
        let network = hop.network.as_deref().unwrap_or_default();
        let mut lines = Vec::new();
        lines.extend(unverified.iter().map(|reason| format!("the catalogue's name is unverified: {reason}")));
        for step in &hop.steps {
            let of_step = step.lines(network);
            let place = match step {
                Step::Found(record) => record.place.as_ref(),
                _ => None,
            };
            let last = of_step.len() - 1;
            lines.extend(of_step.into_iter().enumerate().map(|(at, line)| match place.filter(|_| at == last) {
                Some(place) => format!("{line} ({place})"),
                None => line,
            }));
            if matches!(step, Step::NoPrivateZone | Step::Missing { .. }) {
                lines.extend(candidates.iter().filter_map(|candidate| of_others(candidate, network)));
            }
        }
        lines
    }
}

impl AskerOf {
    /// How the client's network is identified, and notes on the ways that were not used; `note` is added to them.
    pub fn lines(&self, note: Option<&str>) -> (String, Vec<String>) {
        let Self { network, prefix, forwarder, key, certificate, .. } = self;
        let network = network.as_deref().unwrap_or_default();
        let source = self.source.map(|source| source.to_string()).unwrap_or_default();
        let subnet = self.client_subnet.as_deref().unwrap_or_default();
        let (key, certificate) = (key.as_deref().unwrap_or_default(), certificate.as_deref().unwrap_or_default());
        let forwarder = forwarder.as_deref().unwrap_or_default();
        let stranger = "it sees public zones only";
        let by_prefix =
            prefix.as_ref().map(|prefix| format!("is in virtual network {network}, by the prefix {prefix}"));
        let of_forwarder = |who: &str, how: &str| match &by_prefix {
            Some(by_prefix) => format!("{who} {by_prefix}; that it asks is the word of forwarder {forwarder} ({how})"),
            None => {
                format!(
                    "{who} is no client that forwarder {forwarder}, who tells of it ({how}), speaks for: {stranger}"
                )
            }
        };
        let is_where = || by_prefix.clone().unwrap_or_else(|| format!("is in no virtual network: {stranger}"));
        let who = match self.way {
            _ if self.refused == Some(Refused::NetworkGone) => {
                format!("{source} asks at an address whose virtual network is gone: REFUSED")
            }
            "given" => format!("A client in virtual network {network}"),
            "proxy" => of_forwarder(&source, "PROXY protocol"),
            "client_subnet" if self.is_too_wide => format!(
                "{subnet}, of which forwarder {forwarder} tells (EDNS Client Subnet), is too wide to say whose client it is: \
                 {stranger}"
            ),
            "client_subnet" => of_forwarder(subnet, "EDNS Client Subnet"),
            "key" => format!("{source} is in virtual network {network}, whose key {key} signs the query"),
            "certificate" => format!("{source} is in virtual network {network}, by the certificate {certificate}"),
            "administrator_key" => {
                format!("{subnet} {}; that it asks is the word of whoever has the key {key}", is_where())
            }
            "listener" => {
                format!("{source} is in virtual network {network}, as everybody is who asks at this listener")
            }
            "inbound_endpoint" => {
                let address = self.asked_at.map(|address| address.to_string()).unwrap_or_default();
                format!(
                    "{source} is in virtual network {network}, as everybody is who asks at its inbound endpoint {address}"
                )
            }
            _ => format!("{source} {}", is_where()),
        };
        let (near, passed): (Vec<_>, Vec<_>) =
            self.not_chosen.iter().partition(|passed| passed.network.is_some() && !is_of_query(passed));
        let mut notes: Vec<String> = passed.into_iter().map(|passed| note_on(passed, self)).collect();
        notes.extend(note.map(str::to_owned));
        notes.extend(match self.refused {
            Some(Refused::AllowFrom) => Some(format!("the listener's allow_from does not hold {source}: REFUSED")),
            Some(Refused::Strangers) => Some("the server's strangers = \"refused\": REFUSED".to_owned()),
            Some(Refused::NetworkGone) | None => None,
        });
        notes.extend(near.into_iter().map(|near| note_on_near(near, &source)));
        (who, notes)
    }
}

/// A private zone that matches the name but is not linked to this network: the first thing to look for.
fn of_others(candidate: &Candidate, network: &str) -> Option<String> {
    if candidate.kind != CandidateKind::ZoneOfOthers {
        return None;
    }
    let Candidate { name, resource_group, linked_to, holds_name, .. } = candidate;
    let linked = if linked_to.is_empty() { "nothing".to_owned() } else { linked_to.join(", ") };
    let holds = if *holds_name == Some(true) { "holds it" } else { "fits it" };
    let resource_group = resource_group.as_deref().unwrap_or_default();
    Some(format!("(the zone {name} in {resource_group} {holds}, but is linked to {linked}, not to {network})"))
}

/// Whether it is part of the query.
fn is_of_query(passed: &NotChosen) -> bool {
    matches!(passed.way, "key" | "certificate" | "client_subnet")
}

fn note_on(passed: &NotChosen, asker: &AskerOf) -> String {
    let what = passed.what.as_deref().unwrap_or_default();
    match (passed.way, passed.why) {
        ("key", _) => format!("its key {what} does not decide that"),
        ("certificate", WhyNot::Senders) => format!("whoever asks is known by the certificate {what}"),
        ("certificate", _) => format!("its certificate {what} does not decide that"),
        (_, WhyNot::LaterWay) => {
            let first = if asker.way == "key" { "key" } else { "certificate" };
            format!("the client subnet {what} changes nothing: the {first} comes before it")
        }
        _ => format!("the client subnet {what} changes nothing: its sender is no forwarder with client_subnet = true"),
    }
}

fn note_on_near(near: &NotChosen, source: &str) -> String {
    let what = near.what.as_deref().unwrap_or_default();
    let network = near.network.as_deref().unwrap_or_default();
    match (near.why, near.way) {
        (WhyNot::WiderPrefix, _) => format!("{what} of {network} holds it, too: the narrower prefix counts"),
        (WhyNot::Outside, _) => format!("the nearest prefix is {what} of {network}"),
        (_, "listener") => format!("the listener would make it a client of {network}, and comes after that"),
        (_, "inbound_endpoint") => {
            format!("the inbound endpoint {what} would make it a client of {network}, and comes after that")
        }
        _ => format!("by the source address {source} alone it would be in {network}, by the prefix {what}"),
    }
}
