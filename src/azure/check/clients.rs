//! Checks forwarders, keys, certificates, and listeners of networks.

use std::collections::BTreeMap;

use ipnet::IpNet;

use super::{missing_network, unique};
use crate::azure::declaration::{CertificateHolder, Forwarder, KeyNetworks};
use crate::azure::finding::{Finding, suggestion};
use crate::azure::inventory::Inventory;
use crate::codes::Code;

/// Refuses references to unknown networks, and forwarders that overlap or would be trusted with every address.
pub(super) fn check(inventory: &Inventory, findings: &mut Vec<Finding>) {
    let of_forwarders = inventory.forwarders.iter().flat_map(|forwarder| &forwarder.virtual_networks);
    let of_listeners = inventory.listeners.iter().filter_map(|listener| listener.virtual_network.as_ref());
    let of_keys = inventory.tsig_keys.iter().filter_map(|key| match &key.networks {
        Some(KeyNetworks::One(network)) => Some(network),
        Some(KeyNetworks::All) | None => None,
    });
    let of_certificates = inventory.client_certificates.iter().filter_map(|certificate| match &certificate.holder {
        CertificateHolder::VirtualNetwork(network) => Some(network),
        CertificateHolder::Forwarder(_) => None,
    });
    let explained = inventory.explanations.iter().flat_map(|listed| &listed.virtual_networks);
    for network in of_forwarders.chain(of_listeners).chain(of_keys).chain(of_certificates).chain(explained) {
        if inventory.number(network).is_none() {
            missing_network(inventory, network, findings);
        }
    }
    unique("forwarder", inventory.forwarders.iter().map(|forwarder| &forwarder.name), findings);
    unique("TSIG key", inventory.tsig_keys.iter().map(|key| &key.name), findings);
    check_certificates(inventory, findings);
    check_explanations(inventory, findings);
    let mut addresses: BTreeMap<IpNet, &Forwarder> = BTreeMap::new();
    for forwarder in &inventory.forwarders {
        let name = &forwarder.name;
        let mut error = |what: &str, mend: &str| {
            findings.push(Finding::new(Code::BadForwarder, name.origin, format!("forwarder \"{name}\" {what}"), mend));
        };
        if forwarder.addresses.is_empty() && !has_certificate(inventory, forwarder) {
            error("has no address", "write where its queries come from, for instance addresses = [\"10.0.0.53\"]");
        }
        if !forwarder.client_subnet && !forwarder.proxy_protocol {
            let mend = "add client_subnet = true or proxy_protocol = true, as it is set up to tell of its clients";
            error("has no way to speak for clients", mend);
        }
        if forwarder.virtual_networks.is_empty() && forwarder.client_prefixes.is_empty() {
            let mend = "add virtual_networks = [\"NAME\"], client_prefixes = [\"10.0.0.0/8\"], or both";
            error("is not said to speak for anybody", mend);
        }
        for address in &forwarder.addresses {
            if address.prefix_len() == 0 {
                findings.push(Finding::new(
                    Code::BadForwarder,
                    address.origin,
                    format!("{} is everybody: anyone could claim to be any client", **address),
                    "list the addresses of the forwarder itself",
                ));
                continue;
            }
            let overlap = |known: &IpNet| known.contains(&**address) || address.contains(known);
            match addresses.iter().find(|(known, _)| overlap(known)) {
                Some((known, other)) => findings.push(Finding::new(
                    Code::BadForwarder,
                    address.origin,
                    format!("{} is an address of forwarder \"{}\" already, as {known}", **address, other.name),
                    "give each forwarder addresses of its own",
                )),
                None => {
                    addresses.insert(address.trunc(), forwarder);
                }
            }
        }
    }
}

/// Refuses explanations for everybody, and unknown references.
fn check_explanations(inventory: &Inventory, findings: &mut Vec<Finding>) {
    let Some(listed) = &inventory.explanations else { return };
    for prefix in listed.client_prefixes.iter().filter(|prefix| prefix.prefix_len() == 0) {
        findings.push(Finding::new(
            Code::ExplainedToEverybody,
            prefix.origin,
            format!("{} is everybody: strangers would be told what networks see", **prefix),
            "list the addresses of those who are to be told",
        ));
    }
    if inventory.incomplete {
        return;
    }
    let mut missing = |origin, what: String, near: String| {
        findings.push(Finding::new(Code::MissingResource, origin, what, format!("declare it{near}")));
    };
    let keys: Vec<_> = inventory.tsig_keys.iter().map(|key| key.name.to_string()).collect();
    for key in &listed.tsig_keys {
        if !inventory.tsig_keys.iter().any(|known| *known.name == **key) {
            let near = suggestion(&key.to_string(), keys.iter().map(String::as_str));
            missing(key.origin, format!("there is no key \"{}\"", **key), near);
        }
    }
    let forwarders = || inventory.forwarders.iter().map(|forwarder| forwarder.name.as_str());
    for forwarder in &listed.forwarders {
        if !forwarders().any(|known| known.eq_ignore_ascii_case(forwarder)) {
            let near = suggestion(forwarder, forwarders());
            missing(forwarder.origin, format!("there is no forwarder \"{}\"", **forwarder), near);
        }
    }
}

fn has_certificate(inventory: &Inventory, forwarder: &Forwarder) -> bool {
    inventory.client_certificates.iter().any(|certificate| {
        matches!(&certificate.holder, CertificateHolder::Forwarder(holder) if **holder == *forwarder.name)
    })
}

/// Refuses certificates that are the same, and certificates of unknown forwarders.
fn check_certificates(inventory: &Inventory, findings: &mut Vec<Finding>) {
    let certificates = &inventory.client_certificates;
    unique("client certificate", certificates.iter().map(|certificate| &certificate.name), findings);
    for (at, certificate) in certificates.iter().enumerate() {
        let name = &certificate.name;
        if let Some(other) = certificates[..at].iter().find(|other| other.proof == certificate.proof) {
            let what = format!("client certificate \"{name}\" is shown by whoever shows \"{}\"", other.name);
            findings.push(Finding::new(
                Code::BadClientCertificate,
                name.origin,
                what,
                "give each holder a certificate of its own",
            ));
        }
        let CertificateHolder::Forwarder(holder) = &certificate.holder else { continue };
        let known = || inventory.forwarders.iter().map(|forwarder| forwarder.name.as_str());
        match inventory.forwarders.iter().find(|forwarder| *forwarder.name == **holder) {
            None if inventory.incomplete => {}
            None => findings.push(Finding::new(
                Code::MissingResource,
                holder.origin,
                format!("there is no forwarder \"{}\"", **holder),
                format!("declare it{}", suggestion(holder, known())),
            )),
            Some(forwarder) if !forwarder.client_subnet => findings.push(Finding::new(
                Code::BadClientCertificate,
                holder.origin,
                format!(
                    "forwarder \"{}\" tells of its clients by PROXY headers alone, which are believed for its addresses, \
                     not for a certificate",
                    **holder
                ),
                "add client_subnet = true to the forwarder, or write its addresses and remove the certificate",
            )),
            Some(_) => {}
        }
    }
}
