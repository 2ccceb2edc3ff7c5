//! The view "Ask": the answer that any client gets, why, and who the visitor is.

use std::net::IpAddr;

use ipnet::IpNet;

use super::html::{Html, html, sentence};
use super::{Pages, Shown, Visit};
use crate::azure::{Item, Origin};
use crate::control::Look;
use crate::dns::{Name, RecordType, TypeName};
use crate::questions::{
    AnswerRecord, Asked, Asking, DescribedClient, DescriptionError, Explained, Explanation, explain, who_asks,
};
use crate::snapshot::{OUTSIDE, ServedZone};
use crate::trail::Step;
use crate::view::{Client, Transport};

/// Types that the form offers.
const TYPES: [&str; 10] = ["A", "AAAA", "CNAME", "TXT", "MX", "SRV", "PTR", "NS", "SOA", "ANY"];
/// Maximum networks in the list of suggestions.
const OFFERED: usize = 200;
/// Maximum example names.
const SAMPLES: usize = 5;

/// The question of a form.
pub(super) struct Question {
    pub(super) name: Name,
    pub(super) rtype: RecordType,
}

impl Question {
    /// The question of a visit; `None` if there is none.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn of(visit: &Visit) -> Result<Option<Self>, String> {
        let Some(name) = visit.value("name") else { return Ok(None) };
        let name = name.parse().map_err(|error| format!("\"{name}\" is not a domain name: {error}"))?;
        let rtype = visit.value("type").unwrap_or("A");
        let known = rtype.to_ascii_uppercase().parse::<domain::base::Rtype>();
        let rtype =
            known.map_err(|_| format!("\"{rtype}\" is not a record type; write for instance A, AAAA or TXT"))?;
        Ok(Some(Self { name, rtype: RecordType::from(rtype.to_int()) }))
    }
}

impl Pages {
    pub(super) fn ask(&self, visit: &Visit) -> Shown {
        let main = self.control.look(|look| {
            let mut main = Html::default();
            you_are(&mut main, look, visit.client);
            form(&mut main, look, visit);
            match Question::of(visit) {
                Ok(None) => samples(&mut main, look, "/", "Names to try"),
                Err(error) => html!(main, "<p class=\"error\" role=\"alert\">" (error) "</p>\n"),
                Ok(Some(question)) => match As::of(look, visit) {
                    Err(error) => html!(main, "<p class=\"error\" role=\"alert\">" (sentence(&error)) "</p>\n"),
                    Ok(asker) => asked(&mut main, look, &question, &asker),
                },
            }
            main
        });
        Shown::of("/", "Ask as anybody", main)
    }
}

/// As whom a visit asks.
struct As<'v> {
    /// `None` where nobody is named.
    from: Option<&'v str>,
    described: DescribedClient<'v>,
    client: Client,
}

impl<'v> As<'v> {
    /// An address or a network, and who sends the query on and with what; the visitor, where nobody is named.
    ///
    /// # Errors
    /// What is wrong with it.
    fn of(look: &Look<'_>, visit: &'v Visit) -> Result<Self, String> {
        let visitor = visit.client.to_string();
        let from = visit.value("from");
        let subnet = visit.value("ecs").map(|subnet| {
            let subnet = subnet.parse::<IpNet>().or_else(|_| subnet.parse::<IpAddr>().map(IpNet::from));
            subnet.map(|subnet| subnet.trunc()).map_err(|_| {
                format!(
                    "\"{}\" is not a client subnet; write for instance 10.1.0.0/24",
                    visit.value("ecs").unwrap_or_default()
                )
            })
        });
        let described = DescribedClient {
            from: from.unwrap_or_default(),
            via: visit.value("via"),
            key: visit.value("key"),
            certificate: visit.value("certificate"),
            client_subnet: subnet.transpose()?,
        };
        let client = match from {
            Some(from) if from.eq_ignore_ascii_case("outside") => {
                if described.has_more() {
                    return Err(DescriptionError::Known(from.to_owned()).to_string());
                }
                Client { view: Some(OUTSIDE), ..Client::new(IpAddr::from([0, 0, 0, 0]), Transport::Tcp) }
            }
            from => {
                let described = DescribedClient { from: from.unwrap_or(&visitor), ..described };
                described.client(look.topology(), look.snapshot()).map_err(|error| error.to_string())?
            }
        };
        Ok(Self { from, described, client })
    }

