//! Who is asking, and what they may see.

mod client;
mod select;
mod suffixes;

pub use client::{Client, Persona, Transport};
pub use select::{Selector, SelectorRule};
pub use suffixes::{BySuffix, LinkedZone, SuffixTable, ViewId, ZoneId};
