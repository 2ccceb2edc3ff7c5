//! The etcd cluster in which replicas share their state.

use super::Declarer;
use crate::codes::Code;
use crate::config::mirror::{self, Text};
use crate::config::{EtcdSettings, Files, Secret, files};

/// Default prefix of keys.
const DEFAULT_PREFIX: &str = "/vnetdns/";
const AT: &str = "list the members of the cluster: etcd = [\"https://10.0.0.4:2379\", \"https://10.0.0.5:2379\"]";

impl Declarer<'_> {
    pub(super) fn etcd(&mut self, management: &mirror::Management) -> Option<EtcdSettings> {
        let Some(etcd) = &management.etcd else {
            let others = [
                &management.etcd_prefix,
                &management.etcd_ca,
                &management.etcd_certificate,
                &management.etcd_key,
                &management.etcd_user,
                &management.etcd_password_file,
            ];
            for text in others.into_iter().flatten() {
                self.problem(Code::ContradictingKeys, text, "this is about etcd, and there is no etcd = […]", AT);
            }
            if let Some(keys) = &management.etcd_keys {
                self.problem(Code::ContradictingKeys, keys, "this is about etcd, and there is no etcd = […]", AT);
            }
            return None;
        };
        if !cfg!(feature = "etcd") {
            let mend = "install a package of vnetdns, or build it with --features etcd";
            self.problem(Code::BadEtcd, etcd, "this program was built without etcd", mend);
            return None;
        }
        if etcd.get_ref().is_empty() {
            self.problem(Code::BadEtcd, etcd, "no member of the cluster is listed", AT);
        }
        for endpoint in etcd.get_ref() {
            if let Err(what) = check_endpoint(endpoint.get_ref()) {
                self.problem(Code::BadEtcd, endpoint, what, AT);
            }
            if management.etcd_ca.is_none() && endpoint.get_ref().starts_with("https:") {
                let mend = "write etcd_ca = \"FILE\": the certificate of the authority that certifies the members";
                self.problem(Code::BadEtcd, endpoint, "nothing says whose certificate this member shows", mend);
            }
        }
        let prefix = management.etcd_prefix.as_ref().map_or(DEFAULT_PREFIX, |prefix| prefix.get_ref());
        if let Some(place) = &management.etcd_prefix
            && (!prefix.starts_with('/') || !prefix.ends_with('/') || prefix.len() > 200)
        {
            let mend = "write for instance \"/vnetdns/\": a slash at both ends, at most 200 octets";
            self.problem(Code::BadEtcd, place, "what keys in etcd begin with is no folder", mend);
        }
        let pair = self.pair(
            (&management.etcd_certificate, &management.etcd_key),
            "write both, etcd_certificate and etcd_key: the certificate that etcd is shown, and its key",
        );
        let user = self.pair(
            (&management.etcd_user, &management.etcd_password_file),
            "write both, etcd_user and etcd_password_file, or neither",
        );
        let certificate = match pair {
            Some((certificate, key)) => Some((self.etcd_file(certificate)?, Secret::new(&self.etcd_file(key)?))),
            None => None,
        };
        let user = match user {
            Some((user, file)) => Some((user.get_ref().clone(), Secret::new(self.etcd_file(file)?.trim_end()))),
            None => None,
        };
        Some(EtcdSettings {
            endpoints: etcd.get_ref().iter().map(|endpoint| endpoint.get_ref().clone()).collect(),
            prefix: prefix.to_owned(),
            authority: match &management.etcd_ca {
                Some(file) => Some(self.etcd_file(file)?),
                None => None,
            },
            certificate,
            user,
            keeps_keys: management.etcd_keys.as_ref().is_none_or(|keeps| *keeps.get_ref()),
        })
    }

    /// Two keys that must be given together.
    fn pair<'a>(
        &mut self,
        (one, other): (&'a Option<Text>, &'a Option<Text>),
        mend: &'static str,
    ) -> Option<(&'a Text, &'a Text)> {
        match (one, other) {
            (Some(one), Some(other)) => Some((one, other)),
            (Some(alone), None) | (None, Some(alone)) => {
                self.problem(Code::ContradictingKeys, alone, "the other half is missing", mend);
                None
            }
            (None, None) => None,
        }
    }

    fn etcd_file(&mut self, file: &Text) -> Option<String> {
        let path = Files::relative(self.path, file.get_ref());
        match self.secret(&path) {
            Ok(text) => Some((*text).to_owned()),
            Err(error) => {
                let mend = files::mend(&error, "the path is relative to the folder of this file");
                self.problem(Code::UnreadableFile, file, format!("cannot read what etcd is asked with: {error}"), mend);
                None
            }
        }
    }
}

