//! Who is asking, and what they may see.

mod client;
mod identify;
mod select;
mod suffixes;

pub use client::{
    CertificateId, Client, CountedClient, ForwarderId, KeyId, ListenerId, NetworkSlot, Persona, Transport,
};
pub use identify::{
    Belonging, Certificate, CertificateHolder, Forwarder, Identified, Identifier, Key, KeyHolder, Way, WayKind,
};
pub use select::{Selector, SelectorRule};
pub use suffixes::{BySuffix, LinkedZone, Suffix, SuffixTable, ViewId, ZoneId};
