//! The view "Topology": networks, links, zones and endpoints, as a picture and as tables.

mod picture;

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::html::{Html, html, pager};
use super::{Pages, Shown, Visit};
use crate::azure::{ConnectionState, NetworkId, PrivateEndpoint, ResolutionPolicy, Scope, Topology};

/// Networks on one page.
const NETWORKS: usize = 12;
/// Maximum zones and endpoints on one page.
const ZONES: usize = 24;
const ENDPOINTS: usize = 24;
/// Maximum links in the table.
const LINKS: usize = 120;

/// The part of a world that is shown: some networks, and what belongs to them.
struct Part<'a> {
    /// Networks with their labels.
    networks: Vec<(NetworkId, String)>,
    zones: Vec<Zone<'a>>,
    links: Vec<Link>,
    endpoints: Vec<Endpoint<'a>>,
    /// Numbers of zones and endpoints that are not shown.
    more_zones: usize,
    more_endpoints: usize,
}

/// A private zone.
struct Zone<'a> {
    /// Its index among all zones.
    place: usize,
    apex: String,
    group: &'a str,
}

/// A link between a shown network and a shown zone, by their indices here.
struct Link {
    network: usize,
    zone: usize,
    name: String,
    redirects: bool,
    registers: bool,
}

struct Endpoint<'a> {
    endpoint: &'a PrivateEndpoint,
    network: usize,
    /// Indices here of the zones that its zone group writes to.
    zones: Vec<usize>,
}

impl Endpoint<'_> {
    fn addresses(&self) -> String {
        let addresses = self.endpoint.ip_configurations.values().filter_map(|address| address.known());
        let shown: Vec<_> = addresses.map(|address: IpAddr| address.to_string()).collect();
        if shown.is_empty() { "no address known".to_owned() } else { shown.join(", ") }
    }

    fn is_approved(&self) -> bool {
        self.endpoint.connection_state == ConnectionState::Approved
    }
}

impl Pages {
    pub(super) fn topology(&self, visit: &Visit) -> Shown {
        let wanted = visit.value("q").unwrap_or_default();
        let main = self.control.look(|look| {
            let topology = look.topology();
            let mut main = Html::default();
            filter(&mut main, "/topology", "Networks, zones or endpoints", wanted);
            let fitting = fitting(topology, &wanted.to_lowercase());
            let (at, pages) = visit.page(fitting.len(), NETWORKS);
            let shown = &fitting[at * NETWORKS..fitting.len().min((at + 1) * NETWORKS)];
            let part = Part::of(topology, shown, &wanted.to_lowercase());
            let counts = look.snapshot().counts();
            html!(main, "<div id=\"topology\" data-live>\n<p class=\"muted\">" (counts.networks) " networks, "
                (counts.private_zones) " private zones, " (counts.public_zones) " public zones, " (counts.links) " links, "
                (counts.record_sets) " record sets.");
            if !wanted.is_empty() {
                html!(main, " " (fitting.len()) " networks fit, or are linked to what fits.");
            }
            html!(main, "</p>\n");
            let mut query = Html::default();
            if !wanted.is_empty() {
                html!(query, "q=" {wanted} "&amp;");
            }
            if part.networks.is_empty() {
                html!(main, "<p>No network fits.</p>\n");
            } else {
                picture::draw(&mut main, &part);
                more(&mut main, &part);
                pager(&mut main, "/topology", &query, at, pages);
                tables(&mut main, topology, &part);
            }
            html!(main, "</div>\n");
            main
        });
        Shown::of("/topology", "Topology", main)
    }
}

/// A form to filter a list.
pub(super) fn filter(main: &mut Html, path: &'static str, label: &'static str, wanted: &str) {
    html!(*main, "<form class=\"ask\" method=\"get\" action=\"" (path) "\"><p class=\"wide\"><label for=\"q\">" (label)
        "</label><input id=\"q\" name=\"q\" type=\"search\" maxlength=\"300\" autocomplete=\"off\" autocapitalize=\"none\" \
        spellcheck=\"false\" value=\"" (wanted) "\"></p><p><button>Filter</button></p></form>\n");
}

/// A short label of a network: a resource ID would be too long.
pub(super) fn called(topology: &Topology, network: NetworkId) -> String {
    match topology.network_label(network) {
        id if id.starts_with('/') => topology.qualified_network(network),
        label => label.to_owned(),
    }
}

/// The networks that match by name, or whose zones or endpoints do, sorted.
fn fitting(topology: &Topology, wanted: &str) -> Vec<NetworkId> {
    if wanted.is_empty() {
        return topology.numbered_networks().map(|(number, _)| number).collect();
    }
    let fits = |text: &str| text.to_lowercase().contains(wanted);
    let by_name = topology.numbered_networks().map(|(number, _)| number);
    let mut found: BTreeSet<_> = by_name.filter(|number| fits(&called(topology, *number))).collect();
    for zone in topology.zones() {
        if let Scope::Private { links, .. } = &zone.scope
            && fits(zone.apex.to_string().trim_end_matches('.'))
        {
            found.extend(links.networks());
        }
    }
    for endpoint in topology.private_endpoints().filter(|endpoint| fits(endpoint.id.name())) {
        found.extend(topology.network(&endpoint.virtual_network));
    }
    found.into_iter().collect()
}