/// Validates the address of a member; plain HTTP is allowed on this host only.
fn check_endpoint(endpoint: &str) -> Result<(), String> {
    let uri = endpoint.parse::<http::Uri>().ok().filter(|uri| matches!(uri.path(), "" | "/") && uri.query().is_none());
    let uri = uri.filter(|uri| uri.host().is_some_and(|host| !host.is_empty()) && uri.port_u16().is_some());
    let address = |uri: &http::Uri| uri.host()?.trim_matches(['[', ']']).parse::<std::net::IpAddr>().ok();
    match uri {
        Some(uri) if uri.scheme_str() == Some("https") => Ok(()),
        Some(uri) if uri.scheme_str() == Some("http") => match address(&uri).is_some_and(|ip| ip.is_loopback()) {
            true => Ok(()),
            false => {
                Err(format!("{endpoint:?} would be asked in the clear, and holds keys: only https leaves this host"))
            }
        },
        _ => Err(format!("{endpoint:?} is no member of etcd: it has a scheme, a host and a port")),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::azure::Allocations;
    use crate::config::{Files, Memory, read_files};

    /// What is said of `[management]` with these lines.
    fn said(lines: &str) -> Vec<String> {
        let files = [("ca.pem", "CA"), ("password", "secret\n")];
        let files = Files::Memory(Arc::new(Memory::new(&format!("[management]\n{lines}"), files)));
        let read = read_files(&files, &Allocations::default(), false).unwrap();
        match read.check() {
            Ok(_) => Vec::new(),
            Err(problems) => problems.iter().map(|problem| problem.what.clone()).collect(),
        }
    }

    #[test]
    fn keys_about_etcd_need_etcd() {
        for key in ["etcd_ca", "etcd_user", "etcd_prefix", "etcd_password_file"] {
            let said = said(&format!("{key} = \"ca.pem\"\n"));
            assert!(said.iter().any(|said| said.contains("there is no etcd")), "{key}: {said:?}");
        }
    }

    #[test]
    #[cfg(not(feature = "etcd"))]
    fn a_program_without_etcd_says_so() {
        assert_eq!(said("etcd = [\"http://127.0.0.1:2379\"]\n"), ["this program was built without etcd"]);
    }

    #[test]
    #[cfg(feature = "etcd")]
    fn members_are_asked_in_the_clear_on_this_host_alone() {
        for (lines, expected) in [
            ("etcd = [\"http://127.0.0.1:2379\", \"http://[::1]:2379\"]\n", ""),
            ("etcd = [\"https://etcd.test:2379/\"]\netcd_ca = \"ca.pem\"\n", ""),
            ("etcd = []\n", "no member"),
            ("etcd = [\"https://etcd.test:2379\"]\n", "nothing says whose"),
            ("etcd = [\"http://10.0.0.1:2379\"]\n", "in the clear"),
            ("etcd = [\"127.0.0.1:2379\"]\n", "no member of etcd"),
            ("etcd = [\"https://etcd.test\"]\netcd_ca = \"ca.pem\"\n", "no member of etcd"),
            ("etcd = [\"http://127.0.0.1:2379\"]\netcd_prefix = \"x\"\n", "no folder"),
            ("etcd = [\"http://127.0.0.1:2379\"]\netcd_user = \"x\"\n", "the other half"),
            (
                "etcd = [\"http://127.0.0.1:2379\"]\netcd_user = \"x\"\netcd_password_file = \"nowhere\"\n",
                "cannot read",
            ),
            ("etcd = [\"http://127.0.0.1:2379\"]\netcd_user = \"x\"\netcd_password_file = \"password\"\n", ""),
        ] {
            let said = said(lines);
            let is_it = said.iter().any(|said| said.contains(expected));
            assert!(if expected.is_empty() { said.is_empty() } else { is_it }, "{lines}: {said:?}");
        }
    }
}
