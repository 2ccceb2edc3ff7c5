//! Zone files are read on all processors before they are declared, one after the other, in the order of the configuration.
//!
//! What is read ahead counts only where it comes to what reading in order comes to. A file that includes others or generates
//! records draws on what may be read in all, and one that is no zone file is refused: both are read again, in order.

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

/// What was read ahead, by the path of the file and the apex of its zone.
#[derive(Default)]
pub(super) struct ReadAhead(HashMap<(PathBuf, Name), Ready>);

/// A zone file, with places and problems of its own.
pub(super) struct Ready {
    pub(super) text: Vec<u8>,
    pub(super) contents: Contents,
    pub(super) places: Places,
    pub(super) problems: Problems,
}

impl ReadAhead {
    /// Reads the zone files that a mirror names, and does something else meanwhile. `path` is the file's in which they are named.
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

    /// What was read of a file for a zone: once.
    pub(super) fn take(&mut self, path: PathBuf, apex: &Name) -> Option<Ready> {
        self.0.remove(&(path, apex.clone()))
    }
}

/// `None` where the file is to be read in order.
fn read(files: &Files, (path, apex): &(PathBuf, Name)) -> Option<Ready> {
    let mut allowance = Allowance::without_inclusions();
    let mut text = allowance.read(files, path).ok()?;
    let (mut places, mut problems) = (Places::default(), Problems::default());
    let input = Input { files, allowance: &mut allowance, path, text: &text };
    let contents = zone_file::read(input, apex, &mut places, &mut problems);
    if !contents.is_zone {
        // It may hold a secret.
        text.zeroize();
        return None;
    }
    let draws_on_more = contents.includes || contents.generated > 0 || allowance.is_over();
    (!draws_on_more).then_some(Ready { text, contents, places, problems })
}
