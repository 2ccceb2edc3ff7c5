//! Configurations of BIND with views, as `named-checkconf -px` prints them: each view is a network, each zone a private zone
//! whose records stay in their master file.

mod clients;
mod syntax;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{Options, Place, Read, Refusal, Resource};
use clients::Clients;
use syntax::Statement;

/// Statements of a view or zone that affect answers and have no counterpart in vnetdns.
const NOT_READ: [&str; 8] = [
    "allow-query",
    "catalog-zones",
    "dlz",
    "match-destinations",
    "match-recursive-only",
    "response-policy",
    "rrset-order",
    "sortlist",
];

/// Whether a text is a configuration of BIND: it begins with one of its blocks. A file that holds only a key does not count: the
/// readers of configurations refuse it, and its secret is not parsed here.
pub(super) fn is_configuration(text: &str) -> bool {
    let blocks = [
        "acl",
        "controls",
        "dnssec-policy",
        "http",
        "include",
        "key",
        "logging",
        "options",
        "primaries",
        "server",
        "statistics-channels",
        "tls",
        "trust-anchors",
        "view",
        "zone",
    ];
    let Some(first) = syntax::first_words(text) else { return false };
    let is_block = matches!(first.last(), Some(last) if *last == "{" || *last == ";");
    let has_zones = || {
        let mut lines = text.lines().map(str::trim_start);
        lines.any(|line| line.starts_with("view ") || line.starts_with("zone "))
    };
    is_block
        && !first.contains(&"=")
        && first.first().is_some_and(|word| blocks.contains(word) && (*word != "key" || has_zones()))
}

/// Reads a configuration.
///
/// # Errors
/// If the syntax is wrong (with the line), or there are neither views nor zones, as in a file with only a key.
pub(super) fn read(file: &Arc<str>, text: &str, options: &Options) -> Result<Read, Refusal> {
    let statements = syntax::parse(text).map_err(Refusal)?;
    if let Some(include) = statements.iter().find(|statement| statement.is("include")) {
        let line = include.line;
        return Err(Refusal(format!(
            "line {line}: other files are included, and nothing is fetched: run `named-checkconf -px named.conf > named.all` and \
             import that"
        )));
    }
    let has_zones = |statement: &Statement| statement.is("view") || statement.is("zone");
    if !statements.iter().any(has_zones) {
        return Err(Refusal(
            "a configuration of BIND without a view and a zone: there is nothing to import".to_owned(),
        ));
    }
    let defaults = statements.iter().find(|statement| statement.is("options")).map_or(&[][..], |all| all.block());
    let mut reader = Reader {
        file,
        subscription: options.subscription.as_deref().unwrap_or("00000000-0000-0000-0000-000000000000"),
        directory: value(defaults, "directory").unwrap_or_default(),
        defaults,
        read: Read::default(),
        zones: BTreeMap::new(),
    };
    let views: Vec<_> = statements.iter().filter(|statement| statement.is("view")).collect();
    let clients = Clients::new(&statements, &views, |address, what, why| {
        reader.read.leave_out(Place::new(file, address), what, why);
    });
    if views.is_empty() {
        let zones = statements.iter().filter(|statement| statement.is("zone"));
        reader.view("default", &clients.of_all(), zones, &[], "");
    }
    for (number, view) in views.iter().enumerate() {
        let name = view.word(1).unwrap_or_default();
        let zones = view.block().iter().filter(|statement| statement.is("zone"));
        reader.view(name, &clients.of_view(number), zones, view.block(), &format!("view \"{name}\""));
    }
    Ok(reader.read)
}

struct Reader<'r> {
    file: &'r Arc<str>,
    subscription: &'r str,
    directory: &'r str,
    defaults: &'r [Statement],
    read: Read,
    /// Resource IDs of zones by view and name, and of the first that has a file.
    zones: BTreeMap<(String, String), String>,
}

