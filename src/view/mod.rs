//! Who is asking, and what they may see.

mod client;
mod select;
mod zones;

pub use client::{Client, Transport};
pub use select::{Selector, SelectorRule};
pub use zones::{ApexTable, LinkedZone, ViewId, ViewZones, ZoneId};
