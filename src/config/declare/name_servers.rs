//! Name servers.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr};

use toml::Spanned;

use super::{Declarer, Text, mirror};
use crate::azure::NameServer;
use crate::codes::Code;
use crate::dns::NameRef;

impl Declarer<'_> {
    pub(super) fn name_servers(&mut self, servers: Option<&Spanned<Vec<mirror::NameServer>>>) -> Vec<NameServer> {
        let Some(servers) = servers else { return Vec::new() };
        let number = servers.get_ref().len();
        if number > NameServer::MOST {
            let mend = format!("keep at most {}", NameServer::MOST);
            self.problem(
                Code::BadNameServer,
                servers,
                format!("{number} name servers are more than a delegation should have"),
                mend,
            );
        }
        let mut seen = HashSet::new();
        let mut declared = Vec::new();
        for server in servers.get_ref() {
            let addresses = self.name_server_addresses(&server.addresses);
            let Some(name) = self.name(&server.name) else { continue };
            if !is_host_name(name.as_ref()) {
                let what = format!("{:?} is not the name of a host", server.name.get_ref());
                let mend = "write letters, digits and hyphens, for instance \"ns1.corp.example\"; an address belongs in \
                            addresses = [\"192.0.2.53\"]";
                self.problem(Code::BadNameServer, &server.name, what, mend);
            } else if seen.insert((*name).clone()) {
                declared.extend(addresses.map(|addresses| NameServer { name, addresses }));
            } else {
                let what = format!("there is a name server {} already", *name);
                self.problem(
                    Code::Duplicate,
                    &server.name,
                    what,
                    "put all its addresses into one, or remove one of the two",
                );
            }
        }
        declared
    }

    /// `None` if an address is invalid: reporting that there are none would mislead.
    fn name_server_addresses(&mut self, texts: &[Text]) -> Option<Vec<IpAddr>> {
        let mut seen = HashSet::new();
        let addresses = texts.iter().map(|text| {
            let address = self.address(text)?;
            if !is_asked(address) {
                let mend = "write the address to which resolvers send their queries";
                self.problem(Code::BadNameServer, text, format!("nobody can be asked at {address}"), mend);
                return None;
            }
            if !seen.insert(address) {
                self.problem(
                    Code::BadNameServer,
                    text,
                    format!("the name server has the address {address} already"),
                    "write it once",
                );
                return None;
            }
            Some(address)
        });
        let addresses: Vec<_> = addresses.collect();
        addresses.into_iter().collect()
    }
}

/// Whether an address can be that of a server.
fn is_asked(address: IpAddr) -> bool {
    let is_mapped = matches!(address, IpAddr::V6(address) if address.to_ipv4_mapped().is_some());
    !address.is_unspecified() && !address.is_multicast() && address != Ipv4Addr::BROADCAST && !is_mapped
}

/// Whether a name is a host name: letters, digits and hyphens in its labels, and a last label that is not a number, so that no
/// address is taken for a name (RFC 1123 §2.1).
fn is_host_name(name: NameRef<'_>) -> bool {
    let is_word = |label: &[u8]| {
        let is_inside = |octet: &u8| octet.is_ascii_alphanumeric() || *octet == b'-';
        label.iter().all(is_inside) && !label.starts_with(b"-") && !label.ends_with(b"-")
    };
    let last = name.labels().last();
    name.labels().all(is_word) && last.is_some_and(|label| !label.iter().all(u8::is_ascii_digit))
}
