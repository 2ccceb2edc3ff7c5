//! The next snapshot after a change, and what stays unchanged in it.

use std::sync::Arc;

use super::{ServedZone, Snapshot, View};
use crate::azure::{EditedZone, Topology};
use crate::view::{LinkedZone, ViewId};

impl Snapshot {
    /// The next snapshot if only these zones and their links change. `topology` is what this snapshot was compiled from.
    pub(crate) fn edited(&self, topology: &Topology, edited: &[EditedZone]) -> Self {
        let mut next = Self { generation: self.generation.next(), ..self.clone() };
        let mut views: Option<Box<[View]>> = None;
        let mut changed = Vec::new();
        for EditedZone { at, zone, links, .. } in edited {
            let number = self.zone_at(*at);
            if let Some(zone) = zone {
                let served = &mut next.zones[number.index()];
                (served.zone, served.changed) = (zone.clone(), next.generation);
            }
            let apex = topology.zones()[*at].apex.as_ref();
            for (network, policy) in links {
                let linked = policy.map(|resolution_policy| LinkedZone { zone: number, resolution_policy });
                let id = self.view_of(*network);
                let view = &mut views.get_or_insert_with(|| self.views.iter().cloned().collect())[id.index()];
                view.linked = self.suffixes.with(&view.linked, apex, linked);
                changed.push(id);
            }
        }
        if let Some(mut views) = views {
            let mut alike: Box<[ViewId]> = self.alike.iter().copied().collect();
            for id in changed {
                let view = &mut views[id.index()];
                view.changed = next.generation;
                view.rehash(None);
                move_among_alike(&views, &mut alike, id);
            }
            (next.views, next.alike) = (views.into(), alike.into());
        }
        next
    }

    /// The same with what does not follow from a topology: certificates, designated resolvers, the secrets of cookies and faults.
    #[must_use]
    pub(crate) fn with_what_others_gave(self, last: &Self) -> Self {
        let (cookie_secrets, certificates) = (last.cookie_secrets.clone(), last.certificates.clone());
        Self { cookie_secrets, certificates, designated: last.designated.clone(), ..self }.with_faults_of(last)
    }

    /// Takes the generations of everything that is the same in the last snapshot.
    pub(super) fn carry_over(&mut self, last: &Self) {
        for (zone, last) in self.zones.iter_mut().zip(&last.zones) {
            if zone.is_as(last) {
                zone.changed = last.changed;
            }
        }
        // Lists of different tables cannot be compared.
        if !self.suffixes.extends(&last.suffixes) {
            return;
        }
        let mut views: Box<[View]> = self.views.iter().cloned().collect();
        for (view, last) in views.iter_mut().zip(&*last.views) {
            if view.sees_the_same(last) {
                view.changed = last.changed;
            }
        }
        self.views = views.into();
        if self.private == last.private {
            self.privacy_changed = last.privacy_changed;
        }
        if self.has_in_common(last) {
            self.changed = last.changed;
        }
    }

    /// Whether everything is the same that all answers depend on, besides zones and views.
    fn has_in_common(&self, last: &Self) -> bool {
        let all = |snapshot: &Self| {
            let Self { public, reserved, .. } = snapshot;
            (public.clone(), reserved.clone())
        };
        let flags = |snapshot: &Self| (snapshot.refuses_strangers, snapshot.refuses_unknown, snapshot.all_is_private);
        all(self) == all(last)
            && flags(self) == flags(last)
            && self.rules == last.rules
            && self.upstream == last.upstream
            && self.identity == last.identity
    }
}

impl ServedZone {
    /// Whether the zone is the same in both snapshots.
    fn is_as(&self, last: &Self) -> bool {
        let flags = |zone: &Self| {
            (zone.is_public, zone.is_internal, zone.is_private_link, zone.is_partial, zone.place.is_some())
        };
        Arc::ptr_eq(&self.zone, &last.zone) && flags(self) == flags(last)
    }
}

/// Updates which views are alike after one view has changed.
fn move_among_alike(views: &[View], alike: &mut [ViewId], changed: ViewId) {
    let at = changed.index();
    if alike[at] == changed {
        let mut others = (0..views.len()).filter(|other| *other != at && alike[*other] == changed);
        let others: Vec<_> = others.by_ref().collect();
        if let Some(first) = others.first() {
            others.iter().for_each(|other| alike[*other] = ViewId::new(*first));
        }
    }
    alike[at] = changed;
    let is_first = |other: &usize| *other != at && alike[*other].index() == *other;
    let same = (0..views.len()).filter(is_first).find(|other| views[*other].sees_the_same(&views[at]));
    match same.map(ViewId::new) {
        Some(first) if first < changed => alike[at] = first,
        Some(first) => alike.iter_mut().filter(|other| **other == first).for_each(|other| *other = changed),
        None => {}
    }
}
