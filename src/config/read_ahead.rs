//! Reads zone files in parallel, before they are declared in the order of the configuration.
//!
//! A file read ahead is used only if the result is the same as when reading in order. Files that include others or generate
//! records draw on a shared allowance, and files that are not zone files are refused; both are read again in order.

use std::collections::HashMap;
use std::path::PathBuf;

use zeroize::Zeroize;

use super::allowance::Allowance;
use super::files::Files;
use super::mirror::Text;
use super::problem::{Places, Problems};
use super::read::Mirror;
use super::zone_file::{self, Contents, Input};
use crate::dns::Name;
use crate::parallel;

/// The files read ahead, by path and apex of the zone.
#[derive(Default)]
pub(super) struct ReadAhead(HashMap<(PathBuf, Name), Ready>);

/// A zone file with its own places and problems.
pub(super) struct Ready {
    pub(super) text: Vec<u8>,
    pub(super) contents: Contents,
    pub(super) places: Places,
    pub(super) problems: Problems,
}

impl ReadAhead {
    /// Reads the zone files that a mirror names while `meanwhile` runs. `path` is that of the file that names them.
    pub(super) fn new<B>(
        mirror: &Mirror,
        files: &Files,
        path: impl Fn(&str) -> PathBuf,
        beside: impl FnOnce() -> B,
    ) -> (Self, B) {
        let named = |name: &Text, file: &Text| {
            let apex = name.get_ref().parse::<Name>().ok()?;
            Some((path(file.get_ref()), apex))
        };
        let private = mirror.private_dns_zones.iter().filter_map(|zone| {
            let zone = &zone.value;
            named(&zone.name, zone.file.as_ref()?)
        });
        let public = mirror.public_zones.iter().filter_map(|zone| named(&zone.value.name, &zone.value.file));
        let mut named: Vec<_> = private.chain(public).collect();
        let threads = named.len();
        let (ready, beside) = parallel::map_beside(&mut named, threads, "read", |zone| read(files, zone), beside);
        (Self(named.into_iter().zip(ready).filter_map(|(zone, ready)| Some((zone, ready?))).collect()), beside)
    }

    /// Takes what was read of a file for a zone.
    pub(super) fn take(&mut self, path: PathBuf, apex: &Name) -> Option<Ready> {
        self.0.remove(&(path, apex.clone()))
    }
}

/// `None` if the file must be read in order.
fn read(files: &Files, (path, apex): &(PathBuf, Name)) -> Option<Ready> {
    let mut allowance = Allowance::without_inclusions();
    let mut text = allowance.read(files, path).ok()?;
    let (mut places, mut problems) = (Places::default(), Problems::default());
    let input = Input { files, allowance: &mut allowance, path, text: &text };
    let contents = zone_file::read(input, apex, &mut places, &mut problems);
    if !contents.is_zone {
        // The file may contain a secret.
        text.zeroize();
        return None;
    }
    let draws_on_more = contents.includes || contents.generated > 0 || allowance.is_over();
    (!draws_on_more).then_some(Ready { text, contents, places, problems })
}