    /// The same on the command line.
    fn arguments(&self, explanation: &Explanation) -> String {
        let described = &self.described;
        let from = self.from.map(str::to_owned);
        let from = from.or_else(|| explanation.asker.source.map(|source| source.to_string()));
        let mut arguments = format!("--from {}", from.unwrap_or_else(|| "ADDRESS".to_owned()));
        let subnet = described.client_subnet.map(|subnet| subnet.to_string());
        for (option, value) in [
            ("via", described.via),
            ("key", described.key),
            ("certificate", described.certificate),
            ("ecs", subnet.as_deref()),
        ] {
            arguments.extend(value.map(|value| format!(" --{option} {value}")));
        }
        arguments
    }
}

fn you_are(main: &mut Html, look: &Look<'_>, address: IpAddr) {
    let world = Asked::of(look.topology(), look.snapshot());
    let client = Client::new(address, Transport::Tcp);
    let asker = who_asks(&world, &client);
    let (who, notes) = asker.lines(None);
    html!(*main, "<section class=\"you\" aria-label=\"You\"><p>You are <strong>" (address) "</strong>. " (who) ".");
    for note in notes {
        html!(*main, " <span class=\"muted\">" (sentence(&note)) "</span>");
    }
    html!(*main, "</p></section>\n");
}

fn form(main: &mut Html, look: &Look<'_>, visit: &Visit) {
    let (name, from) = (visit.value("name").unwrap_or_default(), visit.value("from").unwrap_or_default());
    let rtype = visit.value("type").unwrap_or("A");
    html!(*main, "<form class=\"ask\" method=\"get\" action=\"/\">\n\
        <p class=\"wide\"><label for=\"name\">Name</label><input id=\"name\" name=\"name\" required maxlength=\"1024\" \
        autocomplete=\"off\" autocapitalize=\"none\" spellcheck=\"false\" value=\"" (name) "\"></p>\n");
    type_field(main, rtype);
    html!(*main, "<p><label for=\"from\">As</label><input id=\"from\" name=\"from\" list=\"networks\" maxlength=\"300\" \
        autocomplete=\"off\" aria-describedby=\"from-help\" value=\"" (from) "\"></p>\n<p><button>Ask</button></p>\n\
        <p class=\"help\" id=\"from-help\">A network, an address of a client, or outside. Empty: you.</p>\n\
        <datalist id=\"networks\"><option value=\"outside\"></option>");
    for label in look.topology().labels_as_declared().take(OFFERED) {
        html!(*main, "<option value=\"" (label) "\"></option>");
    }
    html!(*main, "</datalist>\n");
    more(main, look, visit);
    html!(*main, "</form>\n");
}

/// How else a client can be known than by its address: what the topology has of it.
fn more(main: &mut Html, look: &Look<'_>, visit: &Visit) {
    let identifier = look.snapshot().identifier();
    let forwarders: Vec<_> = look.topology().forwarders().iter().map(|forwarder| forwarder.name.to_string()).collect();
    let keys: Vec<_> = identifier.keys.iter().map(|key| key.key.name().to_string()).collect();
    let keys: Vec<_> = keys.iter().map(|key| key.trim_end_matches('.').to_owned()).collect();
    let certificates: Vec<_> = identifier.certificates.iter().map(|shown| shown.name.to_string()).collect();
    let is_given = ["via", "key", "certificate", "ecs"].into_iter().any(|name| visit.value(name).is_some());
    if forwarders.is_empty() && keys.is_empty() && certificates.is_empty() && !is_given {
        return;
    }
    html!(*main, "<details class=\"more\"");
    if is_given {
        html!(*main, " open");
    }
    html!(*main, "><summary>Known by more than the address</summary>\n<div>");
    choice(main, visit, "via", "Sent on by the forwarder", &forwarders);
    if !forwarders.is_empty() || is_given {
        let subnet = visit.value("ecs").unwrap_or_default();
        html!(*main, "<p><label for=\"ecs\">Client subnet</label><input id=\"ecs\" name=\"ecs\" maxlength=\"50\" \
            autocomplete=\"off\" aria-describedby=\"ecs-help\" value=\"" (subnet) "\"></p>\n");
    }
    choice(main, visit, "key", "Signed with the key", &keys);
    choice(main, visit, "certificate", "Shows the certificate", &certificates);
    html!(
        *main,
        "</div>\n<p class=\"help\" id=\"ecs-help\">What a forwarder tells of its client (EDNS Client Subnet), such as \
        10.1.0.0/24. Nothing is signed or shown here: it is taken as proven.</p>\n</details>\n"
    );
}