impl<'r> Reader<'r> {
    fn view(
        &mut self,
        name: &str,
        prefixes: &[String],
        zones: impl Iterator<Item = &'r Statement>,
        statements: &'r [Statement],
        address: &str,
    ) {
        let group = sanitized(name);
        let base = format!("/subscriptions/{}/resourceGroups/{group}/providers/Microsoft.Network", self.subscription);
        let network = format!("{base}/virtualNetworks/{group}");
        // The view's servers and forwarders need not lie within these prefixes, and no view declares networks.
        let extra = Map::from_iter([("clientPrefixes".to_owned(), json!(prefixes))]);
        self.add(&network, "virtualNetworks", json!({}), address, extra);
        if prefixes.is_empty() {
            let place = Place::new(self.file, address);
            self.read.leave_out(
                place,
                "match-clients",
                "no client of the view is told by its address: nobody is in the network",
            );
        }
        for statement in statements.iter().filter(|statement| NOT_READ.iter().any(|name| statement.is(name))) {
            let what = statement.word(0).unwrap_or_default();
            let place = Place::new(self.file, address);
            self.read.leave_out(
                place,
                what,
                "a view is told by the addresses of clients alone, and answers all of them",
            );
        }
        let mut rules = Vec::new();
        for zone in zones {
            let zone_name = zone.word(1).unwrap_or_default().trim_end_matches('.').to_ascii_lowercase();
            let address = format!("{address}{}zone \"{zone_name}\"", if address.is_empty() { "" } else { " " });
            self.zone(name, &zone_name, zone.block(), &base, &network, &address, &mut rules);
        }
        // Names in no zone are forwarded.
        let forwarders =
            [statements, self.defaults].into_iter().find_map(|block| block.iter().find(|s| s.is("forwarders")));
        if let Some(forwarders) = forwarders.filter(|forwarders| !forwarders.block().is_empty()) {
            rules.push((".".to_owned(), servers(forwarders), address.to_owned()));
        }
        self.rules(&group, &base, &network, rules);
    }

    #[expect(clippy::too_many_arguments, reason = "where a zone is")]
    fn zone(
        &mut self,
        view: &str,
        name: &str,
        zone: &'r [Statement],
        base: &str,
        network: &str,
        address: &str,
        rules: &mut Vec<(String, Vec<Value>, String)>,
    ) {
        let place = Place::new(self.file, address);
        let group = sanitized(view);
        let link =
            |zone: &str| (format!("{zone}/virtualNetworkLinks/{group}"), json!({"virtualNetwork": {"id": network}}));
        if let Some(other) = value(zone, "in-view") {
            match self.zones.get(&(other.to_owned(), name.to_owned())).cloned() {
                Some(id) => {
                    let (link, properties) = link(&id);
                    self.zones.insert((view.to_owned(), name.to_owned()), id);
                    self.add(&link, "privateDnsZones/virtualNetworkLinks", properties, address, Map::new());
                }
                None => self.read.leave_out(
                    place,
                    "zone",
                    format!("the view \"{other}\" has no such zone that is read here"),
                ),
            }
            return;
        }
        let kind = value(zone, "type").unwrap_or_default();
        let why = match kind {
            "primary" | "master" => match (value(zone, "masterfile-format"), value(zone, "file")) {
                (None | Some("text"), Some(file)) => {
                    let path = Path::new(self.directory).join(file).to_string_lossy().into_owned();
                    // A file that several views share becomes one zone.
                    let shared = (String::new(), format!("{name} {path}"));
                    let known = self.zones.get(&shared).cloned();
                    let id = known.clone().unwrap_or_else(|| format!("{base}/privateDnsZones/{name}"));
                    if known.is_none() {
                        let extra = Map::from_iter([("file".to_owned(), Value::String(path))]);
                        self.add(&id, "privateDnsZones", json!({}), address, extra);
                        self.zones.insert(shared, id.clone());
                    }
                    let (link, properties) = link(&id);
                    self.add(&link, "privateDnsZones/virtualNetworkLinks", properties, address, Map::new());
                    self.zones.insert((view.to_owned(), name.to_owned()), id);
                    return;
                }
                (Some(format), Some(file)) => format!(
                    "its file is of the format {format}: run `named-compilezone -f {format} -F text -o NEW {name} {file}` and name \
                     NEW in its place"
                ),
                (_, None) => "it has no file".to_owned(),
            },
            "forward" => {
                let forwarders = zone.iter().find(|statement| statement.is("forwarders"));
                let servers = forwarders.map(servers).unwrap_or_default();
                if servers.is_empty() {
                    "it has no forwarders".to_owned()
                } else {
                    let domain = if name.is_empty() { ".".to_owned() } else { format!("{name}.") };
                    rules.push((domain, servers, address.to_owned()));
                    return;
                }
            }
            "hint" => {
                self.read.pass_over("hint zones");
                return;
            }
            "secondary" | "slave" | "mirror" | "stub" => format!(
                "the records of a {kind} zone come from other servers: write them to a file with `dig @SERVER {name} AXFR`, and \
                 make it a primary zone of that file"
            ),
            other => format!("a zone of type {other} has no counterpart"),
        };
        self.read.leave_out(place, "zone", why);
    }

