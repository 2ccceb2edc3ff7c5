//! The conclusion of an explanation, in a sentence.

use super::{Explanation, Refused};
use crate::trail::Step;

/// The conclusion. If a mistake was recognised, it is the mistake and its fix.
pub(super) fn conclude(explanation: &Explanation) -> String {
    let who = explanation.asker.network.as_deref();
    if let Some(refused) = explanation.asker.refused {
        return match refused {
            Refused::NetworkGone => "The network is gone that the address asked belonged to: declare it again.",
            Refused::AllowFrom => "The listener does not take queries from this address: add it to allow_from.",
            Refused::Strangers => {
                "Clients outside all networks are refused: give the client's network a prefix, a key or a listener."
            }
        }
        .to_owned();
    }
    if !explanation.mistakes.is_empty() {
        let sentences = explanation.mistakes.iter().map(|mistake| format!("{}: {}.", mistake.what, mistake.mend));
        return sentences.collect::<Vec<_>>().join("\n");
    }
    if let [first, ..] = &explanation.asks[..] {
        return format!("The answer is that of {first}, whatever zones there are here.");
    }
    let clients = who.map_or_else(|| "Clients outside all networks".to_owned(), |who| format!("Clients of {who}"));
    let Some(last) = explanation.hops.last() else {
        return "The question is refused as such, before any zone is asked: it is none for stored data.".to_owned();
    };
    let steps = &last.hop.steps;
    let zone = steps.iter().rev().find_map(|step| match step {
        Step::PrivateZone { zone, .. } => {
            let resource_group = zone.resource_group.as_deref().unwrap_or_default();
            Some((true, format!("private zone {} in {resource_group}", plain(&zone.apex))))
        }
        Step::InternalZone { zone } => Some((true, format!("internal zone {}", plain(&zone.apex)))),
        Step::PublicZone { zone } => Some((false, format!("public zone {}", plain(&zone.apex)))),
        _ => None,
    });
    let (is_private, zone) = zone.map_or((false, None), |(is_private, zone)| (is_private, Some(zone)));
    match (steps.last(), zone) {
        (Some(Step::SecurityPolicy { .. }), _) => {
            format!("{clients} get the answer of their network's DNS security policy.")
        }
        (Some(Step::Found(record)), Some(zone)) if is_private => {
            let writer = record.writer.as_ref().map_or_else(String::new, |writer| format!(", {writer}"));
            format!("{clients} get the private answer, of {zone}{writer}.")
        }
        (Some(Step::Found(_)), Some(zone)) => format!("{clients} get the public answer, of {zone}."),
        (Some(Step::NoData { r#type, .. }), Some(zone)) => {
            format!("The name exists in {zone}, without {type}: ask for a type that it has, or add a record set.")
        }
        (Some(Step::Missing { .. }), Some(zone)) => {
            format!("{} does not exist in {zone}, which has the last word: add a record set.", plain(&last.hop.name))
        }
        (Some(Step::NotHeld { .. }), _) => {
            format!("Nobody here holds {}: declare a zone for it, or an upstream.", plain(&last.hop.name))
        }
        (Some(Step::NotKnown), _) => {
            format!("No declared resource has the name {}: declare the resource.", plain(&last.hop.name))
        }
        (Some(Step::NotGiven { .. }), _) => "Write the address in place of \"unknown\".".to_owned(),
        (Some(Step::Circle), _) => "Correct the forwarding rules: they lead round in a circle.".to_owned(),
        (Some(Step::ChainEnds), _) => "Correct the aliases: they end at no data.".to_owned(),
        (Some(Step::Referral { zone_cut }), _) => format!("The servers of {} have the answer.", plain(zone_cut)),
        _ => {
            let rcode = explanation.answer.as_ref().map_or("no answer", |answer| answer.rcode.as_str());
            format!("{clients} get {rcode}.")
        }
    }
}

/// A name as written in a sentence, without the dot at its end.
fn plain(name: &str) -> &str {
    name.strip_suffix('.').filter(|name| !name.is_empty()).unwrap_or(name)
}
