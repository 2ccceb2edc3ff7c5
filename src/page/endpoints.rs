//! The view "Endpoints": private endpoints, the answers for their names, and decisions about their connections.

use hyper::StatusCode;

use super::html::{Html, html, pager};
use super::respond::{bare, redirect};
use super::session::Session;
use super::topology::{called, filter};
use super::{Pages, Shown, Visit};
use crate::azure::{ConnectionState, PrivateEndpoint, ResourceId, Topology};
use crate::control::Look;
use crate::dns::RecordType;
use crate::management::{Decision, Query};
use crate::observe::SiteAnswer;
use crate::questions::Asked;

/// Endpoints on one page.
const ENDPOINTS: usize = 50;
/// Maximum names of an endpoint that are looked up.
const NAMES: usize = 6;
/// The client in the audit log.
const CLIENT: &str = "the page";

impl Pages {
    pub(super) fn endpoints(&self, visit: &Visit) -> Shown {
        let id = visit.value("id").map(str::parse::<ResourceId>);
        match id {
            None => Shown::of("/endpoints", "Private endpoints", self.list(visit)),
            Some(Err(error)) => Shown::failed(StatusCode::BAD_REQUEST, "No endpoint", &error.to_string()),
            Some(Ok(id)) => self.control.look(|look| {
                let endpoint = look.topology().private_endpoints().find(|endpoint| *endpoint.id == id);
                match endpoint {
                    Some(endpoint) => Shown::of("/endpoints", id.name(), self.one(visit, look, endpoint)),
                    None => Shown::failed(
                        StatusCode::NOT_FOUND,
                        "No endpoint",
                        "There is no such private endpoint any more.",
                    ),
                }
            }),
        }
    }

    fn list(&self, visit: &Visit) -> Html {
        let wanted = visit.value("q").unwrap_or_default();
        let mut main = Html::default();
        self.may(&mut main, visit);
        filter(&mut main, "/endpoints", "Endpoints, networks, resources or states", wanted);
        self.control.look(|look| {
            let topology = look.topology();
            let lower = wanted.to_lowercase();
            let words = |endpoint: &PrivateEndpoint| {
                let (network, resource) = (network(topology, endpoint), &endpoint.private_link_resource);
                let text =
                    format!("{} {network} {} {:?}", endpoint.id.name(), resource.name(), endpoint.connection_state);
                text.to_lowercase()
            };
            let fits = |endpoint: &&PrivateEndpoint| lower.is_empty() || words(endpoint).contains(&lower);
            let mut fitting: Vec<_> = topology.private_endpoints().filter(fits).collect();
            // Connections that wait for a decision come first.
            fitting.sort_by_key(|endpoint| endpoint.connection_state != ConnectionState::Pending);
            let (at, pages) = visit.page(fitting.len(), ENDPOINTS);
            html!(main, "<div id=\"endpoints\" data-live>\n");
            if fitting.is_empty() {
                html!(main, "<p>No private endpoint fits.</p>\n");
            } else {
                let shown = &fitting[at * ENDPOINTS..fitting.len().min((at + 1) * ENDPOINTS)];
                self.table(&mut main, look, shown);
            }
            let mut query = Html::default();
            if !wanted.is_empty() {
                html!(query, "q=" {wanted} "&amp;");
            }
            pager(&mut main, "/endpoints", &query, at, pages);
            html!(main, "</div>\n");
        });
        main
    }

    fn table(&self, main: &mut Html, look: &Look<'_>, shown: &[&PrivateEndpoint]) {
        html!(
            *main,
            "<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"Private endpoints\"><table>\
            <caption>Private endpoints</caption><thead><tr><th scope=\"col\">Endpoint</th><th scope=\"col\">Network</th>\
            <th scope=\"col\">Resource</th><th scope=\"col\">Connection</th></tr></thead><tbody>\n"
        );
        for endpoint in shown {
            let network = network(look.topology(), endpoint);
            html!(*main, "<tr data-key=\"" (*endpoint.id) "\"><th scope=\"row\"><a href=\"/endpoints?id=" {*endpoint.id} "\">"
                (endpoint.id.name()) "</a></th><td>" (network) "</td><td>" (endpoint.private_link_resource.name()) " ("
                (*endpoint.group_id) ")</td><td>");
            state(main, endpoint.connection_state);
            html!(*main, "</td></tr>\n");
        }
        html!(*main, "</tbody></table></div>\n");
    }

    /// Says whether this browser may change something, and if not, how to enable that.
    fn may(&self, main: &mut Html, visit: &Visit) {
        match (&self.decisions, &visit.session) {
            (None, _) => html!(
                *main,
                "<p class=\"muted\">Nothing can be changed here: the server has no management API. \
                <code>[management]</code> in the configuration turns it on.</p>\n"
            ),
            (Some(_), None) => html!(
                *main,
                "<p class=\"muted\">This browser only reads. <code>vnetdns page</code> prints a link \
                with which it may approve and reject connections.</p>\n"
            ),
            (Some(_), Some(_)) => {}
        }
    }