    /// A ruleset with a view's rules, linked to the view's network.
    fn rules(&mut self, group: &str, base: &str, network: &str, rules: Vec<(String, Vec<Value>, String)>) {
        if rules.is_empty() {
            return;
        }
        let ruleset = format!("{base}/dnsForwardingRulesets/{group}");
        let first = rules[0].2.clone();
        self.add(&ruleset, "dnsForwardingRulesets", json!({}), &first, Map::new());
        let link = format!("{ruleset}/virtualNetworkLinks/{group}");
        let properties = json!({"virtualNetwork": {"id": network}});
        self.add(&link, "dnsForwardingRulesets/virtualNetworkLinks", properties, &first, Map::new());
        for (number, (domain, servers, address)) in rules.into_iter().enumerate() {
            let rule = format!("{ruleset}/forwardingRules/rule-{number}");
            let properties =
                json!({"domainName": domain, "targetDnsServers": servers, "forwardingRuleState": "Enabled"});
            self.add(&rule, "dnsForwardingRulesets/forwardingRules", properties, &address, Map::new());
        }
    }

    fn add(&mut self, id: &str, kind: &str, properties: Value, address: &str, extra: Map<String, Value>) {
        self.read.resources.push(Resource {
            id: id.to_owned(),
            kind: format!("Microsoft.Network/{kind}"),
            location: None,
            properties,
            extra,
            place: Place::new(self.file, address),
        });
    }
}

/// The first value of a statement.
fn value<'s>(statements: &'s [Statement], name: &str) -> Option<&'s str> {
    statements.iter().find(|statement| statement.is(name))?.word(1)
}

/// `forwarders [port N] { ADDRESS [port N]; … }` as targets of a rule.
fn servers(forwarders: &Statement) -> Vec<Value> {
    let port_of = |statement: &Statement| {
        let at = (0..).take_while(|at| statement.word(*at).is_some()).find(|at| statement.word(*at) == Some("port"))?;
        statement.word(at + 1)?.parse::<u16>().ok()
    };
    let default = port_of(forwarders).unwrap_or(53);
    let server = |server: &Statement| {
        server.word(0).map(|address| json!({"ipAddress": address, "port": port_of(server).unwrap_or(default)}))
    };
    forwarders.block().iter().filter_map(server).collect()
}

/// A name that a resource group may have.
fn sanitized(name: &str) -> String {
    let letters = name.chars().map(|c| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' });
    let made: String = letters.take(80).collect();
    let made = made.trim_end_matches('.');
    if made.is_empty() { "view".to_owned() } else { made.to_owned() }
}

#[cfg(test)]
mod tests;