/// A field for one of several names, or none of them.
fn choice(main: &mut Html, visit: &Visit, field: &'static str, label: &'static str, names: &[String]) {
    let chosen = visit.value(field).unwrap_or_default();
    if names.is_empty() && chosen.is_empty() {
        return;
    }
    html!(*main, "<p><label for=\"" (field) "\">" (label) "</label><select id=\"" (field) "\" name=\"" (field)
        "\"><option value=\"\">none</option>");
    let is_chosen = |name: &str| name.eq_ignore_ascii_case(chosen.trim_end_matches('.'));
    let other = Some(chosen).filter(|chosen| !chosen.is_empty() && !names.iter().any(|name| is_chosen(name)));
    for name in names.iter().take(OFFERED).map(String::as_str).chain(other) {
        html!(*main, "<option");
        if is_chosen(name) || Some(name) == other {
            html!(*main, " selected");
        }
        html!(*main, ">" (name) "</option>");
    }
    html!(*main, "</select></p>\n");
}

/// The field for the record type.
pub(super) fn type_field(main: &mut Html, chosen: &str) {
    html!(*main, "<p><label for=\"type\">Type</label><select id=\"type\" name=\"type\">");
    let is_other = !TYPES.iter().any(|offered| offered.eq_ignore_ascii_case(chosen));
    for offered in TYPES.into_iter().chain(Some(chosen).filter(|_| is_other)) {
        html!(*main, "<option");
        if offered.eq_ignore_ascii_case(chosen) {
            html!(*main, " selected");
        }
        html!(*main, ">" (offered) "</option>");
    }
    html!(*main, "</select></p>\n");
}

/// Example names: the first alias or address of each zone. Those of public zones come first, since their answers depend on the
/// client.
pub(super) fn samples(main: &mut Html, look: &Look<'_>, path: &str, title: &str) {
    let of_zone = |zone: &ServedZone| {
        let apex = zone.zone.apex().name();
        let mut nodes = zone.zone.nodes().filter(|node| node.name() != apex && !node.name().is_wildcard());
        let is_shown = |rtype| rtype == RecordType::CNAME || rtype == RecordType::A && !zone.is_public;
        let node = nodes.find(|node| node.rrsets().any(|set| is_shown(set.rtype())))?;
        Some(node.name().to_string())
    };
    let mut shown: Vec<String> = Vec::new();
    for is_public in [true, false] {
        let zones = look.snapshot().zones().filter(|zone| !zone.is_internal && zone.is_public == is_public);
        for name in zones.filter_map(of_zone) {
            if !shown.contains(&name) && shown.len() < SAMPLES {
                shown.push(name);
            }
        }
    }
    if shown.is_empty() {
        return;
    }
    html!(*main, "<section class=\"samples\" aria-labelledby=\"samples\"><h2 id=\"samples\">" (title) "</h2>\n<ul>\n");
    for name in shown {
        let name = name.trim_end_matches('.');
        html!(*main, "<li><a href=\"" (path) "?name=" {name} "\"><code>" (name) "</code></a></li>\n");
    }
    html!(*main, "</ul></section>\n");
}

