//! Configurations that commands query offline.

use std::sync::Arc;

use anyhow::{Context, bail};

use crate::config::{Files, Several, load};
use crate::dns::{Name, RecordType};
use crate::questions::Asked;

/// Loads a configuration. Its warnings are left to `vnetdns check`.
pub(super) fn load_world(files: &Files) -> anyhow::Result<Asked<'static>> {
    let config = load(files)?;
    let mut topology = config.topology;
    topology.set_listener_networks(config.server.listener_networks());
    Ok(Asked::new(topology)?)
}

/// Like [`load_world`], for one of several configurations: its findings name which one it is.
pub(super) fn load_named(what: &str, several: Several) -> anyhow::Result<Asked<'static>> {
    let files = Files::Several(Arc::new(several));
    load_world(&files).with_context(|| format!("the {what} world, {files}, cannot be loaded"))
}

/// A name from the command line; it is absolute.
pub(super) fn name(text: &str) -> anyhow::Result<Name> {
    text.parse().with_context(|| format!("\"{text}\" is not a domain name"))
}

/// A type from the command line.
pub(super) fn record_type(text: &str) -> anyhow::Result<RecordType> {
    let Ok(rtype) = text.to_ascii_uppercase().parse::<domain::base::Rtype>() else {
        bail!("\"{text}\" is not a record type; write for instance A, AAAA or TXT");
    };
    Ok(RecordType::from(rtype.to_int()))
}

/// Askers in a line: all of them, or the first and the number of the others.
pub(super) fn askers(labels: &[String], most: usize) -> String {
    if labels.len() <= most {
        return labels.join(", ");
    }
    format!("{} and {} more", labels[..most].join(", "), labels.len() - most)
}
