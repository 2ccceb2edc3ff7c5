//! The view "Ask": the answer that any client gets, why, and who the visitor is.

use std::net::IpAddr;

use super::html::{Html, html, sentence};
use super::{Pages, Shown, Visit};
use crate::azure::{Item, Origin, ReferenceError};
use crate::control::Look;
use crate::dns::{Name, RecordType, TypeName};
use crate::questions::{AnswerRecord, Asked, Asking, Explained, Explanation, explain, who_asks};
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
                Ok(Some(question)) => match client(look, visit) {
                    Err(error) => html!(main, "<p class=\"error\" role=\"alert\">" (error) "</p>\n"),
                    Ok(client) => asked(&mut main, look, &question, &client),
                },
            }
            main
        });
        Shown::of("/", "Ask as anybody", main)
    }
}

/// The client as which a visit asks: an address or a network; the visitor, if neither is given.
fn client(look: &Look<'_>, visit: &Visit) -> Result<Client, String> {
    let Some(from) = visit.value("from") else { return Ok(Client::new(visit.client, Transport::Tcp)) };
    if let Ok(address) = from.parse::<IpAddr>() {
        return Ok(Client::new(address, Transport::Tcp));
    }
    let view = match from {
        from if from.eq_ignore_ascii_case("outside") => OUTSIDE,
        from => match look.topology().find_network(from) {
            Ok(network) => look.snapshot().view_of(network),
            Err(ReferenceError::Ambiguous(several)) => {
                return Err(format!("Several networks are called \"{from}\"; say which: {}", several.join(", ")));
            }
            Err(_) => return Err(format!("\"{from}\" is neither an address, nor a network, nor outside")),
        },
    };
    Ok(Client { view: Some(view), ..Client::new(IpAddr::from([0, 0, 0, 0]), Transport::Tcp) })
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
    html!(*main, "</datalist>\n</form>\n");
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

fn asked(main: &mut Html, look: &Look<'_>, question: &Question, client: &Client) {
    let world = Asked::of(look.topology(), look.snapshot());
    let asking = Asking { client, client_subnet: None, name: question.name.as_ref(), qtype: question.rtype };
    let place = |item: &Item, origin: Origin| look.place(item, origin).to_string();
    let Some(explanation) = explain(&world, look.catalogue(), &place, &asking) else {
        return html!(*main, "<p class=\"error\" role=\"alert\">The query gets no response.</p>\n");
    };
    html!(*main, "<section id=\"explanation\" data-live aria-labelledby=\"asked\">\n<h2 id=\"asked\"><code>"
        (explanation.name.trim_end_matches('.')) "</code> " (explanation.r#type) "</h2>\n");
    conclusion(main, &explanation);
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
    html!(*main, "</section>\n<p class=\"muted\">On the command line: <code>vnetdns explain --from "
        (explanation.asker.source.map_or_else(|| explanation.asker.network.clone().unwrap_or_else(|| "ADDRESS".to_owned()),
            |source| source.to_string()))
        " " (explanation.name.trim_end_matches('.')) " " (TypeName(rtype)) "</code></p>\n");
}

fn conclusion(main: &mut Html, explanation: &Explanation) {
    let (who, notes) = explanation.asker.lines(None);
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
