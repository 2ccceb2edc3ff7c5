//! Private endpoints that are disconnected on purpose, for a while: the world is served as if their connections were, and stays
//! what is declared.

use std::collections::{BTreeSet, HashMap};

use super::World;
use crate::azure::{Catalogue, Change, ConnectionState, PrivateEndpoint, Resource, ResourceId, Topology};
use crate::snapshot::{Before, Snapshot};

impl World {
    /// The private endpoints that are disconnected on purpose.
    pub fn disconnected(&self) -> &BTreeSet<ResourceId> {
        &self.disconnected
    }

    /// Has exactly these private endpoints be disconnected on purpose from now on. What is declared stays what it is; whatever
    /// changes it later leaves them disconnected.
    pub fn disconnect(&mut self, endpoints: BTreeSet<ResourceId>) {
        if endpoints == self.disconnected {
            return;
        }
        self.disconnected = endpoints;
        self.serve_disconnected(true);
    }

    /// The topology that the snapshot is made of: what is declared, but for what is disconnected on purpose.
    pub fn served_topology(&self) -> &Topology {
        self.served.as_ref().unwrap_or(&self.topology)
    }

    /// Serves the topology without the endpoints that are disconnected, or as it is where none is. `is_other` says whether the
    /// snapshot may be of another topology than the declared one.
    pub(super) fn serve_disconnected(&mut self, is_other: bool) {
        let derived = self.disconnected_topology();
        if derived.is_none() && !is_other {
            self.served = None;
            return;
        }
        let last = &self.snapshot;
        let before = Before { snapshot: last, topology: None };
        let (identity, next) = (last.identity().clone(), last.generation().next());
        let mut derived = derived;
        let topology = derived.as_mut().unwrap_or(&mut self.topology);
        // With fewer records no zone becomes too large; where it is, the world is served as it was.
        let Ok(snapshot) = Snapshot::compile_from(topology, identity, next, Some(before)) else { return };
        let slots: HashMap<_, _> =
            last.views_of_networks().map(|(view, network)| (network.label.clone(), last.network_slot(view))).collect();
        let snapshot = snapshot.with_what_others_gave(last);
        let snapshot = snapshot.with_network_slots(|label| slots.get(label).copied().unwrap_or_default());
        (self.snapshot, self.served) = (snapshot.into(), derived);
    }

    fn disconnected_topology(&self) -> Option<Topology> {
        let endpoints = self.topology.private_endpoints();
        let endpoints = endpoints.filter(|endpoint| self.disconnected.contains(&endpoint.id));
        let changes: Vec<_> = endpoints.filter_map(disconnection).collect();
        if changes.is_empty() {
            return None;
        }
        derived(&self.topology, changes, &self.catalogue)
    }
}

/// The change that disconnects an endpoint, as the owner of its resource does; `None` where it is not connected anyway.
fn disconnection(endpoint: &PrivateEndpoint) -> Option<Change> {
    let was_approved = endpoint.connection_state == ConnectionState::Approved;
    let connection_state = ConnectionState::Disconnected;
    let disconnected = PrivateEndpoint { connection_state, was_approved, ..endpoint.clone() };
    was_approved.then(|| Change::Put(Resource::PrivateEndpoint(disconnected)))
}

fn derived(topology: &Topology, changes: Vec<Change>, catalogue: &Catalogue) -> Option<Topology> {
    let in_part = topology.changed_in_part(&changes, catalogue);
    in_part.or_else(|| topology.changed(changes, catalogue).ok().map(|(topology, _)| topology))
}