fn asked(main: &mut Html, look: &Look<'_>, question: &Question, asker: &As<'_>) {
    let world = Asked::of(look.topology(), look.snapshot());
    let As { client, described, .. } = asker;
    let client_subnet = described.client_subnet;
    let asking = Asking { client, client_subnet, name: question.name.as_ref(), qtype: question.rtype };
    let place = |item: &Item, origin: Origin| look.place(item, origin).to_string();
    let Some(explanation) = explain(&world, look.catalogue(), &place, &asking) else {
        return html!(*main, "<p class=\"error\" role=\"alert\">The query gets no response.</p>\n");
    };
    html!(*main, "<section id=\"explanation\" data-live aria-labelledby=\"asked\">\n<h2 id=\"asked\"><code>"
        (explanation.name.trim_end_matches('.')) "</code> " (explanation.r#type) "</h2>\n");
    let note = described.silent_forwarder(&explanation);
    conclusion(main, &explanation, note.map(|note| format!("{note}: give the client subnet that it sends")).as_deref());
    way(main, &explanation);
    if let Some(answer) = &explanation.answer {
        records(
            main,
            &answer.rcode,
            &answer.flags.join(" "),
            [("Answer", &answer.answer), ("Authority", &answer.authority), ("Additional", &answer.additional)],
        );
    }
    html!(*main, "</section>\n");
    let (name, rtype) = (question.name.as_ref(), question.rtype);
    html!(
        *main,
        "<section id=\"others\" data-live aria-labelledby=\"others-title\">\n\
        <h2 id=\"others-title\">Who sees what of it</h2>\n"
    );
    super::matrix::rows(main, &world, name, rtype, "others-title");
    html!(*main, "</section>\n<p class=\"muted\">On the command line: <code>vnetdns explain " (asker.arguments(&explanation))
        " " (explanation.name.trim_end_matches('.')) " " (TypeName(rtype)) "</code></p>\n");
}

fn conclusion(main: &mut Html, explanation: &Explanation, note: Option<&str>) {
    let (who, notes) = explanation.asker.lines(note);
    html!(*main, "<div class=\"conclusion\"><p class=\"lead\">" (explanation.conclusion) "</p>\n<p>" (who) ".</p>\n");
    for note in notes {
        html!(*main, "<p class=\"muted\">" (sentence(&note)) "</p>\n");
    }
    for fault in &explanation.faults {
        html!(*main, "<p class=\"mistake\">A fault, on purpose: <strong>" (fault.name) "</strong>, " (fault.what) "</p>\n");
    }
    for mistake in &explanation.mistakes {
        html!(*main, "<p class=\"mistake\">A classic mistake: <strong>" (mistake.name.replace('_', " ")) "</strong>");
        if let Some(code) = mistake.code {
            html!(*main, ", which <code>vnetdns check</code> finds as <a href=\"/findings?code=" {code} "\">" (code) "</a>");
        }
        html!(*main, "</p>\n");
    }
    html!(*main, "</div>\n");
}

/// The names that were looked up, each with its steps.
fn way(main: &mut Html, explanation: &Explanation) {
    if let Some(line) = explanation.custom_dns_line() {
        html!(*main, "<p>" (line) "</p>\n");
    }
    if explanation.hops.is_empty() {
        return;
    }
    html!(*main, "<ol class=\"way\">\n");
    for explained in &explanation.hops {
        let kind = kind(explained);
        html!(*main, "<li class=\"" (kind) "\"><p class=\"hop\"><code>" (explained.hop.name.trim_end_matches('.')) "</code>");
        if kind == "private" || kind == "public" {
            html!(*main, " <span class=\"badge " (kind) "\">" (kind) "</span>");
        }
        html!(*main, "</p>\n<ul>");
        for line in explained.lines() {
            html!(*main, "<li>" (line) "</li>");
        }
        html!(*main, "</ul></li>\n");
    }
    html!(*main, "</ol>\n");
    if !explanation.asks.is_empty() {
        let servers: Vec<_> = explanation.asks.iter().map(ToString::to_string).collect();
        html!(*main, "<p>Asked there, in this order until one responds: " (servers.join(", ")) "</p>\n");
    }
}

/// The kind of zone that answers for a name.
fn kind(explained: &Explained) -> &'static str {
    let mut kind = "other";
    for step in &explained.hop.steps {
        kind = match step {
            Step::PrivateZone { .. } | Step::InternalZone { .. } => "private",
            Step::PublicZone { .. } => "public",
            _ => kind,
        };
    }
    kind
}

fn records(main: &mut Html, rcode: &str, flags: &str, sections: [(&str, &Vec<AnswerRecord>); 3]) {
    html!(*main, "<p class=\"rcode\"><strong>" (rcode) "</strong> <span class=\"muted\">flags " (flags) "</span></p>\n");
    if sections.iter().all(|(_, records)| records.is_empty()) {
        return;
    }
    html!(
        *main,
        "<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"Records of the response\">\n\
        <table><caption>The response</caption><thead><tr><th scope=\"col\">Section</th><th scope=\"col\">Name</th>\
        <th scope=\"col\">TTL</th><th scope=\"col\">Type</th><th scope=\"col\">Data</th></tr></thead><tbody>\n"
    );
    for (section, records) in sections {
        for record in records {
            html!(*main, "<tr><th scope=\"row\">" (section) "</th><td><code>" (record.owner.trim_end_matches('.'))
                "</code></td><td class=\"number\">" (record.ttl) "</td><td>" (record.r#type) "</td><td><code>" (record.data)
                "</code></td></tr>\n");
        }
    }
    html!(*main, "</tbody></table></div>\n");
}