impl<'a> Part<'a> {
    /// What belongs to these networks; if zones or endpoints match `wanted`, only those.
    fn of(topology: &'a Topology, networks: &[NetworkId], wanted: &str) -> Self {
        let place = |network: NetworkId| networks.iter().position(|known| *known == network);
        let linked = topology.zones().iter().enumerate().filter_map(|(place, zone)| {
            let Scope::Private { id, links } = &zone.scope else { return None };
            let apex = zone.apex.to_string().trim_end_matches('.').to_owned();
            let is_shown = networks.iter().any(|network| links.contains(*network));
            is_shown.then(|| Zone { place, apex, group: id.resource_group().name() })
        });
        let mut zones: Vec<_> = linked.collect();
        retain_fitting(&mut zones, |zone| zone.apex.to_lowercase().contains(wanted));
        let more_zones = zones.len().saturating_sub(ZONES);
        zones.truncate(ZONES);
        let mut links = Vec::new();
        for (at, zone) in zones.iter().enumerate() {
            for (network, name, link) in topology.links_of(zone.place) {
                let Some(network) = place(network) else { continue };
                let redirects = link.resolution_policy == ResolutionPolicy::NxDomainRedirect;
                links.push(Link { network, zone: at, name, redirects, registers: link.registration_enabled });
            }
        }
        let of_networks = topology.private_endpoints().filter_map(|endpoint| {
            let network = place(topology.network(&endpoint.virtual_network)?)?;
            let written = endpoint.private_dns_zone_group.iter().filter_map(|zone| topology.private_zone(zone));
            let zones = written.filter_map(|at| zones.iter().position(|zone| zone.place == at)).collect();
            Some(Endpoint { endpoint, network, zones })
        });
        let mut endpoints: Vec<_> = of_networks.collect();
        retain_fitting(&mut endpoints, |of| of.endpoint.id.name().to_lowercase().contains(wanted));
        let more_endpoints = endpoints.len().saturating_sub(ENDPOINTS);
        endpoints.truncate(ENDPOINTS);
        let networks = networks.iter().map(|network| (*network, called(topology, *network))).collect();
        Self { networks, zones, links, endpoints, more_zones, more_endpoints }
    }
}

/// Keeps only the matching items, if any match.
fn retain_fitting<T>(items: &mut Vec<T>, fits: impl Fn(&T) -> bool) {
    if items.iter().any(&fits) {
        items.retain(fits);
    }
}

fn more(main: &mut Html, part: &Part<'_>) {
    if part.more_zones + part.more_endpoints > 0 {
        html!(*main, "<p class=\"muted\">There are " (part.more_zones) " more zones and " (part.more_endpoints)
            " more endpoints of these networks: filter for one to see it.</p>\n");
    }
}

fn tables(main: &mut Html, topology: &Topology, part: &Part<'_>) {
    html!(
        *main,
        "<h2>The same as tables</h2>\n<div class=\"scroll\" role=\"region\" tabindex=\"0\" \
        aria-label=\"Networks\"><table><caption>Networks</caption><thead><tr><th scope=\"col\">Network</th>\
        <th scope=\"col\">Address space</th><th scope=\"col\">DNS servers</th></tr></thead><tbody>\n"
    );
    for (network, label) in &part.networks {
        let declared = topology.virtual_network(*network);
        let space: Vec<_> = declared.address_space.iter().map(|prefix| (**prefix).to_string()).collect();
        let servers = if declared.dns_servers.is_empty() { "Azure-provided" } else { "custom" };
        html!(*main, "<tr><th scope=\"row\"><a href=\"/topology?q=" {label} "\">" (label) "</a></th><td>" (space.join(", "))
            "</td><td>" (servers) "</td></tr>\n");
    }
    html!(
        *main,
        "</tbody></table></div>\n<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"Links\"><table>\
        <caption>Links</caption><thead><tr><th scope=\"col\">Network</th><th scope=\"col\">Link</th><th scope=\"col\">Zone</th>\
        <th scope=\"col\">Resolution policy</th><th scope=\"col\">Auto-registration</th></tr></thead><tbody>\n"
    );
    for link in part.links.iter().take(LINKS) {
        let (network, zone) = (&part.networks[link.network].1, &part.zones[link.zone].apex);
        let policy = if link.redirects { "NxDomainRedirect" } else { "Default" };
        html!(*main, "<tr><td>" (network) "</td><td>" (link.name) "</td><td><a href=\"/topology?q=" {zone} "\"><code>" (zone)
            "</code></a></td><td>" (policy) "</td><td>" (if link.registers { "on" } else { "off" }) "</td></tr>\n");
    }
    html!(*main, "</tbody></table></div>\n");
    if part.links.len() > LINKS {
        html!(*main, "<p class=\"muted\">There are " (part.links.len() - LINKS) " more links: filter for a network or a zone to \
            see them.</p>\n");
    }
    if part.endpoints.is_empty() {
        return;
    }
    html!(
        *main,
        "<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"Private endpoints\"><table>\
        <caption>Private endpoints</caption><thead><tr><th scope=\"col\">Endpoint</th><th scope=\"col\">Network</th>\
        <th scope=\"col\">Resource</th><th scope=\"col\">Addresses</th><th scope=\"col\">Connection</th>\
        <th scope=\"col\">Writes to</th></tr></thead><tbody>\n"
    );
    for of in &part.endpoints {
        let zones: Vec<_> = of.zones.iter().map(|at| part.zones[*at].apex.as_str()).collect();
        html!(*main, "<tr><th scope=\"row\"><a href=\"/endpoints?id=" {*of.endpoint.id} "\">" (of.endpoint.id.name())
            "</a></th><td>" (part.networks[of.network].1) "</td><td>" (of.endpoint.private_link_resource.name()) " ("
            (*of.endpoint.group_id) ")</td><td>" (of.addresses()) "</td><td>"
            (format!("{:?}", of.endpoint.connection_state)) "</td><td><code>" (zones.join(", ")) "</code></td></tr>\n");
    }
    html!(*main, "</tbody></table></div>\n");
}
