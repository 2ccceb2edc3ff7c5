//! TSIG keys.

use super::{Declarer, Source};
use crate::azure::{KeyNetworks, TsigKey};
use crate::codes::Code;
use crate::config::mirror::{self, Text};
use crate::config::{Files, files, key_file};
use crate::dns::{self, Name, wipe_stack};

/// Minimum length of a secret in octets: 128 bits cannot be guessed.
const LEAST_SECRET: usize = 16;

impl Declarer<'_> {
    /// Declares a key; `has_state` says whether the server can store its updates.
    pub(super) fn tsig_key(&mut self, key: &mirror::TsigKey, has_state: bool) -> Option<TsigKey> {
        let name = self.name(&key.name);
        let all = key.all_virtual_networks.as_ref().filter(|all| *all.get_ref());
        let networks = match (&key.virtual_network, all) {
            (Some(network), None) => self.network(network).map(KeyNetworks::One),
            (None, Some(_)) => Some(KeyNetworks::All),
            (None, None) => None,
            (Some(_), Some(all)) => {
                let mend = "keep virtual_network, or all_virtual_networks = true for an administrator";
                self.problem(Code::ContradictingKeys, all, "a key is of one network, or of all", mend);
                None
            }
        };
        let update = key.update.iter().flat_map(|zones| zones.get_ref()).filter_map(|zone| self.name(zone)).collect();
        if let Some(update) = &key.update
            && key.virtual_network.is_none()
        {
            let mend = "add virtual_network: of several zones of one name it changes the one that this network sees";
            self.problem(Code::ContradictingKeys, update, "a key that may update zones is of one network", mend);
        }
        if let Some(update) = key.update.as_ref().filter(|_| !has_state) {
            let what = "the key may update zones, and no state is configured: every update gets NOTIMP";
            let mend = "name a folder with [server] state, or start with serve --state DIR";
            self.problem(Code::UpdateWithoutState, update, what, mend);
        }
        let name = name?;
        Some(TsigKey { key: self.key_file(&key.file, &name)?, name, networks, update })
    }

    fn key_file(&mut self, file: &Text, name: &Name) -> Option<dns::TsigKey> {
        let path = Files::relative(self.path, file.get_ref());
        let text = match self.secret(&path) {
            Ok(text) => text,
            Err(error) => {
                // The path is not repeated: the key may be confused with the place of the secret.
                let mend = "name a file that tsig-keygen wrote; its path is relative to the folder of this file";
                self.problem(
                    Code::UnreadableFile,
                    file,
                    format!("cannot read the key file: {error}"),
                    files::mend(&error, mend),
                );
                return None;
            }
        };
        let source = Source::new(path.display().to_string().into(), text.as_bytes());
        let read = key_file::read(&text);
        wipe_stack();
        let read = match read {
            Ok(read) => read,
            Err((at, what, mend)) => {
                self.problems.report(Code::BadSecret, source.place(at), what, mend);
                return None;
            }
        };
        let (at, named) = read.name;
        if named.parse::<Name>().ok().as_ref() != Some(name) {
            let what = format!("this is not the key \"{name}\" that the configuration names");
            self.problems.report(
                Code::BadSecret,
                source.place(at),
                what,
                "give the key one name in both files: it is part of a signature",
            );
            return None;
        }
        let (at, secret) = &read.secret;
        let (algorithm, wanted) = (read.algorithm, read.algorithm.mac_len());
        let mend = format!("make another key: tsig-keygen -a {algorithm} NAME");
        if secret.len() < LEAST_SECRET {
            let what = format!("a secret of {} octets, where {LEAST_SECRET} are the least", secret.len());
            self.problems.report(Code::BadSecret, source.place(*at), what, mend);
            return None;
        }
        if secret.len() < wanted {
            let what = format!("a secret of {} octets is weaker than {algorithm}, which has {wanted}", secret.len());
            self.problems.report(Code::WeakSecret, source.place(*at), what, mend);
        }
        if text.is_open {
            let mend = format!("let its owner alone read it: chmod 600 {}", path.display());
            self.problems.report(
                Code::OpenKeyFile,
                self.source.place(file.span().start),
                "others than its owner may read the key file",
                mend,
            );
        }
        Some(dns::TsigKey::new(name.as_ref(), algorithm, secret))
    }
}
