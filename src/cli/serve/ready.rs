//! What a start says on standard output: what is served, and how to ask it.

use std::fmt::Write;
use std::io::IsTerminal;
use std::net::{Ipv4Addr, SocketAddr};
use std::thread;

use anyhow::Context;
use serde_json::{Value, json};

use super::clients;
use crate::cli::print;
use crate::config::{Files, Lab, Listen, LoopbackClients};
use crate::control::Loaded;
use crate::page::Pages;
use crate::view::Transport;

/// Writes to standard output from a thread of its own, for its reader may never take it. Without one the server is as
/// good.
pub(super) fn print_aside(message: String) -> anyhow::Result<()> {
    let write = move || {
        if let Err(error) = print(&message) {
            tracing::warn!("the message that says what is served cannot be written to standard output: {error:#}");
        }
    };
    thread::Builder::new().name("ready".to_owned()).spawn(write).context("cannot start a thread")?;
    Ok(())
}

/// An address that was bound, and what was to be.
pub(super) type Listening<'a> = (SocketAddr, &'a Listen);

/// The schema of the ready line.
const READY_SCHEMA: &str = "vnetdns.ready/1";

pub(super) fn ready_line(
    loaded: &Loaded,
    listeners: &[Listening<'_>],
    clients: Value,
    others: &[(&str, Option<SocketAddr>)],
    pages: Option<&Pages>,
) -> String {
    let addresses: Vec<_> = listeners.iter().map(|(address, _)| address).collect();
    let transports: Vec<_> = listeners.iter().map(|(_, listen)| listen.transport_name()).collect();
    let mut line = json!({
        "schema": READY_SCHEMA,
        "ready": true,
        "listen": addresses,
        "transports": transports,
        "generation": loaded.generation.number(),
        "virtual_networks": loaded.counts.networks,
        "private_dns_zones": loaded.counts.private_zones,
        "public_zones": loaded.counts.public_zones,
        "record_sets": loaded.counts.record_sets,
    });
    for (name, address) in others.iter().filter_map(|(name, address)| Some((name, (*address)?))) {
        line[name] = json!(address);
    }
    if let Some(pages) = pages {
        line["page"] = json!(pages.url());
    }
    if clients::are_of_networks(&clients) {
        line["clients"] = clients;
    }
    if !loaded.loopback.prefixes.is_empty() {
        let prefixes = loaded.loopback.prefixes.iter();
        line["loopback"] = prefixes.map(|(id, prefix)| (id.to_string(), json!(prefix))).collect();
    }
    format!("{line}\n")
}

/// Says where the page is. A link with which it may be changed is for a person alone who has started the server by hand.
pub(super) fn tell_of_page(pages: Option<&Pages>) -> String {
    let Some(pages) = pages else { return String::new() };
    let url = match pages.is_writable() && std::io::stdout().is_terminal() {
        true => pages.link().unwrap_or_else(|_| pages.url()),
        false => pages.url(),
    };
    format!("\nWho sees what, and why, in a browser: {url}\n")
}

pub(super) fn welcome(loaded: &Loaded, files: &Files, listeners: &[Listening<'_>]) -> String {
    let counts = loaded.counts;
    let mut text = format!(
        "vnetdns serves {files}: {} virtual networks, {} private zones, {} public zones, {} record sets\n",
        counts.networks, counts.private_zones, counts.public_zones, counts.record_sets
    );
    let mut groups: Vec<(Option<Transport>, Vec<String>)> = Vec::new();
    for (address, listen) in listeners {
        match groups.iter_mut().find(|(known, _)| *known == listen.transport()) {
            Some((_, addresses)) => addresses.push(address.to_string()),
            None => groups.push((listen.transport(), vec![address.to_string()])),
        }
    }
    let listed = groups.into_iter().map(|(transport, addresses)| {
        let transport = transport.map_or_else(|| "UDP and TCP".to_owned(), |transport| transport.to_string());
        format!("{} ({transport})", addresses.join(" and "))
    });
    let listed: Vec<_> = listed.collect();
    writeln!(text, "on {}; Ctrl-C stops it", listed.join(", ")).expect("a string takes it");
    let plain = listeners.iter().filter(|(_, listen)| listen.encryption.is_none());
    let mut plain = plain.map(|(address, _)| address);
    let first_v4 = plain.find(|address| address.is_ipv4() && address.ip().is_loopback());
    tell_of_loopback(loaded, first_v4, &mut text);
    if let (Files::Lab(Lab::Default), Some(address)) = (files, first_v4) {
        let name = "k8s02-workspace-abcd.eastus.prometheus.monitor.azure.com";
        let dig = |from: &str| format!("dig {from}@{} -p {} {name}", address.ip(), address.port());
        write!(
            text,
            "\nOne name, three clients: outside, in vnet-n1, in vnet-n2\n  {}\n  {}\n  {}\n",
            dig(""),
            dig("-b 127.1.0.4 "),
            dig("-b 127.2.0.4 ")
        )
        .expect("a string takes it");
    }
    text
}

/// Most networks of which the welcome says how to ask from there.
const MOST_SHOWN: usize = 50;

/// Says how to ask as a client of each network that was given clients on this host.
fn tell_of_loopback(loaded: &Loaded, listener: Option<&SocketAddr>, text: &mut String) {
    let LoopbackClients { prefixes, without, example } = &loaded.loopback;
    if prefixes.is_empty() && *without == 0 {
        return;
    }
    let name = example.as_ref().map_or_else(|| "NAME".to_owned(), ToString::to_string);
    let name = name.trim_end_matches('.');
    let mut line = |from: String, network: &str| match listener {
        Some(address) => {
            let dig = format!("dig {from}@{} -p {} {name}", address.ip(), address.port());
            writeln!(text, "  {dig}  # {network}").expect("a string takes it");
        }
        None => writeln!(text, "  {from}# {network}").expect("a string takes it"),
    };
    line(String::new(), "outside");
    for (id, prefix) in prefixes.iter().take(MOST_SHOWN) {
        // The first that Azure gives to a resource in a subnet.
        let client = Ipv4Addr::from(u32::from(prefix.network()) + 4);
        line(format!("-b {client} "), &format!("{}/{}", id.resource_group().name(), id.name()));
    }
    if prefixes.len() > MOST_SHOWN {
        let more = prefixes.len() - MOST_SHOWN;
        writeln!(text, "  and {more} more networks: vnetdns resources --loopback lists them")
            .expect("a string takes it");
    }
    if *without > 0 {
        writeln!(text, "  {without} networks have no clients here: 127.0.0.0/8 is full").expect("a string takes it");
    }
}
