//! A delegation as a master file (RFC 1035 §5.1), to add to a zone of an authoritative server.

use std::net::IpAddr;

use anyhow::bail;

use super::zones::{Delegated, Zone, delegated, is_within, partial, unknown};
use super::{Forwarders, Lines, Which, some_of};
use crate::azure::NameServer;
use crate::config::{Config, Listen};

const SIGN: &str = ";";

/// NS records for the zones below the parent, and the addresses of the name servers.
pub(super) fn write(options: &Forwarders, config: &Config) -> anyhow::Result<String> {
    let Config { topology, catalogue, .. } = config;
    let listen = &config.server.listen;
    let servers = topology.name_servers();
    if servers.is_empty() {
        bail!(
            "a delegation leads to a name, and the configuration has none for this server: write \
             name_servers = [{{ name = \"ns1.corp.example\", addresses = [\"192.0.2.53\"] }}] in [server]"
        );
    }
    if options.server.is_some() {
        bail!("a delegation leads to the addresses of name_servers in [server], as the zones do: leave out --server");
    }
    if options.kind.is_some() || matches!(options.zones, Which::All) {
        bail!("a delegation leads to zones that this server holds: leave out --kind and --zones");
    }
    let parent = options.parent.as_ref().map(|parent| parent.to_string().to_lowercase()).unwrap_or_default();
    let parent = parent.trim_end_matches('.');
    let Delegated { zones, left_out } = delegated(topology, catalogue, parent)?;
    if zones.is_empty() {
        let why = left_out.first().map_or_else(String::new, |(name, why)| format!(" ({name}: {why})"));
        match parent {
            "" => bail!("nothing to delegate: clients see no zone that has the name servers' NS records{why}"),
            _ => {
                bail!("nothing to delegate: clients see no zone below {parent} with the name servers' NS records{why}")
            }
        }
    }
    let mut lines = head(parent, listen);
    let (public, private): (Vec<&Zone>, Vec<&Zone>) = zones.iter().partition(|zone| zone.is_public);
    for zone in private {
        ns_records(&mut lines, zone, servers);
    }
    if !public.is_empty() {
        lines.empty();
        let mut text = "Public suffixes, never only the zone privatelink below: clients ask for the public name, and \
                        whoever answers that question chooses the address. Resolvers that recurse from the public \
                        root do not come here for them."
            .to_owned();
        let partial = partial(topology)?;
        let partial: Vec<_> = partial.into_iter().filter(|name| public.iter().any(|zone| zone.name == *name)).collect();
        if !partial.is_empty() {
            text += &format!(
                " Of {} vnetdns knows the declared names: all others are {}.",
                some_of(&partial),
                unknown(topology)
            );
        }
        lines.comment(SIGN, &text);
    }
    for zone in public {
        ns_records(&mut lines, zone, servers);
    }
    for server in servers {
        addresses(&mut lines, parent, server, &zones);
    }
    if !left_out.is_empty() {
        lines.empty();
        lines.comment(SIGN, "Not delegated, though clients ask for names there; --for a forwarder sends them:");
    }
    for (name, why) in left_out {
        lines.comment(SIGN, &format!("{name}: {why}"));
    }
    Ok(lines.0)
}

/// Its purpose, and where it does not work.
fn head(parent: &str, listen: &[Listen]) -> Lines {
    let mut lines = Lines::default();
    let into = match parent {
        "" => {
            "the root zone of an internal root server; --parent ZONE prints what belongs into a zone of your own".into()
        }
        _ => format!("the zone {parent} of an authoritative server"),
    };
    lines.comment(SIGN, &format!("A delegation to vnetdns: records for {into}."));
    lines.comment(SIGN, "");
    lines.comment(
        SIGN,
        "Put them into its master file, or $INCLUDE this file there, and raise the serial number. Only resolvers that \
         ask that server on their way come here: it must be authoritative for a zone above, and one that forwards \
         elsewhere never sees the delegation (give it what --for its own program prints).",
    );
    lines.comment(SIGN, "");
    lines.comment(
        SIGN,
        "A resolver gets the answers of the network that holds its own address: put that into client_prefixes. It asks \
         without RD, so that names for which vnetdns would ask other servers are not answered. One that validates \
         needs an exception for zones below which public DNS, or a signed zone of yours, proves something else.",
    );
    if listen.iter().all(|listen| listen.address.socket.port() != 53) {
        lines.comment(SIGN, "");
        lines.comment(
            SIGN,
            "A delegation has no port: resolvers ask port 53, on which no listener of the configuration is.",
        );
    }
    lines
}

fn ns_records(lines: &mut Lines, zone: &Zone, servers: &[NameServer]) {
    lines.empty();
    lines.comment(SIGN, &zone.why);
    for server in servers {
        lines.line(format!("{}. {} IN NS {}", zone.name, NameServer::TTL, *server.name));
    }
}

/// The addresses that the parent can hold, and the source of the others.
fn addresses(lines: &mut Lines, parent: &str, server: &NameServer, zones: &[Zone]) {
    let name = server.name.to_string();
    let folded = name.to_lowercase();
    let folded = folded.trim_end_matches('.');
    let known: Vec<String> = server.addresses.iter().map(IpAddr::to_string).collect();
    lines.empty();
    if !parent.is_empty() && !is_within(folded, parent) {
        let known = if known.is_empty() { String::new() } else { format!(" ({})", some_of(&known)) };
        let text = format!("{name} is outside {parent}: resolvers must find its addresses{known} by themselves.");
        lines.comment(SIGN, &text);
        return;
    }
    let text = match zones.iter().find(|zone| is_within(folded, &zone.name)) {
        _ if known.is_empty() => format!("{name} has no addresses in the configuration: yours must answer for them."),
        Some(zone) => format!("Glue: the name server lies in {}, which nobody finds without it.", zone.name),
        None => "Not within a delegated zone: leave this out where you answer for the name anyhow.".to_owned(),
    };
    lines.comment(SIGN, &text);
    for address in &server.addresses {
        let rtype = if address.is_ipv4() { "A" } else { "AAAA" };
        lines.line(format!("{name} {} IN {rtype} {address}", NameServer::ADDRESS_TTL));
    }
}
