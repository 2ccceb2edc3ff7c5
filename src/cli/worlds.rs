//! Worlds that commands ask offline.

use std::sync::Arc;

use anyhow::{Context, bail};

use crate::config::{Files, Several, load};
use crate::dns::{Name, RecordType};
use crate::questions::Asked;

/// Loads a world. Its warnings are for `vnetdns check` to print.
pub(super) fn load_world(files: &Files) -> anyhow::Result<Asked<'static>> {
    let config = load(files)?;
    let mut topology = config.topology;
    topology.set_listener_networks(config.server.listener_networks());
    Ok(Asked::new(topology)?)
}

/// As [`load_world`], for one of several: its problems are preceded by which of them it is.
pub(super) fn load_named(what: &str, several: Several) -> anyhow::Result<Asked<'static>> {
    let files = Files::Several(Arc::new(several));
    load_world(&files).with_context(|| format!("the {what} world, {files}, cannot be loaded"))
}

/// A name of the command line; it is absolute.
pub(super) fn name(text: &str) -> anyhow::Result<Name> {
    text.parse().with_context(|| format!("\"{text}\" is not a domain name"))
}

/// A type of the command line.
pub(super) fn record_type(text: &str) -> anyhow::Result<RecordType> {
    let Ok(rtype) = text.to_ascii_uppercase().parse::<domain::base::Rtype>() else {
        bail!("\"{text}\" is not a record type; write for instance A, AAAA or TXT");
    };
    Ok(RecordType::from(rtype.to_int()))
}

/// Askers in a line: all of them, or the first and how many more there are.
pub(super) fn askers(labels: &[String], most: usize) -> String {
    if labels.len() <= most {
        return labels.join(", ");
    }
    format!("{} and {} more", labels[..most].join(", "), labels.len() - most)
}
