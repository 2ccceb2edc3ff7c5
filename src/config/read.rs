//! TOML text → mirror, with every problem and not only serde's first.
//!
//! serde stops at the first mistake in a value. Here each resource is deserialised by itself; when one fails, the
//! key or value that serde blames is noted, taken out, and the resource is tried again.

use std::ops::Range;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::mirror::{PrivateDnsZone, PrivateEndpoint, PrivateLinkResource, PublicZone, Server, VirtualNetwork};
use super::problem::{Place, Problems};

/// Most mistakes that are noted for one resource.
const MAX_ATTEMPTS: usize = 32;

/// What the file declares, as far as it could be read.
#[derive(Debug, Default)]
pub(super) struct Mirror {
    pub(super) server: Server,
    pub(super) virtual_networks: Vec<VirtualNetwork>,
    pub(super) private_dns_zones: Vec<PrivateDnsZone>,
    pub(super) private_link_resources: Vec<PrivateLinkResource>,
    pub(super) private_endpoints: Vec<PrivateEndpoint>,
    pub(super) public_zones: Vec<PublicZone>,
}

/// Reads a configuration file.
pub(super) fn read(file: &Arc<str>, text: &str, problems: &mut Problems) -> Mirror {
    let mut mirror = Mirror::default();
    let (root, syntax_errors) = DeTable::parse_recoverable(text);
    let mut reader = Reader { file, text, problems };
    if !syntax_errors.is_empty() {
        for error in syntax_errors {
            let at = error.span().map_or(0, |span| span.start);
            reader.error(at, error.message(), "correct the TOML; see https://toml.io");
        }
        // What a parser makes of broken text is a guess: complaints about it would mislead.
        return mirror;
    }
    for (key, value) in root.into_inner() {
        let at = key.span().start;
        match key.get_ref().as_ref() {
            "server" => mirror.server = reader.table(value).unwrap_or_default(),
            "virtual_network" => mirror.virtual_networks = reader.tables(&key, value),
            "private_dns_zone" => mirror.private_dns_zones = reader.tables(&key, value),
            "private_link_resource" => mirror.private_link_resources = reader.tables(&key, value),
            "private_endpoint" => mirror.private_endpoints = reader.tables(&key, value),
            "public_zone" => mirror.public_zones = reader.tables(&key, value),
            unknown => reader.error(
                at,
                format!("unknown table \"{unknown}\""),
                "known are [server] and [[virtual_network]], [[private_dns_zone]], [[private_link_resource]], \
                 [[private_endpoint]], [[public_zone]]",
            ),
        }
    }
    mirror
}

struct Reader<'a> {
    file: &'a Arc<str>,
    text: &'a str,
    problems: &'a mut Problems,
}

impl Reader<'_> {
    fn error(&mut self, at: usize, what: impl Into<String>, mend: impl Into<String>) {
        self.problems.error(Place::at(self.file, self.text, at), what, mend);
    }

    /// Reads `[[key]]` tables; those that cannot be read are left out.
    fn tables<T: DeserializeOwned>(
        &mut self,
        key: &Spanned<std::borrow::Cow<'_, str>>,
        value: Spanned<DeValue<'_>>,
    ) -> Vec<T> {
        let at = value.span().start;
        let DeValue::Array(tables) = value.into_inner() else {
            let key = key.get_ref();
            self.error(at, format!("\"{key}\" is not a list"), format!("write [[{key}]], once for each"));
            return Vec::new();
        };
        tables.into_iter().filter_map(|table| self.table(table)).collect()
    }

    fn table<T: DeserializeOwned>(&mut self, mut table: Spanned<DeValue<'_>>) -> Option<T> {
        let mut whole = true;
        for _ in 0..MAX_ATTEMPTS {
            let error = match T::deserialize(ValueDeserializer::from(table.clone())) {
                Ok(value) => return whole.then_some(value),
                Err(error) => error,
            };
            whole = false;
            let span = error.span().unwrap_or_else(|| table.span());
            self.error(span.start, error.message(), mend(error.message()));
            if !take_out(&mut table, &span) {
                return None;
            }
        }
        None
    }
}

/// What to do about a message of serde's.
fn mend(message: &str) -> &'static str {
    if message.starts_with("unknown field") {
        "remove the key, or correct its name"
    } else if message.starts_with("unknown variant") {
        "write one of those"
    } else if message.starts_with("missing field") {
        "add the key"
    } else {
        "correct the value"
    }
}

/// Takes the innermost key or element that has the span out of a value. `false`: it is the value itself.
///
/// The span of a table is that of its header, so that children are asked first.
fn take_out(value: &mut Spanned<DeValue<'_>>, blamed: &Range<usize>) -> bool {
    let holds = |span: Range<usize>| span.start <= blamed.start && blamed.end <= span.end;
    match value.get_mut() {
        DeValue::Table(table) => {
            for (key, value) in table.iter_mut() {
                if take_out(value, blamed) {
                    return true;
                }
                if holds(key.span()) || holds(value.span()) {
                    let key = key.clone();
                    return table.remove(&key).is_some();
                }
            }
            false
        }
        DeValue::Array(array) => {
            for at in 0..array.len() {
                let element = array.get_mut(at).expect("within its length");
                if take_out(element, blamed) {
                    return true;
                }
                if holds(element.span()) {
                    let elements = std::mem::replace(array, std::iter::empty().collect()).into_iter().enumerate();
                    *array = elements.filter(|(index, _)| *index != at).map(|(_, element)| element).collect();
                    return true;
                }
            }
            false
        }
        _ => false,
    }
}