    fn one(&self, visit: &Visit, look: &Look<'_>, endpoint: &PrivateEndpoint) -> Html {
        let topology = look.topology();
        let mut main = Html::default();
        if let Some(failed) = visit.value("failed") {
            html!(main, "<p class=\"error\" role=\"alert\">Nothing has changed: " (failed) "</p>\n");
        }
        html!(main, "<section id=\"endpoint\" data-live aria-label=\"The endpoint\">\n<dl>\n<dt>Network</dt><dd>\
            <a href=\"/topology?q=" {network(topology, endpoint)} "\">"
            (network(topology, endpoint)) "</a></dd>\n<dt>Resource</dt><dd>"
            (endpoint.private_link_resource.name()) " (" (*endpoint.group_id) ")</dd>\n<dt>Addresses</dt><dd>");
        for (at, (member, address)) in endpoint.ip_configurations.iter().enumerate() {
            let address = address.known().map_or_else(|| "not known".to_owned(), |address| address.to_string());
            let comma = if at > 0 { ", " } else { "" };
            html!(main, (comma) (address) " (" (member.to_string()) ")");
        }
        html!(main, "</dd>\n<dt>Writes to</dt><dd>");
        let zones: Vec<_> = endpoint.private_dns_zone_group.iter().map(|zone| zone.name().to_owned()).collect();
        html!(main, (if zones.is_empty() { "no zone: it has no zone group".to_owned() } else { zones.join(", ") })
            "</dd>\n<dt>Connection</dt><dd>");
        state(&mut main, endpoint.connection_state);
        html!(main, "</dd>\n</dl>\n</section>\n");
        self.may(&mut main, visit);
        if let (Some(_), Some(session)) = (&self.decisions, &visit.session) {
            self.forms(&mut main, session, &endpoint.id);
        }
        html!(
            main,
            "<section id=\"answers\" data-live aria-labelledby=\"answers-title\">\n\
            <h2 id=\"answers-title\">Who sees what of its names</h2>\n"
        );
        let members = topology.members(look.catalogue(), &endpoint.private_link_resource, &endpoint.group_id);
        let world = Asked::of(topology, look.snapshot());
        for (at, member) in members.iter().take(NAMES).enumerate() {
            let (name, id) = (member.public_name.to_string(), format!("name-{at}"));
            html!(main, "<h3 id=\"" (id) "\"><code>" (name.trim_end_matches('.')) "</code></h3>\n");
            let rows = crate::questions::matrix(&world, member.public_name.as_ref(), RecordType::A);
            super::answers(&mut main, &rows, &id);
        }
        if members.is_empty() {
            html!(main, "<p>No names of this resource are known.</p>\n");
        }
        html!(main, "</section>\n");
        main
    }

    fn forms(&self, main: &mut Html, session: &Session, id: &ResourceId) {
        html!(*main, "<div class=\"decide\">\n");
        for (decision, name) in [(Decision::Approved, "Approve"), (Decision::Rejected, "Reject")] {
            let token = self.sessions.token(session, &action(decision, id));
            html!(*main, "<form method=\"post\" action=\"/decide\"><input type=\"hidden\" name=\"id\" value=\"" (id)
                "\"><input type=\"hidden\" name=\"decision\" value=\"" (decision.as_str())
                "\"><input type=\"hidden\" name=\"token\" value=\"" (token) "\"><button class=\"" (decision.as_str()) "\">" (name)
                "</button></form>\n");
        }
        html!(*main, "</div>\n");
    }

    /// Carries out the decision of a form.
    pub(super) async fn decide(&self, form: &Query, session: Option<Session>) -> SiteAnswer {
        let Some(decisions) = &self.decisions else {
            return bare(StatusCode::FORBIDDEN, "nothing can be changed here: the server has no management API\n");
        };
        let decision = [Decision::Approved, Decision::Rejected];
        let decision = decision.into_iter().find(|known| form.get("decision") == Some(known.as_str()));
        let id = form.get("id").and_then(|id| id.parse::<ResourceId>().ok());
        let (Some(decision), Some(id)) = (decision, id) else {
            return bare(StatusCode::BAD_REQUEST, "the form says neither what to decide nor about what\n");
        };
        let token = form.get("token").unwrap_or_default();
        let is_of_form = session.is_some_and(|session| self.sessions.is_token(&session, &action(decision, &id), token));
        if !is_of_form {
            return bare(StatusCode::FORBIDDEN, "this browser may not: vnetdns page prints a link with which it may\n");
        }
        let mut to = Html::default();
        html!(to, "/endpoints?id=" {id});
        if let Err(error) = decisions.decide(&id, decision, CLIENT).await {
            html!(to, "&failed=" {error});
        }
        redirect(&to.into_string(), None)
    }
}

/// The label of an endpoint's network.
fn network(topology: &Topology, endpoint: &PrivateEndpoint) -> String {
    let number = topology.network(&endpoint.virtual_network);
    number.map_or_else(|| endpoint.virtual_network.name().to_owned(), |number| called(topology, number))
}

/// The action that a form's token is valid for.
fn action(decision: Decision, id: &ResourceId) -> String {
    format!("{} {}", decision.as_str(), id.to_string().to_lowercase())
}

fn state(main: &mut Html, state: ConnectionState) {
    let name = format!("{state:?}");
    html!(*main, "<span class=\"badge " (name.to_lowercase()) "\">" (name) "</span>");
}
