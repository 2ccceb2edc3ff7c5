//! The zones and views that an answer depends on, so that a cache can tell when the answer is stale.

use crate::view::{ViewId, ZoneId};

/// Maximum zones that are recorded.
const ZONES: usize = 4;
/// Maximum views that are recorded, besides that of the client.
const VIEWS: usize = 2;

/// The zones that were looked up for an answer, and the views that rules led to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Origins {
    zones: Few<ZoneId, ZONES>,
    views: Few<ViewId, VIEWS>,
}

/// A small set of values, and whether any did not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Few<T, const MOST: usize> {
    values: [T; MOST],
    count: u8,
    has_more: bool,
}

impl Origins {
    /// The zones.
    pub fn zones(&self) -> &[ZoneId] {
        self.zones.as_slice()
    }

    /// The views, without that of the client.
    pub fn views(&self) -> &[ViewId] {
        self.views.as_slice()
    }

    /// Whether nothing was left out.
    pub fn are_all(&self) -> bool {
        !self.zones.has_more && !self.views.has_more
    }

    pub(super) fn add_zone(&mut self, zone: ZoneId) {
        self.zones.add(zone);
    }

    pub(super) fn add_view(&mut self, view: ViewId) {
        self.views.add(view);
    }
}

impl<T: Copy + PartialEq, const MOST: usize> Few<T, MOST> {
    fn as_slice(&self) -> &[T] {
        &self.values[..self.count.into()]
    }

    fn add(&mut self, value: T) {
        if self.as_slice().contains(&value) {
            return;
        }
        match self.values.get_mut(usize::from(self.count)) {
            Some(place) => {
                *place = value;
                self.count += 1;
            }
            None => self.has_more = true,
        }
    }
}

impl Default for Few<ZoneId, ZONES> {
    fn default() -> Self {
        Self { values: [ZoneId::new(0); ZONES], count: 0, has_more: false }
    }
}

impl Default for Few<ViewId, VIEWS> {
    fn default() -> Self {
        Self { values: [ViewId::new(0); VIEWS], count: 0, has_more: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_noted_once_and_too_many_are_noticed() {
        let mut origins = Origins::default();
        for zone in [3, 5, 3, 7, 9, 5] {
            origins.add_zone(ZoneId::new(zone));
        }
        origins.add_view(ViewId::new(1));
        assert_eq!(origins.zones(), [3, 5, 7, 9].map(ZoneId::new));
        assert_eq!(origins.views(), [ViewId::new(1)]);
        assert!(origins.are_all());
        origins.add_zone(ZoneId::new(1));
        assert!(!origins.are_all());
    }
}
