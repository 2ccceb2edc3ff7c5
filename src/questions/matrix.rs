//! The answers to one question by asker, equal ones grouped.

use super::{Asked, Asker, Seen, ask};
use crate::dns::{NameRef, RecordType};

/// Askers with the same answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Their labels: outside first, then in alphabetical order.
    pub askers: Vec<String>,
    /// Their answer.
    pub seen: Seen,
}

/// The answers that clients of every network, and those outside all networks, get to a question. Askers with the same answer
/// share a row; rows are in the order of their first askers.
pub fn matrix(world: &Asked<'_>, name: NameRef<'_>, qtype: RecordType) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    // Views that see the same are asked once.
    let mut known: Vec<(crate::view::ViewId, usize)> = Vec::new();
    for asker in world.askers() {
        let alike = world.snapshot.alike(asker.view);
        let row = match known.iter().find(|(view, _)| *view == alike) {
            Some((_, row)) => *row,
            None => {
                let seen = ask(world, &asker, name, qtype);
                let row = rows.iter().position(|row| row.seen == seen).unwrap_or_else(|| {
                    rows.push(Row { askers: Vec::new(), seen });
                    rows.len() - 1
                });
                known.push((alike, row));
                row
            }
        };
        rows[row].askers.push(asker.label);
    }
    rows
}

impl Asker {
    /// The asker that a label or a reference names.
    pub fn find(world: &Asked<'_>, label: &str) -> Option<Self> {
        if label.eq_ignore_ascii_case("outside") {
            return Some(Self::outside());
        }
        let network = world.topology.find_network(label).ok()?;
        Some(Self { label: world.topology.network_label(network).to_owned(), view: world.snapshot.view_of(network) })
    }

    /// The asker with a source address.
    pub fn at(world: &Asked<'_>, address: std::net::IpAddr) -> Self {
        let rule = world.snapshot.identifier().sources.select(address);
        let network = rule.and_then(|rule| Some((rule.leads_to, world.snapshot.view(rule.leads_to).network.as_ref()?)));
        network.map_or_else(Self::outside, |(view, network)| Self {
            label: world.topology.network_label(network.number).to_owned(),
            view,
        })
    }
}
