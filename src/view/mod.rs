//! Clients, and what their view contains.

mod client;
mod explained;
mod identify;
mod ids;
mod select;
mod suffixes;

pub use client::{Client, CountedClient, NetworkSlot, Persona, Transport};
pub use explained::ExplainedClients;
pub use identify::{
    Belonging, Certificate, CertificateHolder, Forwarder, Identified, Identifier, Key, KeyHolder, Way, WayKind,
};
pub use ids::{CertificateId, ForwarderId, KeyId, ListenerId, ViewId, ZoneId};
pub use select::{Selector, SelectorRule};
pub use suffixes::{BySuffix, LinkedZone, Suffix, SuffixTable};
