//! Compares a running server with a configuration: its answers now, and those with the configuration.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

use super::super::serve::clients::addresses;
use super::super::test::{From, Server, Unasked};
use crate::questions::{Asked, Asker, Change, Difference, Outcome, Seen, all_questions, ask};
use crate::view::ViewId;

/// The part of an expectation file that says how to be a client of a server; the rest is ignored.
#[derive(Debug, Deserialize)]
struct Clients {
    #[serde(default)]
    from: BTreeMap<String, From>,
}

/// A comparison that was not possible; it never counts as equal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct NotCompared {
    /// Whose questions.
    asker: String,
    /// Why they cannot be asked from here, or what their answers depend on.
    pub(super) why: String,
    /// The number of questions.
    pub(super) questions: usize,
}

impl NotCompared {
    /// In a line.
    pub(super) fn line(&self) -> String {
        let Self { asker, why, questions } = self;
        let s = if *questions == 1 { "" } else { "s" };
        format!("{questions} question{s} of {asker}: {why}")
    }
}

/// Reads how to act as each client.
pub(super) fn clients(path: Option<&Path>) -> anyhow::Result<BTreeMap<String, From>> {
    let Some(path) = path else { return Ok(BTreeMap::new()) };
    let shown = path.display();
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {shown}"))?;
    let Clients { from } = toml::from_str(&text).with_context(|| format!("{shown} does not say who asks"))?;
    Ok(from)
}

/// Asks the server all questions about a configuration, for each of its askers that can be imitated from here.
pub(super) fn difference(
    server: &Server,
    clients: &BTreeMap<String, From>,
    world: &Asked<'_>,
) -> anyhow::Result<(Difference, Vec<NotCompared>)> {
    let questions = all_questions(world);
    let count: usize = questions.iter().map(|(_, types)| types.len()).sum();
    let mut compared = Difference::default();
    let mut not_compared = Vec::new();
    // Only a server on this host sees such addresses.
    let addresses = if server.is_on_loopback() { addresses(&world.snapshot) } else { HashMap::new() };
    for asker in world.askers() {
        let Some(from) = from(clients, &addresses, world, &asker) else {
            let why = format!("no [from.\"{0}\"] says how to be {0}", asker.label);
            not_compared.push(NotCompared { asker: asker.label, why, questions: count });
            continue;
        };
        let mut unknown: BTreeMap<String, usize> = BTreeMap::new();
        for (name, rtype) in questions.iter().flat_map(|(name, types)| types.iter().map(move |rtype| (name, *rtype))) {
            let new = ask(world, &asker, name.as_ref(), rtype);
            if let Outcome::Asks(_) | Outcome::AddressNotKnown | Outcome::Blocked = new.outcome {
                *unknown.entry(format!("with the configuration it is \"{}\"", new.outcome)).or_default() += 1;
                continue;
            }
            match server.ask(&from, name.as_ref(), rtype) {
                Ok(old) => {
                    compared.questions += 1;
                    let change = Change::new(name, rtype, &asker, comparable(old), comparable(new));
                    compared.changes.extend(change);
                }
                Err(Unasked::Unknown(why)) => *unknown.entry(why).or_default() += 1,
                Err(Unasked::Failed(why)) => bail!("{why}"),
            }
        }
        let of_asker = |(why, questions)| NotCompared { asker: asker.label.clone(), why, questions };
        not_compared.extend(unknown.into_iter().map(of_asker));
    }
    if compared.questions == 0 {
        bail!("no question can be asked from here: say who asks with --clients FILE; see vnetdns diff --help");
    }
    compared.join();
    Ok((compared, not_compared))
}

/// How to act as an asker: as given, or otherwise from an address of this host that only its clients have.
fn from(
    clients: &BTreeMap<String, From>,
    addresses: &HashMap<ViewId, Ipv4Addr>,
    world: &Asked<'_>,
    asker: &Asker,
) -> Option<From> {
    if let Some(from) = clients.get(&asker.label) {
        return Some(from.clone());
    }
    let network = world.topology.find_network(&asker.label).ok()?;
    let own = addresses.get(&world.snapshot.view_of(network)).copied().map(IpAddr::V4)?;
    (Asker::at(world, own).label == asker.label).then_some(From { source: Some(own), client_subnet: None })
}

/// The part of an answer that a message shows: a referral has no records of its own; a name unknown here is REFUSED; and if
/// aliases lead to a name that is refused, only the aliases are shown.
fn comparable(seen: Seen) -> Seen {
    let outcome = match seen.outcome {
        Outcome::Refused | Outcome::NotKnownHere if !seen.aliases.is_empty() => Outcome::NoData,
        Outcome::NotKnownHere => Outcome::Refused,
        Outcome::Referral => Outcome::NoData,
        outcome => outcome,
    };
    Seen { outcome, ..seen }
}
