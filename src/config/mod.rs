//! Configuration: text to [`Topology`](crate::azure::Topology) and [`ServerSettings`]; the only part that knows file formats.
//!
//! The TOML file is deserialised into a mirror, the mirror becomes a declaration, and the declaration is checked as a whole. Each
//! stage reports every problem with its place; a configuration with errors is not loaded at all.

mod allowance;
mod declare;
mod differences;
mod digest;
mod entries;
mod files;
mod imported;
mod key_file;
mod listen_address;
mod load;
mod loopback;
mod mirror;
mod problem;
mod read;
mod read_ahead;
mod record_data;
mod regular_file;
mod secret_file;
mod settings;
mod sources;
mod syntax;
mod zone_file;

pub use declare::Certificates;
pub use files::{Files, Lab, Memory, Several};
pub use imported::{ImportError, Imported, imported};
pub use listen_address::{ListenAddress, ListenAddressError};
pub use load::{
    Config, Description, LayeredConfig, Read, ReadLayers, load, load_after, load_on_loopback, read_files, resources,
};
pub use loopback::LoopbackClients;
pub use problem::{Place, Places, Problem, Problems};
pub use settings::{
    BearerToken, Chaos, DnsCookies, DnstapSettings, EncryptedTransport, Encryption, EtcdSettings, Listen,
    ManagementClient, ManagementMode, ManagementSettings, MetricsSettings, ResponseRateLimit, Secret, ServerSettings,
};
pub use sources::{FileChange, RecordSetChange, Sources};

#[cfg(test)]
pub(crate) use testing::record_sets;

#[cfg(test)]
mod testing {
    use std::path::Path;

    use super::allowance::Allowance;
    use super::problem::{Places, Problems};
    use super::{Files, zone_file};
    use crate::azure::RecordSet;
    use crate::dns::Name;

    /// The record sets of a zone file's text, which must be without mistakes.
    pub(crate) fn record_sets(apex: &Name, text: &str) -> Vec<RecordSet> {
        let (mut places, mut problems) = (Places::default(), Problems::default());
        let path = Path::new("test.zone");
        let (files, mut allowance) = (Files::default(), Allowance::new());
        let input = zone_file::Input { files: &files, allowance: &mut allowance, path, text: text.as_bytes() };
        let contents = zone_file::read(input, apex, &mut places, &mut problems);
        assert!(problems.is_empty(), "{problems}");
        contents.record_sets
    }
}
